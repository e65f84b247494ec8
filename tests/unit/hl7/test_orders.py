"""Orders as worklist entries: made, changed, canceled, discontinued."""

from __future__ import annotations

from datetime import UTC

import pytest
from unit.hl7.messages import OBR, ORC, PID, PV1, message

from dicomnode.hl7.feed import Feed
from dicomnode.hl7.mapping import load_mapping
from dicomnode.hl7.settings import Hl7Settings
from dicomnode.index import Index, ListedEntry, WorklistFilter
from dicomnode.settings.yaml_text import parse_yaml

SITE = "step: {ScheduledStationAETitle: {from: [IPC-9, OBR-24], values: {CT: CT1, MR: 'MR1\\MR2'}}}"
ZDS = "ZDS|1.2.3^RIS^Application^DICOM"


@pytest.fixture
def feed(index: Index) -> Feed:
    return Feed(index, load_mapping(parse_yaml(SITE, "site.yaml")), Hl7Settings(), UTC)


def answer(feed: Feed, data: bytes) -> tuple[str, str]:
    """MSA-1 and the reason."""
    lines = feed.answer(data, "10.0.0.1").decode().split("\r")
    msa = lines[1].split("|")
    return msa[1], lines[2].split("|")[8] if len(lines) > 3 else ""


def orm(*segments: str, control_id: str = "1") -> bytes:
    return message("ORM^O01", PID, PV1, *segments, control_id=control_id)


def orc(control: str, status: str = "", placer: str = "PL1", filler: str = "FL1", start: str = "20260105110000") -> str:
    return f"ORC|{control}|{placer}|{filler}||{status}||^^^{start}^^S"


def entries(index: Index) -> list[ListedEntry]:
    return list(index.worklist.entries(WorklistFilter()))


def told(index: Index) -> list[tuple[str, str, str]]:
    return [(one.entry.accession_number, one.entry.step_id, str(one.entry.status)) for one in entries(index)]


def test_new_order_is_scheduled(feed: Feed, index: Index) -> None:
    assert answer(feed, orm(ORC, OBR, ZDS)) == ("AA", "")
    [listed] = entries(index)
    entry = listed.entry
    assert (entry.study_instance_uid, entry.step_id, entry.requested_procedure_id) == ("1.2.3", "SPS1", "RP1")
    assert (entry.patient_id, entry.issuer, entry.patient_name) == ("P1", "HOSPITAL", "DOE^JANE^Q^DR")
    assert (entry.modality, entry.scheduled_station_ae_titles, entry.start) == ("CT", ("CT1",), "20260105110000")
    assert entry.accession_number == "ACC1"


def test_several_devices_may_do_a_step(feed: Feed, index: Index) -> None:
    answer(feed, orm(ORC, OBR.replace("|CT", "|MR"), ZDS))
    assert entries(index)[0].entry.scheduled_station_ae_titles == ("MR1", "MR2")


def test_change_changes_what_it_says_and_null_deletes(feed: Feed, index: Index) -> None:
    answer(feed, orm(ORC, OBR, ZDS))
    changed = 'OBR||PL1|FL1|CTT^CT Thorax^L|||||||||""|||||ACC1|RP1|SPS1||||'
    assert answer(feed, orm(orc("XO", "SC", start="20260106090000"), changed, ZDS, control_id="2")) == ("AA", "")
    [listed] = entries(index)
    assert listed.entry.start == "20260106090000"
    assert listed.entry.modality == "CT"
    assert listed.entry.text(0x00321060) == "CT Thorax"
    assert listed.entry.text(0x00321032) == "WELBY^MARCUS"
    assert listed.entry.text(0x00102000) == ""


def test_change_before_the_order_makes_it(feed: Feed, index: Index) -> None:
    assert answer(feed, orm(orc("XO", "SC"), OBR, ZDS)) == ("AA", "")
    assert answer(feed, orm(ORC, OBR, ZDS, control_id="2")) == ("AA", "")
    assert told(index) == [("ACC1", "SPS1", "SCHEDULED")]


