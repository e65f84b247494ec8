"""Modality Worklist C-FIND: what matches, what is returned, and how it ends (PS3.4 Annex K)."""

from __future__ import annotations

import pytest
from pydicom import Dataset
from unit.conftest import OpenIndex
from unit.dicom.worklist_entries import entry
from unit.scp.worklist_client import ask, keys

from dicomnode.dicom.peer import OwnEntries, PeerSettings, Permission
from dicomnode.dicom.procedure import StepStatus
from dicomnode.dicom.worklist_attributes import STEP
from dicomnode.index import Index, StepKey

SUCCESS, PENDING, UNSUPPORTED = 0x0000, 0xFF00, 0xFF01


@pytest.fixture
def index(open_index: OpenIndex) -> Index:
    return open_index(lock_timeout_s=0.2)


@pytest.fixture
def filled(index: Index) -> Index:
    """Entries of several days, stations and patients; their step IDs say what is special about them."""
    index.worklist.put(
        [
            entry(ScheduledProcedureStepID="PLAIN", PatientID="P1", AccessionNumber="A1", StudyInstanceUID="1.2.1"),
            entry(
                ScheduledProcedureStepID="MR", Modality="MR", ScheduledStationAETitle="MR1\\MR2", PatientName="Doe^Jane"
            ),
            entry(ScheduledProcedureStepID="LATE", ScheduledProcedureStepStartTime="183000", PatientName="Roe^Jane"),
            entry(
                ScheduledProcedureStepID="NEXT",
                ScheduledProcedureStepStartDate="20261125",
                PatientName="Yamada^T=山田^太郎",
            ),
            entry(ScheduledProcedureStepID="BUSY", ScheduledProcedureStepStatus="STARTED"),
            entry(
                ScheduledProcedureStepID="DOCTOR",
                ScheduledProcedureStepStartTime="10",
                ScheduledPerformingPhysicianName="Gray^Meredith",
                ReferringPhysicianName="House^Gregory",
                PatientBirthDate="19700101",
            ),
        ],
        by="test",
    )
    return index


EVERYTHING = ["PLAIN", "MR", "DOCTOR", "LATE", "NEXT"]


@pytest.mark.parametrize(
    ("step", "others", "found"),
    [
        ({}, {}, EVERYTHING),
        ({"ScheduledStationAETitle": "MR2"}, {}, ["MR"]),
        ({"ScheduledStationAETitle": "MR*"}, {}, ["MR"]),
        ({"ScheduledStationAETitle": "MR"}, {}, []),
        ({"Modality": "MR"}, {}, ["MR"]),
        ({"ScheduledProcedureStepStartDate": "20261125"}, {}, ["NEXT"]),
        ({"ScheduledProcedureStepStartDate": "20261125-"}, {}, ["NEXT"]),
        ({"ScheduledProcedureStepStartDate": "20261124", "ScheduledProcedureStepStartTime": "10-12"}, {}, ["DOCTOR"]),
        # one period: from the 24th at 18:00 to the 25th at 10:00
        (
            {"ScheduledProcedureStepStartDate": "20261124-20261125", "ScheduledProcedureStepStartTime": "1800-1000"},
            {},
            ["LATE", "NEXT"],
        ),
        ({"ScheduledProcedureStepStartTime": "1830"}, {}, ["LATE"]),
        ({"ScheduledPerformingPhysicianName": "gray*"}, {}, ["DOCTOR"]),
        ({"ScheduledProcedureStepID": "LATE"}, {}, ["LATE"]),
        ({"ScheduledProcedureStepStatus": "STARTED"}, {}, []),
        ({}, {"PatientName": "*jane"}, ["MR", "LATE"]),
        ({}, {"PatientName": "muller*"}, ["PLAIN", "DOCTOR"]),
        ({}, {"PatientName": "=山*"}, ["NEXT"]),
        ({}, {"PatientID": "P1"}, ["PLAIN"]),
        ({}, {"AccessionNumber": "A1"}, ["PLAIN"]),
        ({}, {"StudyInstanceUID": ["1.2.1", "1.2.2"]}, ["PLAIN"]),
        ({}, {"ReferringPhysicianName": "House*"}, ["DOCTOR"]),
        ({}, {"PatientBirthDate": "19690101-19701231"}, ["DOCTOR"]),
        ({}, {"PatientBirthDate": "*"}, "refused"),
        ({}, {"PatientSize": "1.8"}, []),
    ],
)  # fmt: skip
def test_matches(filled: Index, step: dict[str, str], others: dict[str, object], found: list[str] | str) -> None:
    query = keys(step, **others)
    query.SpecificCharacterSet = "ISO_IR 192"
    scanner = ask(filled, query)
    if found == "refused":
        assert (scanner.final.status, scanner.final.offending_elements) == (0xA900, (0x00100030,))
    else:
        assert scanner.steps == found
        assert scanner.final.status == SUCCESS


