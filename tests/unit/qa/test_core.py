"""The core rules as a whole: what senders and sites rely on."""

from __future__ import annotations

from unit.qa.judging import answer, judge

from dicomnode.dicom.instance import Severity, StoreAnswer
from dicomnode.qa.core import CORE

INFO, WARN, QUARANTINE, REJECT = Severity.INFO, Severity.WARN, Severity.QUARANTINE, Severity.REJECT


def test_valid_instance_has_no_findings() -> None:
    verdict = judge({})
    assert verdict.findings == ()
    assert answer(verdict) == StoreAnswer(0x0000)


def test_ids_severities_and_statuses_are_those_that_are_documented() -> None:
    assert [(one.id, one.severity, one.status) for one in CORE] == [
        ("core.parse", REJECT, 0xC501),
        ("core.uids", REJECT, 0xC502),
        ("core.affected-class", REJECT, 0xA900),
        ("core.affected-instance", QUARANTINE, 0xA900),
        ("core.uid-syntax", QUARANTINE, 0x0117),
        ("core.uid-strict", WARN, 0x0117),
        ("core.damaged", QUARANTINE, 0xC501),
        ("core.encoding", WARN, 0xC501),
        ("core.untidy", INFO, 0xC501),
        ("core.sop-class", WARN, 0xA900),
        ("core.private-class", INFO, 0xA900),
        ("core.charset", WARN, 0xA900),
        ("patient.id", QUARANTINE, 0xA900),
        ("patient.name", WARN, 0xA900),
        ("patient.sex", WARN, 0xA900),
        ("series.modality", WARN, 0xA900),
        ("dates.real", WARN, 0xA900),
        ("dates.future", WARN, 0xA900),
        ("dates.birth", WARN, 0xA900),
        ("dates.order", WARN, 0xA900),
        ("pixel.present", QUARANTINE, 0xA900),
        ("pixel.size", QUARANTINE, 0xA900),
        ("pixel.form", QUARANTINE, 0xA900),
        ("pixel.attributes", QUARANTINE, 0xA900),
        ("pixel.bits", QUARANTINE, 0xA900),
        ("pixel.high-bit", WARN, 0xA900),
        ("pixel.absent", WARN, 0xA900),
    ]
