"""The circuit breaker: when it opens, what it holds, and what closes it."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from dicomnode.dicom.instance import Finding, Severity, Verdict
from dicomnode.dicom.peer import Sender
from dicomnode.qa.breaker import Breaker, BreakerSettings, BreakerTable
from dicomnode.qa.core import BREAKER

CT = Sender("CT1", "DICOMNODE", "192.0.2.1", "ct1")
OTHER = Sender("CT2", "DICOMNODE", "192.0.2.1", "ct2")
GOOD = Verdict((), "rules")


def refusal(rule: str = "site.kvp") -> Verdict:
    remark = Finding("site.note", Severity.WARN, 0xB007, (), "odd")
    return Verdict((remark, Finding(rule, Severity.REJECT, 0xC123, (0x00180060,), "KVP impossible")), "rules")


class Node:
    """Workers that share a table, and a clock that stands still unless it is moved."""

    def __init__(self, **settings: float) -> None:
        self.settings = BreakerSettings.model_validate({"window": 40, "at_least": 10} | settings)
        self.table = BreakerTable.create()
        self.now_ns = 1
        self.workers = [self.worker(), self.worker()]

    def worker(self) -> Breaker:
        return Breaker(BreakerTable(self.table.fd), self.settings, clock=lambda: self.now_ns)

    def judge(self, *verdicts: Verdict, sender: Sender = CT) -> list[Severity]:
        """What becomes of instances that the workers take turns at."""
        return [
            self.workers[number % len(self.workers)].judged(verdict, sender).severity
            for number, verdict in enumerate(verdicts)
        ]


def test_refusals_stay_while_they_are_few() -> None:
    node = Node()
    assert node.judge(*[refusal()] * 9)[-1] is Severity.REJECT, "not enough is known of the device"
    assert set(Node().judge(*([GOOD] * 9 + [refusal()]) * 4)) == {Severity.INFO, Severity.REJECT}


def test_opens_once_for_all_workers_and_tells_so() -> None:
    node = Node()
    with capture_logs() as logs:
        became = node.judge(*[refusal()] * 14)
    assert became == [Severity.REJECT] * 9 + [Severity.QUARANTINE] * 5
    [opened] = logs
    assert opened == {
        "event": "qa.breaker_opened",
        "log_level": "error",
        "calling_ae_title": "CT1",
        "peer": "ct1",
        "address": "192.0.2.1",
        "refused": 10,
        "instances": 10,
        "rules": ["site.kvp"],
    }
    assert node.worker().judged(refusal(), CT).severity is Severity.QUARANTINE, "a worker that starts later knows"
    assert node.judge(refusal(), sender=OTHER) == [Severity.REJECT], "another device is none of its business"


def test_findings_say_what_would_have_been() -> None:
    node = Node()
    node.judge(*[refusal()] * 10)
    remark, held, breaker = node.workers[0].judged(refusal(), CT).findings
    assert (remark.severity, remark.comment) == (Severity.WARN, "odd")
    assert (held.severity, held.would, held.comment) == (
        Severity.QUARANTINE,
        Severity.REJECT,
        "would reject: KVP impossible",
    )
    assert (breaker.rule, breaker.severity) == (BREAKER, Severity.QUARANTINE)


@pytest.mark.parametrize("rule", ["core.uids", "core.parse"])
def test_what_cannot_be_indexed_is_refused_all_the_same(rule: str) -> None:
    node = Node()
    assert node.judge(*[refusal(rule)] * 20) == [Severity.REJECT] * 20


def test_closes_when_the_share_has_fallen_to_half() -> None:
    node = Node()
    node.judge(*[GOOD] * 30, *[refusal()] * 8)
    with capture_logs() as logs:
        assert node.judge(refusal()) == [Severity.QUARANTINE]
        assert node.judge(*[GOOD] * 40)[-1] is Severity.INFO
    [closed] = logs
    assert (closed["event"], closed["reason"], closed["refused"]) == ("qa.breaker_closed", "share", 4)
    assert node.judge(refusal()) == [Severity.REJECT]


def test_closes_when_its_time_has_passed() -> None:
    node = Node(open_s=60)
    node.judge(*[refusal()] * 10)
    node.now_ns += 59 * 10**9
    assert node.judge(refusal()) == [Severity.QUARANTINE]
    node.now_ns += 10**9
    with capture_logs() as logs:
        assert node.judge(refusal()) == [Severity.REJECT]
    assert [(one["event"], one["reason"], one["open_s"]) for one in logs] == [("qa.breaker_closed", "time", 60.0)]
    assert node.judge(*[refusal()] * 9) == [Severity.REJECT] * 9, "it counts anew"


def test_share_of_one_never_opens() -> None:
    assert set(Node(refused_share=1).judge(*[refusal()] * 50)) == {Severity.REJECT}


def test_any_number_of_devices_can_be_made_up() -> None:
    node = Node()
    for number in range(20_000):
        node.judge(refusal(), sender=Sender(f"AE{number}", "DICOMNODE", "192.0.2.1"))
    assert node.judge(*[refusal()] * 10)[-1] is Severity.QUARANTINE


def test_window_must_be_able_to_fill() -> None:
    with pytest.raises(ValueError, match="at_least is more than window"):
        BreakerSettings(window=20, at_least=21)
