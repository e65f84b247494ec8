"""The rules that instances of one kind are judged by, and which of them have to be asked about this one.

Of most rules it is known before that they find nothing: one look finds what several of them tell, and it found nothing; or what
they read (`Reads`) is what another instance said, of which they found nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final

from dicomnode.dicom.layout import Layout
from dicomnode.qa.reads import Reads
from dicomnode.qa.rule import Hit, Look, Rule, Subject

MAX_REMEMBERED: Final = 2048
"""Answers of rules that say what they read, some MB where a peer makes them up; all are forgotten when there are more."""

Question = tuple[int, Rule, Sequence[Hit] | None]
"""The place of a rule among all, the rule, and what it finds; None where it is to be asked."""
Memory = dict[Hashable, tuple[Question, ...]]
"""What rules found that say what they read, by all that it depends on."""


class Panel:
    """The rules for instances of one kind."""

    __slots__ = ("_looks", "_others", "_topics")

    def __init__(self, rules: Sequence[Rule], memory: Memory) -> None:
        """Sort the rules by how they are asked.

        Args:
            memory: that of all panels, so that one bound holds for all of them.
        """
        looks: dict[Look, list[Question]] = {}
        topics: dict[Reads, list[Question]] = {}
        others: list[Question] = []
        for place, rule in enumerate(rules):
            if rule.look is not None:
                looks.setdefault(rule.look, []).append((place, rule, None))
            elif rule.reads is not None:
                topics.setdefault(rule.reads, []).append((place, rule, None))
            else:
                others.append((place, rule, None))
        self._looks = tuple(looks.items())
        self._topics = tuple(_Topic(reads, questions, memory) for reads, questions in topics.items())
        self._others = others

    def questions(self, subject: Subject) -> Sequence[Question]:
        """What is to be asked about an instance, and what is known to be found in it, in the order of the rules."""
        more: list[Question] = []
        for look, questions in self._looks:
            if _gives_something(look, subject):
                more += questions
        layout = None if subject.dataset.faults else subject.dataset.layout
        circumstances = None if layout is None else _circumstances(subject)
        for topic in self._topics:
            more += topic.questions if layout is None else topic.known(subject, layout, circumstances)
        return sorted((*self._others, *more)) if more else self._others


class _Topic:
    """Rules that read the same."""

    __slots__ = ("_memory", "_reads", "questions")

    def __init__(self, reads: Reads, questions: Sequence[Question], memory: Memory) -> None:
        self._reads = reads
        self._memory = memory
        self.questions = questions

    def known(self, subject: Subject, layout: Layout, circumstances: Hashable) -> Sequence[Question]:
        """What its rules found in another instance, or find now; or that they are to be asked, where nothing is remembered."""
        shape, cut = layout.derived(self._reads, self._reads.places)
        if cut is None:
            return self.questions
        key = self, shape, circumstances, cut(subject.dataset.head)
        found = self._memory.get(key)
        if found is None:
            found = self._found(subject)
            if found is None:
                return self.questions
            if len(self._memory) >= MAX_REMEMBERED:
                self._memory.clear()
            self._memory[key] = found
        return found

    def _found(self, subject: Subject) -> tuple[Question, ...] | None:
        """What its rules find now; None where one fails: who asks it again tells of that."""
        try:
            answers = [(place, rule, tuple(rule.check(subject))) for place, rule, _ in self.questions]
        except Exception:  # noqa: BLE001 - as above
            return None
        return tuple(answer for answer in answers if answer[2])


def _gives_something(look: Look, subject: Subject) -> bool:
    try:
        return bool(subject.once(look, look))
    except Exception:  # noqa: BLE001 - each rule that goes by it fails then, and is told of where it is asked
        return True


def _circumstances(subject: Subject) -> Hashable:
    """What else counts for rules that say what they read: that much of the request, of pixel data, and the day."""
    dataset, pixels = subject.dataset, subject.dataset.pixel_data
    form = pixels and (pixels.tag, pixels.declared_bytes, pixels.fragments is None, not pixels.present_bytes)
    return subject.request.sop_class_uid, subject.today, dataset.transfer_syntax.uid, form