def test_period_needs_no_negotiation_and_times_alone_may_not_pass_midnight(filled: Index) -> None:
    scanner = ask(filled, keys({"ScheduledProcedureStepStartTime": "2200-0600"}))
    assert (scanner.final.status, scanner.final.offending_elements) == (0xA900, (0x00400003,))


def test_fuzzy_names_match_once_negotiated(filled: Index) -> None:
    query = keys({}, PatientName="jane doe")
    assert ask(filled, query).steps == []
    assert ask(filled, query, agreed=b"\1\1\1\0").steps == ["MR"]
    query = keys({}, PatientName="太郎 山田")
    query.SpecificCharacterSet = "ISO_IR 192"
    assert ask(filled, query, agreed=b"\1\1\1").steps == ["NEXT"]


def test_nothing_matches_is_success(filled: Index) -> None:
    scanner = ask(filled, keys({}, PatientID="nobody"))
    assert (scanner.final.status, scanner.matches_) == (SUCCESS, [])


def test_response_has_what_was_asked_for_and_nothing_else(index: Index) -> None:
    index.worklist.put(entry(PatientID="P1", PatientComments="not asked for"), by="test")
    query = keys({"Modality": "", "ScheduledStationName": ""}, PatientID="", PregnancyStatus=None, PatientWeight="")
    [match] = ask(index, query).matches_
    assert [element.keyword for element in match] == [
        "PatientID", "PatientWeight", "PregnancyStatus", "ScheduledProcedureStepSequence"
    ]  # fmt: skip
    assert match.PatientWeight is None
    [step] = match.ScheduledProcedureStepSequence
    assert [element.keyword for element in step] == ["Modality", "ScheduledProcedureStepID", "ScheduledStationName"]
    assert step.ScheduledStationName == ""


@pytest.mark.parametrize("form", ["zero-length", "empty item"])
def test_whole_step_is_returned_to_who_asks_for_all_of_it(index: Index, form: str) -> None:
    index.worklist.put(entry(CommentsOnTheScheduledProcedureStep="sedate"), by="test")
    query = Dataset()
    query.PatientID = ""
    query.ScheduledProcedureStepSequence = [] if form == "zero-length" else [Dataset()]
    [match] = ask(index, query).matches_
    [step] = match.ScheduledProcedureStepSequence
    returned = {int(element.tag) for element in step}
    assert {tag for tag, kind in STEP.items() if kind in ("1", "2", "1C") and tag != 0x00400008} <= returned
    assert step.CommentsOnTheScheduledProcedureStep == "sedate"
    assert step.ScheduledProcedureStepStatus == "SCHEDULED"


def test_query_without_the_sequence_gets_none(filled: Index) -> None:
    scanner = ask(filled, keys(None, PatientID=""))
    assert len(scanner.matches_) == len(EVERYTHING)
    assert all("ScheduledProcedureStepSequence" not in match for match in scanner.matches_)


