"""Rules on a whole study, and the verdict that they come to. To add one: a check, and its line in ``STUDY_RULES``.

A study that is here has been accepted, so nothing is refused or held back any more: what is found is a remark.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydicom.datadict import keyword_for_tag

from dicomnode import __version__
from dicomnode.dicom import status
from dicomnode.dicom.instance import Finding, Severity
from dicomnode.dicom.query.person_name import is_same_name
from dicomnode.dicom.query.temporal import is_same_day
from dicomnode.dicom.tags import (
    FRAME_OF_REFERENCE_UID,
    INSTANCE_NUMBER,
    PATIENT_BIRTH_DATE,
    PATIENT_NAME,
    REFERRING_PHYSICIAN_NAME,
    STUDY_DATE,
)
from dicomnode.qa.settings import RuleSeverity
from dicomnode.qa.studies.header import PATIENT, POSITION, SERIES, STUDY, Header
from dicomnode.qa.studies.slices import Stacks, look_at

_SHOWN_GAPS: Final = 3
"""So many gaps of a series a finding tells of."""


@dataclass(frozen=True, slots=True)
class Series:
    """The instances of a series, and what was found in its slices."""

    headers: Sequence[Header]
    stacks: Stacks


@dataclass(frozen=True, slots=True)
class Study:
    """What rules look at.

    Attributes:
        series: by their UIDs.
        awaited: instances that were announced and are not here.
        unreadable: instances whose files could not be read.
    """

    series: Mapping[str, Series]
    awaited: int
    unreadable: int


Hits = Iterator[tuple[str, tuple[int, ...], str]]
"""Series Instance UID (empty for the study), tags, comment."""


@dataclass(frozen=True, slots=True)
class StudyRule:
    """One rule on studies."""

    id: str
    severity: Severity
    reference: str
    check: Callable[[Study], Hits]


def slices_missing(study: Study) -> Hits:
    """Between slices of a stack there is room for others, or one of several volumes lacks a slice."""
    for uid, series in study.series.items():
        if gaps := series.stacks.gaps:
            missing = sum(gap.missing for gap in gaps)
            where = [f"{gap.gap_mm:.4g} instead of {gap.spacing_mm:.4g} mm{_after(gap.after)}" for gap in gaps]
            more = ", ..." if len(where) > _SHOWN_GAPS else ""
            yield uid, (POSITION,), f"{_count(missing, 'slice')} missing: {', '.join(where[:_SHOWN_GAPS])}{more}"
        if series.stacks.thinned:
            yield uid, (POSITION,), f"{_count(series.stacks.thinned, 'position')} with fewer slices than the others"


def slices_doubled(study: Study) -> Hits:
    """At some positions of a stack there are more slices than at the others."""
    for uid, series in study.series.items():
        if series.stacks.doubled:
            yield uid, (POSITION,), f"{_count(series.stacks.doubled, 'position')} with more slices than the others"


def slices_irregular(study: Study) -> Hits:
    """The distance between slices of a stack varies."""
    for uid, series in study.series.items():
        if series.stacks.irregular:
            yield uid, (POSITION,), f"distance between slices varies in {_count(series.stacks.irregular, 'stack')}"


def numbers_doubled(study: Study) -> Hits:
    """Instances of a series have the same Instance Number."""
    for uid, series in study.series.items():
        counted = Counter(header.number for header in series.headers if header.number is not None)
        if doubled := sum(count > 1 for count in counted.values()):
            yield uid, (INSTANCE_NUMBER,), f"{_count(doubled, 'InstanceNumber')} used more than once"


def numbers_missing(study: Study) -> Hits:
    """Instance Numbers of a series, which otherwise count up one by one, leave some out."""
    for uid, series in study.series.items():
        numbers = {header.number for header in series.headers if header.number is not None}
        missing = max(numbers) - min(numbers) + 1 - len(numbers) if numbers else 0
        if 0 < missing < len(numbers) / 2:
            yield uid, (INSTANCE_NUMBER,), f"{_count(missing, 'InstanceNumber')} left out"


def patient_varies(study: Study) -> Hits:
    """Not all instances name the same patient, birth date and sex."""
    yield from _varying(PATIENT, [header.patient for series in study.series.values() for header in series.headers])


def study_varies(study: Study) -> Hits:
    """Not all instances have the same Study Date, Accession Number, Study ID and Referring Physician's Name."""
    yield from _varying(STUDY, [header.study for series in study.series.values() for header in series.headers])


def series_varies(study: Study) -> Hits:
    """Not all instances of a series have the same Modality, Series Number and Laterality."""
    for uid, series in study.series.items():
        for _, tags, comment in _varying(SERIES, [header.series for header in series.headers]):
            yield uid, tags, comment


def frames_of_reference_differ(study: Study) -> Hits:
    """The slices of one series have several frames of reference: they have no common place (PS3.3 Section C.7.4.1)."""
    for uid, series in study.series.items():
        frames = {header.frame_of_reference_uid for header in series.headers} - {""}
        if len(frames) > 1:
            yield uid, (FRAME_OF_REFERENCE_UID,), f"{len(frames)} frames of reference in one series"