@pytest.mark.parametrize(
    ("control", "status", "becomes"),
    [
        ("CA", "CA", "CANCELED"),
        ("CA", "", "CANCELED"),
        ("DC", "CA", "DISCONTINUED"),
        ("XO", "CM", "COMPLETED"),
        ("SC", "A", "COMPLETED"),
    ],
)
def test_order_ends_as_it_is_said(feed: Feed, index: Index, control: str, status: str, becomes: str) -> None:
    answer(feed, orm(ORC, OBR, ZDS))
    assert answer(feed, orm(orc(control, status), OBR, ZDS, control_id="2")) == ("AA", "")
    assert told(index) == [("ACC1", "SPS1", becomes)]


def test_cancellation_that_names_the_order_only_ends_all_its_steps(feed: Feed, index: Index) -> None:
    other = OBR.replace("SPS1", "SPS2")
    answer(feed, orm(ORC, OBR, other, ZDS))
    assert answer(feed, orm(orc("CA", "CA"), control_id="2")) == ("AA", "")
    assert told(index) == [("ACC1", "SPS1", "CANCELED"), ("ACC1", "SPS2", "CANCELED")]


def test_order_that_was_canceled_can_be_scheduled_again(feed: Feed, index: Index) -> None:
    answer(feed, orm(ORC, OBR, ZDS))
    answer(feed, orm(orc("CA", "CA"), OBR, ZDS, control_id="2"))
    answer(feed, orm(ORC, OBR, ZDS, control_id="3"))
    assert told(index) == [("ACC1", "SPS1", "SCHEDULED")]


def test_order_under_a_former_number_is_the_survivors(feed: Feed, index: Index) -> None:
    answer(feed, orm(ORC, OBR))
    merged = message("ADT^A40", "EVN|", PID.replace("P1^", "P2^"), "MRG|P1^^^HOSPITAL", control_id="2")
    assert answer(feed, merged) == ("AA", "")
    assert answer(feed, orm(orc("XO", "SC", start="20260109080000"), OBR, control_id="3")) == ("AA", "")
    [listed] = entries(index)
    assert (listed.entry.patient_id, listed.entry.start) == ("P2", "20260109080000")
    assert answer(feed, orm(orc("CA", "CA"), OBR, control_id="4")) == ("AA", "")
    assert told(index) == [("ACC1", "SPS1", "CANCELED")]


def test_cancellation_of_what_nobody_knows_is_an_error(feed: Feed, index: Index) -> None:
    assert answer(feed, orm(orc("CA", "CA"), OBR, ZDS)) == ("AE", "no such order in the worklist")


def test_completed_step_cannot_be_canceled(feed: Feed, index: Index) -> None:
    answer(feed, orm(ORC, OBR, ZDS))
    answer(feed, orm(orc("SC", "CM"), OBR, ZDS, control_id="2"))
    assert answer(feed, orm(orc("CA", "CA"), OBR, ZDS, control_id="3"))[0] == "AE"
    assert told(index) == [("ACC1", "SPS1", "COMPLETED")]


def test_several_orders_are_done_all_or_not_at_all(feed: Feed, index: Index) -> None:
    second = OBR.replace("ACC1", "ACC2").replace("SPS1", "SPS2").replace("RP1", "RP2")
    nothing_said = second.replace("|CT", "|")
    assert answer(feed, orm(ORC, OBR, orc("NW", "SC", "PL2", "FL2"), nothing_said))[0] == "AE"
    assert told(index) == []
    assert answer(feed, orm(ORC, OBR, orc("NW", "SC", "PL2", "FL2"), second, control_id="2")) == ("AA", "")
    assert told(index) == [("ACC1", "SPS1", "SCHEDULED"), ("ACC2", "SPS2", "SCHEDULED")]
    assert len({one.entry.study_instance_uid for one in entries(index)}) == 2


def test_steps_of_one_procedure_share_their_study(feed: Feed, index: Index) -> None:
    answer(feed, orm(ORC, OBR))
    answer(feed, orm(ORC, OBR.replace("SPS1", "SPS2"), control_id="2"))
    assert len({one.entry.study_instance_uid for one in entries(index)}) == 1
    assert len(entries(index)) == 2


