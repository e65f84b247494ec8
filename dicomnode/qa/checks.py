"""Checks that a site's rules can name: ``check: pixel.size``. To add one: a line in ``CHECKS``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from dicomnode.qa import knowledge
from dicomnode.qa.rule import Check, Hit, Rule, Subject
from dicomnode.qa.rules import RULES


def _where_it_concerns(rule: Rule) -> Check:
    """The rule's check, which finds nothing in instances of SOP Classes that are no matter of the rule."""
    concerns, check = rule.sop_classes, rule.check
    if concerns is None:
        return check

    def found(subject: Subject) -> Iterable[Hit]:
        return check(subject) if concerns(subject.request.sop_class_uid) else ()

    return found


CHECKS: Final[Mapping[str, Check]] = {rule.id: _where_it_concerns(rule) for rule in RULES} | {
    "study-has-one-patient": knowledge.other_patient,
    "patient-name-consistent": knowledge.other_name,
    "accession-on-worklist": knowledge.not_on_worklist,
}
"""By the id of the core rule that makes the same check, or by what is so where nothing is found."""

CHECK_GROUPS: Final[Mapping[str, Mapping[str, Check]]] = {
    group: {name.removeprefix(f"{group}."): check for name, check in CHECKS.items() if name.startswith(f"{group}.")}
    for group in {name.partition(".")[0] for name in CHECKS if "." in name}
}
"""By the first part of their ids, then by the rest: ``iod`` has ``type1``, ``type2``, ..."""


def named_check(name: str, report: Sequence[str] | None = None) -> Check:
    """The check of this name; of a group all its checks, or those that ``report`` names."""
    if name in CHECKS:
        return CHECKS[name]
    checks = [check for part, check in CHECK_GROUPS[name].items() if report is None or part in report]

    def found(subject: Subject) -> Iterator[Hit]:
        for check in checks:
            yield from check(subject)

    return found