def frames_of_reference_of_study(study: Study) -> Hits:
    """The slices of a study have several frames of reference: its series cannot be laid over one another."""
    headers = (header for series in study.series.values() for header in series.headers if header.plane is not None)
    frames = {header.frame_of_reference_uid for header in headers} - {""}
    if len(frames) > 1:
        yield "", (FRAME_OF_REFERENCE_UID,), f"{len(frames)} frames of reference in the study"


def announced_missing(study: Study) -> Hits:
    """Instances that a performed procedure step or a commitment request listed are not here."""
    if study.awaited:
        yield "", (), f"{_count(study.awaited, 'announced instance')} not here"


def files_unreadable(study: Study) -> Hits:
    """Files of instances are gone or cannot be read: nothing could be judged of them."""
    if study.unreadable:
        yield "", (), f"{_count(study.unreadable, 'instance')} could not be read"


_INFO, _WARN = Severity.INFO, Severity.WARN
STUDY_RULES: Final = (
    StudyRule("study.slices-missing", _WARN, "PS3.3 C.7.6.2", slices_missing),
    StudyRule("study.slices-doubled", _WARN, "PS3.3 C.7.6.2", slices_doubled),
    StudyRule("study.slices-irregular", _INFO, "PS3.3 C.7.6.2", slices_irregular),
    StudyRule("study.numbers-doubled", _WARN, "PS3.3 C.7.6.1", numbers_doubled),
    StudyRule("study.numbers-missing", _INFO, "PS3.3 C.7.6.1", numbers_missing),
    StudyRule("study.patient", _WARN, "PS3.3 C.7.1.1", patient_varies),
    StudyRule("study.attributes", _WARN, "PS3.3 C.7.2.1", study_varies),
    StudyRule("study.series", _WARN, "PS3.3 C.7.3.1", series_varies),
    StudyRule("study.series-frames", _WARN, "PS3.3 C.7.4.1", frames_of_reference_differ),
    StudyRule("study.frames", _INFO, "PS3.3 C.7.4.1", frames_of_reference_of_study),
    StudyRule("study.announced", _WARN, "PS3.4 F.7", announced_missing),
    StudyRule("study.file", _WARN, "PS3.10 7", files_unreadable),
)
OF_STUDIES: Final = frozenset(rule.id for rule in STUDY_RULES)


def judge_study(
    headers: Iterable[Header], severities: Mapping[str, RuleSeverity], *, awaited: int = 0, unreadable: int = 0
) -> tuple[Finding, ...]:
    """What is found of a study; ``path`` names the series, and is empty for the whole study.

    Args:
        headers: of all its instances.
        severities: the site's own; nothing is more than a remark.
        awaited: instances that were announced and are not here.
        unreadable: instances whose files could not be read.
    """
    by_series: dict[str, list[Header]] = {}
    for header in headers:
        by_series.setdefault(header.series_instance_uid, []).append(header)
    series = {uid: Series(of_series, look_at(of_series)) for uid, of_series in by_series.items()}
    study = Study(series, awaited, unreadable)
    return tuple(
        Finding(rule.id, severity, status.SUCCESS, tags, comment, uid, rule.reference)
        for rule, severity in _effective(severities)
        for uid, tags, comment in rule.check(study)
    )


def study_rule_set(severities: Mapping[str, RuleSeverity]) -> str:
    """Names the rules that a study is judged by: two nodes that judge alike have the same."""
    told = [f"{rule.id}={severity.name}" for rule, severity in _effective(severities)]
    return hashlib.sha256("\n".join([__version__, *told]).encode()).hexdigest()[:16]


def effective_severities(severities: Mapping[str, RuleSeverity]) -> Iterator[tuple[StudyRule, str]]:
    """All rules with their severities here, in words; off too."""
    effective = {rule.id: severity.name.lower() for rule, severity in _effective(severities)}
    for rule in STUDY_RULES:
        yield rule, effective.get(rule.id, str(RuleSeverity.OFF))


def _effective(severities: Mapping[str, RuleSeverity]) -> Iterator[tuple[StudyRule, Severity]]:
    for rule in STUDY_RULES:
        setting = severities.get(rule.id)
        level = rule.severity if setting is None else setting.level
        if level is not None:
            yield rule, min(level, _WARN)


def _varying(tags: Sequence[int], rows: Sequence[Sequence[str]]) -> Hits:
    """The attributes of which not all rows have the value that most have; a row that does not say contradicts nothing."""
    for index, tag in enumerate(tags):
        counted = Counter(row[index] for row in rows if row[index])
        if len(counted) < 2:  # noqa: PLR2004 - one value does not vary
            continue
        usual, _ = counted.most_common(1)[0]
        same = _SAME.get(tag, _is_same)
        others = sum(count for value, count in counted.items() if not same(value, usual))
        if others:
            yield "", (tag,), f"{keyword_for_tag(tag)} is another one in {_count(others, 'instance')}"


def _is_same(one: str, other: str) -> bool:
    return one.split() == other.split()


_SAME: Final[Mapping[int, Callable[[str, str], bool]]] = {
    PATIENT_NAME: is_same_name,
    REFERRING_PHYSICIAN_NAME: is_same_name,
    STUDY_DATE: is_same_day,
    PATIENT_BIRTH_DATE: is_same_day,
}
"""Names and days may be written in several ways."""


def _after(number: int | None) -> str:
    return "" if number is None else f" after instance {number}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