def test_reference_without_uids_is_an_empty_sequence(index: Index) -> None:
    blank = {"00081150": {"vr": "UI"}, "00081155": {"vr": "UI"}}
    index.worklist.put(entry(ReferencedStudySequence=[blank]), by="test")
    item = Dataset()
    item.ReferencedSOPClassUID = item.ReferencedSOPInstanceUID = ""
    query = keys({}, ReferencedStudySequence=[item], ReferencedPatientSequence=[item])
    [match] = ask(index, query).matches_
    assert list(match.ReferencedStudySequence) == list(match.ReferencedPatientSequence) == []


def test_description_or_code_that_is_unknown_is_left_out(index: Index) -> None:
    index.worklist.put(entry(), by="test")
    query = keys(
        {"ScheduledProtocolCodeSequence": []}, RequestedProcedureCodeSequence=[], RequestedProcedureDescription=""
    )
    [match] = ask(index, query).matches_
    assert match.RequestedProcedureDescription == "CT Thorax"
    assert "RequestedProcedureCodeSequence" not in match
    assert "ScheduledProtocolCodeSequence" not in match.ScheduledProcedureStepSequence[0]


def test_codes_are_returned_and_matched_item_by_item(index: Index) -> None:
    code = {
        "00080100": {"vr": "SH", "Value": ["P1"]},
        "00080102": {"vr": "SH", "Value": ["99X"]},
        "00080104": {"vr": "LO", "Value": ["Thorax"]},
    }
    index.worklist.put(
        [entry(ScheduledProtocolCodeSequence=[code], ScheduledProcedureStepID="CODED"), entry()], by="test"
    )
    item = Dataset()
    item.CodeValue, item.CodeMeaning = "P1", ""
    [match] = ask(index, keys({"ScheduledProtocolCodeSequence": [item]})).matches_
    [step] = match.ScheduledProcedureStepSequence
    assert [(one.CodeValue, one.CodeMeaning) for one in step.ScheduledProtocolCodeSequence] == [("P1", "Thorax")]
    assert "CodingSchemeDesignator" not in step.ScheduledProtocolCodeSequence[0]


def test_unsupported_key_is_left_out_and_said(filled: Index) -> None:
    scanner = ask(
        filled, keys({"Rows": None}, PatientID="", StudyDescription="no such key", QueryRetrieveLevel="WORKLIST")
    )
    assert set(scanner.statuses) == {UNSUPPORTED}
    assert scanner.steps == EVERYTHING
    assert all("StudyDescription" not in match for match in scanner.matches_)
    assert set(ask(filled, keys({}, PatientID="")).statuses) == {PENDING}


def test_step_of_which_nothing_supported_is_asked_comes_empty(index: Index) -> None:
    index.worklist.put(entry(), by="test")
    item = Dataset()
    item.Rows = None
    query = Dataset()
    query.ScheduledProcedureStepSequence = [item]
    scanner = ask(index, query)
    assert [list(match.ScheduledProcedureStepSequence[0]) for match in scanner.matches_] == [[]]
    assert scanner.statuses == [UNSUPPORTED]


def test_two_items_in_the_sequence_are_refused(filled: Index) -> None:
    query = keys({})
    query.ScheduledProcedureStepSequence.append(Dataset())
    scanner = ask(filled, query)
    assert (scanner.final.status, scanner.final.offending_elements) == (0xA900, (0x00400100,))


def test_what_cannot_be_read_is_refused(filled: Index) -> None:
    assert ask(filled, b"\x10\x00\x20\x00LO\xff\x7f").final.status == 0xA900