def test_other_order_of_the_same_accession_takes_nothing_from_the_first(feed: Feed, index: Index) -> None:
    """Neither names its steps; the numbers that filler and placer gave them tell the orders apart."""
    bare = "OBR||{0}|{1}|CTH^CT Head^L||||||||||||||ACC1|RP1|||||CT"
    first, second = bare.format("PL1", "FL1"), bare.format("PL2", "FL2")
    assert answer(feed, orm(orc("NW", "SC"), first)) == ("AA", "")
    assert answer(feed, orm(orc("NW", "SC", "PL2", "FL2"), second, control_id="2")) == ("AA", "")
    assert told(index) == [("ACC1", "FL1", "SCHEDULED"), ("ACC1", "FL2", "SCHEDULED")]
    assert len({one.entry.study_instance_uid for one in entries(index)}) == 1, "one Requested Procedure"
    assert answer(feed, orm(orc("CA", "CA", "PL2", "FL2"), second, control_id="3")) == ("AA", "")
    assert told(index) == [("ACC1", "FL1", "SCHEDULED"), ("ACC1", "FL2", "CANCELED")]
    assert answer(feed, orm(orc("CA", "CA", "PL3", "FL3"), bare.format("PL3", "FL3"), control_id="4"))[0] == "AE"


def test_order_without_ids_of_steps_is_found_again(feed: Feed, index: Index) -> None:
    bare = "OBR||PL1|FL1|CTH^CT Head^L||||||||||||||||||||CT"
    assert answer(feed, orm(ORC, bare)) == ("AA", "")
    assert answer(feed, orm(orc("XO", "SC", start="20260107080000"), bare, control_id="2")) == ("AA", "")
    [listed] = entries(index)
    assert (listed.entry.step_id, listed.entry.start) == ("FL1", "20260107080000")
    assert answer(feed, orm(orc("CA"), bare, control_id="3")) == ("AA", "")
    assert told(index) == [("", "FL1", "CANCELED")]


def test_imaging_order_makes_a_step_of_each_ipc(feed: Feed, index: Index) -> None:
    ipc = "IPC|ACC9|RP9|1.2.9|{}|CT|P1^Native^L|Room 1|Ground floor|CT9"
    data = message("OMI^O23", PID, PV1, ORC, "TQ1|||||||202601081200+0100||A", OBR, ipc.format("S1"), ipc.format("S2"))
    assert answer(feed, data) == ("AA", "")
    assert told(index) == [("ACC9", "S1", "SCHEDULED"), ("ACC9", "S2", "SCHEDULED")]
    entry = entries(index)[0].entry
    assert (entry.study_instance_uid, entry.scheduled_station_ae_titles, entry.start) == (
        "1.2.9",
        ("CT9",),
        "202601081200",
    )
    assert (entry.text(0x00401003), entry.text(0x00080201)) == ("HIGH", "+0100")


def test_general_order_is_scheduled(feed: Feed, index: Index) -> None:
    assert answer(feed, message("OMG^O19^OMG_O19", PID, PV1, ORC, "TQ1|||||||20260108||R", OBR)) == ("AA", "")
    assert entries(index)[0].entry.start == "202601080000"


@pytest.mark.parametrize(
    ("segments", "words"),
    [
        ((PID, OBR), "segment ORC is missing"),
        ((ORC, OBR), "segment PID is missing"),
        ((PID.replace("P1^^^HOSPITAL^MR", ""), ORC, OBR), "PID-3 (the patient's ID) is missing"),
        ((PID, ORC.replace("NW", "RF"), OBR), "order control 'RF' with status 'SC' is not known here"),
        ((PID, ORC.replace("20260105110000", "tomorrow"), OBR), "ORC-7.4 is no date or time"),
        ((PID, ORC, OBR.replace("ACC1", "A" * 17)), "OBR-18 has 17 characters, 16 fit into the DICOM attribute"),
        ((PID, ORC, OBR.replace("|CT", "|")), "ScheduledStationAETitle"),
    ],
)
def test_error_says_what_is_wrong(feed: Feed, segments: tuple[str, ...], words: str) -> None:
    code, reason = answer(feed, message("ORM^O01", *segments))
    assert code == "AE"
    assert words in reason.replace("\\S\\", "^")
