"""Checks that a site's rules can name: ``check: pixel.size``. To add one: a line in ``CHECKS``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
}
"""By the id of the core rule that makes the same check, or by what is so where nothing is found."""