@pytest.mark.parametrize(
    ("asked_in", "only_set", "label", "name"),
    [
        ("ISO_IR 100", "", "ISO_IR 100", "Müller^Anna"),
        ("", "", "ISO_IR 192", "Müller^Anna"),
        ("ISO_IR 144", "", "ISO_IR 192", "Müller^Anna"),
        ("ISO_IR 192", "ISO_IR 100", "ISO_IR 100", "Müller^Anna"),
        ("ISO_IR 192", "ISO_IR 144", "ISO_IR 144", "Muller^Anna"),
    ],
)
def test_text_is_in_a_set_that_the_scanner_reads(
    index: Index, asked_in: str, only_set: str, label: str, name: str
) -> None:
    index.worklist.put(entry(PatientName="Müller^Anna"), by="test")
    query = keys({}, PatientName="")
    if asked_in:
        query.SpecificCharacterSet = asked_in
    [match] = ask(index, query, peer=PeerSettings(ae_title="CT1", character_set=only_set)).matches_
    assert (match.SpecificCharacterSet, str(match.PatientName)) == (label, name)


@pytest.mark.parametrize(
    ("own", "asked", "found"),
    [
        (OwnEntries.NEVER, "", ["CT1", "CT2"]),
        (OwnEntries.UNLESS_ASKED, "", ["CT1"]),
        (OwnEntries.UNLESS_ASKED, "CT2", ["CT2"]),
        (OwnEntries.ALWAYS, "", ["CT1"]),
        (OwnEntries.ALWAYS, "CT2", []),
    ],
)
def test_device_is_shown_its_own_entries(index: Index, own: OwnEntries, asked: str, found: list[str]) -> None:
    index.worklist.put(
        [entry(ScheduledStationAETitle=title, ScheduledProcedureStepID=title) for title in ("CT1", "CT2")], by="test"
    )
    peer = PeerSettings(ae_title="CT1", worklist_own_entries=own)
    assert ask(index, keys({"ScheduledStationAETitle": asked}), peer=peer).steps == found


def test_device_is_shown_the_statuses_that_it_is_set_to_see(filled: Index) -> None:
    peer = PeerSettings(ae_title="CT1", worklist_statuses=(StepStatus.STARTED,))
    [match] = ask(filled, keys({"ScheduledProcedureStepStatus": ""}), peer=peer).matches_
    assert match.ScheduledProcedureStepSequence[0].ScheduledProcedureStepStatus == "STARTED"


def test_step_that_was_begun_is_shown_no_more(index: Index) -> None:
    made = entry()
    index.worklist.put(made, by="test")
    assert ask(index, keys({})).steps == [made.step_id]
    index.worklist.set_status(*StepKey.of(made), StepStatus.STARTED, by="CT1")
    assert ask(index, keys({})).steps == []


def test_device_without_room_gets_the_earliest(filled: Index) -> None:
    scanner = ask(filled, keys({}), peer=PeerSettings(ae_title="CT1", worklist_limit=2))
    assert (scanner.steps, scanner.final.status) == (EVERYTHING[:2], SUCCESS)


def test_more_than_may_be_is_no_success(filled: Index) -> None:
    scanner = ask(filled, keys({}), maximum_matches=3)
    assert (scanner.steps, scanner.final.status) == (EVERYTHING[:3], 0xA700)
    assert ask(filled, keys({}), maximum_matches=5).final.status == SUCCESS


def test_cancel_is_looked_for_between_pages(index: Index) -> None:
    index.worklist.put([entry() for _ in range(300)], by="test")
    scanner = ask(index, keys({}), cancels_after=1)
    assert (scanner.final.status, len(scanner.matches_)) == (0xFE00, 20)
    assert len(ask(index, keys({})).matches_) == 300


def test_peer_without_the_permission_gets_nothing(filled: Index) -> None:
    peer = PeerSettings(ae_title="CT1", may=frozenset({Permission.QUERY}))
    assert ask(filled, keys({}), peer=peer).final.status == 0x0124
    assert ask(filled, keys({}), strangers_may=frozenset({Permission.STORE})).final.status == 0x0124


def test_closed_index_is_out_of_resources(filled: Index) -> None:
    with filled._connections.reading() as connection:
        connection.execute("PRAGMA writable_schema = ON")
    (filled._connections.path).write_bytes(b"no database" * 1000)
    filled._connections.forget()
    assert ask(filled, keys({})).final.status == 0xA700
