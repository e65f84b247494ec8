"""From a rule as it is written to the house's `Rule`, once: a closure that an instance is only shown to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from pydicom.datadict import keyword_for_tag

from dicomnode.dicom import status
from dicomnode.dicom.instance import Severity
from dicomnode.qa.checks import named_check
from dicomnode.qa.language.expression import Condition, compile_expression
from dicomnode.qa.language.fields import FieldOfRule, field_of, present, required, wrong_in
from dicomnode.qa.language.fix_text import FixText
from dicomnode.qa.language.fixes import filling, mending
from dicomnode.qa.language.operands import Kind, tag_of, value_of
from dicomnode.qa.language.schema import RuleText
from dicomnode.qa.language.value_tests import IsRight, escaped, form, tests
from dicomnode.qa.rule import Check, Hit, Rule, Subject


def compile_rule(text: RuleText) -> Rule:
    """The rule that ``text`` says."""
    severity = text.severity.level
    assert severity is not None, "the schema lets no rule be off"
    check = _check(text)
    if text.when is not None:
        check = _only_when(compile_expression(text.when).holds, check)
    code = text.status if text.status != status.COERCED else status.DATASET_DOES_NOT_MATCH_SOP_CLASS
    left = text.fix.else_.level if text.fix is not None else None
    return Rule(text.id, severity, code, text.ref, check, otherwise=Severity.WARN if left is None else left)


def wrong_values(text: RuleText) -> Iterator[str]:
    """What is wrong with the values that a rule's fix gives: the rule would find them again."""
    if text.fix is None or text.fields is None:
        return
    lasting = text.model_copy(update={"date": None})  # which days are right, a day in the future tells
    for name in text.fields:
        is_right = _text_tests(field_of(name, text), lasting)
        for value in (*text.fix.map.values(), *([text.fix.default] if text.fix.default else ())):
            if not all(test(part, None) for test in is_right for part in value.split("\\") if part):
                yield f"the rule would find {name} wrong with the fix's own value {value!r}"


def _check(text: RuleText) -> Check:
    if text.required is not None:
        return _filled(required(text.required, text.comment or "{keyword} missing or empty"), text.required, text.fix)
    if text.present is not None:
        return _filled(present(text.present, text.comment or "{keyword} missing"), text.present, text.fix)
    if text.assert_ is not None:
        return _asserted(text.assert_, text.comment)
    if text.check is not None:
        return _named(named_check(text.check, text.report), text.comment)
    return _fields(text)


def _filled(check: Check, keywords: Iterable[str], fix: FixText | None) -> Check:
    """The check, with what would fill in what it finds missing."""
    if fix is None:
        return check
    mends = {tag_of(keyword): filling(keyword, fix) for keyword in keywords}

    def found(subject: Subject) -> list[Hit]:
        return [hit._replace(change=mends[hit.tags[0]](subject)) for hit in check(subject)]

    return found


def _asserted(expression: str, comment: str | None) -> Check:
    compiled = compile_expression(expression)
    tags = tuple(each.tag for each in compiled.operands)
    told = (comment or "{keyword}: not so that " + escaped(expression)).format(keyword=compiled.operands[0].keyword)
    hits, holds = (Hit(tags, told),), compiled.holds

    def found(subject: Subject) -> tuple[Hit, ...]:
        return hits if holds(subject) is False else ()

    return found


def _named(check: Check, comment: str | None) -> Check:
    if comment is None:
        return check

    def found(subject: Subject) -> Iterator[Hit]:
        for hit in check(subject):
            yield hit._replace(comment=comment.format(keyword=keyword_for_tag(hit.tags[0]) if hit.tags else "data set"))

    return found


def _fields(text: RuleText) -> Check:
    make = wrong_in if text.fix is None else _fixed_field
    parts = [make(field_of(name, text), text) for name in text.fields or ()]
    if len(parts) == 1:
        return parts[0]

    def found(subject: Subject) -> list[Hit]:
        return [hit for part in parts for hit in part(subject)]

    return found


def _fixed_field(field: FieldOfRule, text: RuleText) -> Callable[[Subject], Sequence[Hit]]:
    """What is wrong, with what would mend it; where nothing is asked of the values, all that the fix would write otherwise."""
    assert text.fix is not None
    is_right = _text_tests(field, text)
    mend, check = mending(field.place.last.tag, text.fix, is_right), wrong_in(field, text)
    comment = (text.comment or "{keyword} is not written as it shall be").format(keyword=field.place.last.name)
    otherwise_written = (Hit((field.place.last.tag,), comment),)

    def found(subject: Subject) -> Sequence[Hit]:
        hits = check(subject) if is_right else otherwise_written
        change = mend(subject) if hits else None
        if change is None:
            return hits if is_right else ()
        return (hits[0]._replace(change=change),)

    return found


def _text_tests(field: FieldOfRule, text: RuleText) -> list[Callable[[str, Any], bool]]:
    """The tests of a value that is yet to be written."""
    typed: list[Callable[[str, Any], bool]] = [
        partial(_passes, field.kind, is_right) for is_right, _ in tests(field.kind, text)
    ]
    return [*typed, partial(_passes, Kind.TEXT, form(text.vr)[0])] if text.vr is not None else typed


def _passes(kind: Kind, is_right: IsRight, text: str, subject: Subject | None) -> bool:
    value = value_of(kind, text.strip())
    return value is not None and is_right(value, subject)


def _only_when(holds: Condition, check: Check) -> Check:
    def found(subject: Subject) -> Iterable[Hit]:
        return check(subject) if holds(subject) else ()

    return found
