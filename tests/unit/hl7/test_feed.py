"""What senders are answered: when, how often, and what they are told."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from unit.hl7.messages import PID, adt, message
from unit.index.received import PATIENT_ID, PATIENT_NAME, received

from dicomnode.hl7.feed import Feed
from dicomnode.hl7.mapping import load_mapping
from dicomnode.hl7.settings import Hl7Settings
from dicomnode.index import Durability, Index, IndexSettings, OnConflict


def feed(index: Index, **settings: Any) -> Feed:
    return Feed(index, load_mapping(None), Hl7Settings(**settings), UTC)


def lines(answer: bytes) -> list[list[str]]:
    return [line.split("|") for line in answer.decode().split("\r") if line]


def test_answer_echoes_who_asked_what(index: Index) -> None:
    msh, msa = lines(feed(index).answer(adt("A08", PID, control_id="c-1", version="2.3.1"), "10.0.0.1"))
    assert msh[2:6] == ["DICOMNODE", "RADIOLOGY", "RIS", "HOSPITAL"]
    assert (msh[8], msh[10], msh[11]) == ("ACK^A08^ACK", "P", "2.3.1")
    assert msa == ["MSA", "AA", "c-1"]


def test_answer_uses_the_delimiters_of_the_message(index: Index) -> None:
    data = b"MSH$*@!%$RIS$H$N$R$20260101$$ADT*A24$c1$P$2.5\rPID$$$1"
    answer = feed(index).answer(data, "10.0.0.1").decode()
    assert answer.startswith("MSH$*@!%$N$R$RIS$H$")
    assert "\rMSA$AR$c1$event A24 is not supported\rERR$$MSH*1*9*1*2$201$E$" in answer


def test_error_says_where_and_why(index: Index) -> None:
    _, msa, err = lines(feed(index).answer(adt("A08", "PID|||"), "10.0.0.1"))
    assert msa[:3] == ["MSA", "AE", "1"]
    assert (err[2], err[3], err[4]) == ("PID^1^3", "101", "E")
    assert "patient's ID" in err[8]


@pytest.mark.parametrize("data", [b"", b"hello", b"PID|||1", b"MSH", bytes(range(256))])
def test_what_is_no_message_is_rejected(index: Index, data: bytes) -> None:
    _, msa, _ = lines(feed(index).answer(data, "10.0.0.1"))
    assert msa[1] == "AR"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sending_applications", "OTHER"),
        ("sending_facilities", "OTHER"),
        ("receiving_applications", "OTHER"),
        ("receiving_facilities", "OTHER"),
    ],
)
def test_sender_or_receiver_that_is_not_in_the_settings_is_rejected(index: Index, name: str, value: str) -> None:
    assert lines(feed(index, **{name: [value]}).answer(adt("A08", PID), "x"))[1][1] == "AR"


def test_sender_and_receiver_in_the_settings_are_served(index: Index) -> None:
    served = feed(
        index,
        sending_applications=["RIS"],
        sending_facilities=["HOSPITAL"],
        receiving_applications=["DICOMNODE"],
        receiving_facilities=["RADIOLOGY"],
    )
    assert lines(served.answer(adt("A08", PID), "x"))[1][1] == "AA"


def test_other_kinds_of_messages_are_rejected(index: Index) -> None:
    _, msa, err = lines(feed(index).answer(message("ORU^R01", PID), "x"))
    assert (msa[1], err[3]) == ("AR", "200")


def test_message_without_control_id_is_an_error(index: Index) -> None:
    assert lines(feed(index).answer(adt("A08", PID, control_id=""), "x"))[1][1] == "AE"


def changes(index: Index) -> int:
    with index._connections.reading() as connection:
        return int(connection.execute("SELECT count(*) FROM patient_event").fetchone()[0])


def test_message_that_comes_again_is_answered_as_the_first_time_and_not_done_again(index: Index) -> None:
    index.instances.add(received(patient={PATIENT_NAME: "Doe^Jane", PATIENT_ID: "P1"}), OnConflict())
    first = feed(index).answer(adt("A08", PID, control_id="7"), "x")
    feed(index).answer(adt("A08", PID.replace("JANE", "MARY"), control_id="8"), "x")
    assert changes(index) == 2
    later = adt("A08", PID, control_id="7").replace(b"20260105101500||ADT", b"20260105101755||ADT")
    with capture_logs() as log:
        assert feed(index).answer(later, "x") == first
    assert [line["event"] for line in log] == ["hl7.message_repeated"]
    assert changes(index) == 2


def test_control_id_that_is_used_for_another_message_means_nothing(index: Index) -> None:
    index.instances.add(received(patient={PATIENT_NAME: "Doe^Jane", PATIENT_ID: "P1"}), OnConflict())
    feed(index).answer(adt("A08", PID, control_id="7"), "x")
    feed(index).answer(adt("A08", PID.replace("JANE", "MARY"), control_id="7"), "x")
    assert changes(index) == 2


def test_message_that_failed_is_tried_anew_when_it_comes_again(index: Index) -> None:
    data = message("ORM^O01", PID, "ORC|CA|PL1|FL1", "OBR||PL1|FL1", control_id="9")
    assert [lines(feed(index).answer(data, "x"))[1][1] for _ in range(2)] == ["AE", "AE"]
    assert [one.code for one in index.messages.recent(10)] == ["AE", "AE"]


def test_last_messages_are_kept_as_many_as_the_settings_say(index: Index) -> None:
    served = feed(index, messages_kept=100)
    for number in range(130):
        served.answer(adt("A08", PID, control_id=str(number)), "10.0.0.1")
    kept = index.messages.recent(1000)
    assert len(kept) == 100
    assert (kept[0].control_id, kept[0].sender, kept[0].type, kept[0].code) == ("129", "RIS|HOSPITAL", "ADT^A08", "AA")
    assert kept[0].content == adt("A08", PID, control_id="129")


def test_texts_are_not_kept_where_that_is_not_wanted(index: Index) -> None:
    feed(index, contents_kept=False).answer(adt("A08", PID), "x")
    feed(index, contents_kept=False).answer(b"nonsense", "x")
    assert [one.content for one in index.messages.recent(10)] == [None, None]


def test_log_has_one_line_a_message_and_nothing_of_the_patient(index: Index) -> None:
    with capture_logs() as log:
        feed(index).answer(adt("A08", PID, control_id="c1"), "10.0.0.1")
        feed(index).answer(adt("A08", PID.replace("19700203", "XXXX"), control_id="c2"), "10.0.0.1")
    assert [line["event"] for line in log] == ["hl7.message_accepted", "hl7.message_failed"]
    assert (log[0]["control_id"], log[0]["type"], log[0]["sender"]) == ("c1", "ADT^A08", "RIS|HOSPITAL")
    assert not any(word in str(log) for word in ("DOE", "JANE", "P1", "XXXX"))


def test_nothing_is_accepted_while_the_index_cannot_be_written(index: Index, tmp_path: Path) -> None:
    served = feed(index)
    served.answer(adt("A08", PID), "x")
    other = Index(tmp_path, IndexSettings(lock_timeout_s=0.2), durability=Durability.FAST)
    with index._lock.held(1e18):
        _, msa, err = lines(feed(other).answer(adt("A08", PID, control_id="2"), "x"))
    other.close()
    assert (msa[1], err[3]) == ("AE", "207")


@given(st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
def test_any_bytes_are_answered(index: Index, data: bytes) -> None:
    for whole in (data, b"MSH|^~\\&|RIS|H|N|R|1||ADT^A08|1|P|2.5\r" + data):
        assert b"MSA|" in feed(index).answer(whole, "x")
