"""What no single key shows: rules of one name, overrides of what cannot be overridden, fixes of what must not be changed."""

from __future__ import annotations

from collections.abc import Iterator

from dicomnode.qa.core import FOUND_BY_THE_INDEX, FOUND_BY_THE_NODE, UIDS
from dicomnode.qa.language.compiling import wrong_values
from dicomnode.qa.language.fix_text import FixText
from dicomnode.qa.language.fixes import uncopied, unfixable, unwritable
from dicomnode.qa.language.schema import Override, RuleFile, RuleText
from dicomnode.qa.rules import RULES
from dicomnode.qa.settings import RuleSeverity
from dicomnode.settings.document import KeyPath
from dicomnode.settings.faults import nearest

Contradiction = tuple[KeyPath, str]
"""Where it is, and what is wrong."""


def contradictions(file: RuleFile) -> Iterator[Contradiction]:
    """What is wrong with a file whose keys are all right: the key, and what is wrong with it."""
    core = {rule.id for rule in RULES}
    first: dict[str, str] = {}
    for name, profile in file.profiles.items():
        for index, rule in enumerate(profile.rules):
            place = ("profiles", name, "rules", index, "id")
            if rule.id in core or rule.id in FOUND_BY_THE_INDEX or rule.id in FOUND_BY_THE_NODE:
                yield place, f"{rule.id} is a core rule: override it, or choose another id"
            elif rule.id in first:
                yield place, f"{rule.id} stands in profile {first[rule.id]} already"
            first.setdefault(rule.id, name)
            yield from ((("profiles", name, "rules", index, *key), text) for key, text in _wrong_fix(rule))
    known = core | first.keys()
    fixing = {rule.id for profile in file.profiles.values() for rule in profile.rules if rule.fix is not None}
    for name, profile in file.profiles.items():
        for rule_id, override in profile.override.items():
            yield from _wrong_override(("profiles", name, "override", rule_id), rule_id, override, known, fixing)
    for index, test in enumerate(file.tests):
        for rule_id in test.expect.keys() - known:
            yield ("tests", index, "expect", rule_id), _unknown(rule_id, known)


def _wrong_fix(rule: RuleText) -> Iterator[Contradiction]:
    if rule.fix is None:
        return
    for kind in ("required", "present", "fields"):
        for index, keyword in enumerate(getattr(rule, kind) or ()):
            if (text := unfixable(keyword)) is not None:
                yield (kind, index), text
            else:
                yield from ((("fix", *key), text) for key, text in _wrong_values(keyword, rule.fix))
    if rule.required is not None and rule.fix.default == "":
        yield ("fix", "default"), "an attribute that must say something cannot be given nothing"
    if all(unfixable(keyword) is None for keyword in rule.fields or ()):
        yield from ((("fix",), text) for text in wrong_values(rule))


def _wrong_values(keyword: str, fix: FixText) -> Iterator[Contradiction]:
    for was, value in fix.map.items():
        if (text := unwritable(keyword, value)) is not None:
            yield ("map", was), text
    if fix.default is not None and (text := unwritable(keyword, fix.default)) is not None:
        yield ("default",), text
    if fix.copy_ == keyword:
        yield ("copy",), f"{keyword} cannot be copied from itself"
    elif fix.copy_ is not None and (text := uncopied(fix.copy_, keyword)) is not None:
        yield ("copy",), text


def _wrong_override(
    place: KeyPath, rule_id: str, override: Override, known: set[str], fixing: set[str]
) -> Iterator[Contradiction]:
    if rule_id in FOUND_BY_THE_INDEX:
        yield place, f"{rule_id} is the same for all instances: the configuration decides (docs/qa.md)"
    elif rule_id not in known:
        yield place, _unknown(rule_id, known)
    elif rule_id == UIDS and (override.severity is not RuleSeverity.REJECT or override.mode is not None):
        yield place, f"{UIDS} stays at reject: an instance without these UIDs cannot be indexed"
    elif override.severity is RuleSeverity.FIX and rule_id not in fixing:
        yield place, f"{rule_id} knows no fix"


def _unknown(rule_id: str, known: set[str]) -> str:
    meant = nearest(rule_id, known)
    return "no rule has this id" + (f"; did you mean {meant}?" if meant else "")
