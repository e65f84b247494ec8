"""What the index knows of an instance's patient, study and series before it takes it in."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from unit.conftest import OpenIndex
from unit.dicom.worklist_entries import entry
from unit.index.received import (
    ACCESSION_NUMBER,
    INSTANCE_NUMBER,
    ISSUER,
    MODALITY,
    PATIENT_ID,
    PATIENT_NAME,
    SENDER,
    SERIES,
    STUDY,
    STUDY_DATE,
    received,
)
from unit.index.test_migrations import database_of_version
from unit.index.test_patients import change

from dicomnode.dicom.instance import Attributes, ReceivedInstance
from dicomnode.dicom.knowledge import Knowledge, Scheduling
from dicomnode.index import Asked, Durability, Index, IndexSettings, OnConflict, Scope
from dicomnode.index.knowledge import KNOWLEDGE, NUMBER_IS_TAKEN

FRAME = 0x00200052


def asked(index: Index, about: ReceivedInstance) -> Knowledge:
    """What is known of one that would come now."""
    return index.knowing.of(
        Asked(
            about.attributes,
            study_instance_uid=about.study_instance_uid,
            series_instance_uid=about.series_instance_uid,
            sop_instance_uid=about.sop_instance_uid,
            calling_ae_title=about.sender.calling_ae_title,
        )
    )


def add(index: Index, *instances: ReceivedInstance) -> None:
    for instance in instances:
        index.instances.add(instance, OnConflict())


def numbered(uid: str, number: str) -> ReceivedInstance:
    """One with this Instance Number."""
    one = received(uid, content=uid)
    levels = one.attributes.patient, one.attributes.study, one.attributes.series
    return one._replace(attributes=Attributes(*levels, {INSTANCE_NUMBER: number}))


def test_nothing_is_known_at_first(index: Index) -> None:
    said = received().attributes
    assert asked(index, received()) == Knowledge(said)


def test_patient_study_and_series_are_known(index: Index) -> None:
    add(index, received())
    known = asked(index, received("1.2.840.99.1.1.2"))
    assert known.patient == {PATIENT_NAME: "Doe^Jane", PATIENT_ID: "P1"}
    assert known.study == {STUDY_DATE: "20240131"}
    assert known.series == {MODALITY: "CT"}
    assert not known.study_has_other_patient


def test_patient_is_known_in_a_new_study(index: Index) -> None:
    add(index, received())
    known = asked(index, received("1.2.9", study="1.2.840.99.2", series="1.2.840.99.2.1"))
    assert known.patient is not None
    assert (known.study, known.series) == (None, None)
    assert not known.series_has_other_study


def test_same_id_of_another_issuer_is_another_patient(index: Index) -> None:
    add(index, received())
    assert asked(index, received(patient={PATIENT_ID: "P1", ISSUER: "ELSEWHERE"})).patient is None


def test_nobody_without_an_id_is_known(index: Index) -> None:
    add(index, received(patient={PATIENT_NAME: "Doe^Jane"}))
    assert asked(index, received("1.2.9", patient={PATIENT_NAME: "Doe^Jane"})).patient is None


def test_study_of_another_patient_is_told(index: Index) -> None:
    add(index, received())
    known = asked(index, received("1.2.9", patient={PATIENT_ID: "P2"}))
    assert known.study_has_other_patient
    assert known.patient is None


def test_series_of_another_study_is_told(index: Index) -> None:
    add(index, received())
    assert asked(index, received("1.2.9", study="1.2.840.99.2")).series_has_other_study


def test_frame_of_reference_of_another_patient_is_told(index: Index) -> None:
    add(index, received(of_series={FRAME: "1.2.3"}))
    other = {PATIENT_ID: "P2"}, "1.2.840.99.2", "1.2.840.99.2.1"
    patient, study, series = other
    newcomer = received("1.2.9", patient=patient, study=study, series=series, of_series={FRAME: "1.2.3"})
    assert asked(index, newcomer).frame_has_other_patient
    assert not asked(index, newcomer._replace(attributes=received().attributes)).frame_has_other_patient


def test_frame_of_reference_may_be_shared_by_the_studies_of_a_patient(index: Index) -> None:
    add(index, received(of_series={FRAME: "1.2.3"}))
    newcomer = received("1.2.9", study="1.2.840.99.2", series="1.2.840.99.2.1", of_series={FRAME: "1.2.3"})
    assert not asked(index, newcomer).frame_has_other_patient


def test_instance_number_of_another_instance_of_the_series_is_told(index: Index) -> None:
    add(index, received())
    assert asked(index, received("1.2.9")).number_is_taken
    assert not asked(index, received()).number_is_taken  # it is its own
    assert not asked(index, received("1.2.9", series="1.2.840.99.1.2")).number_is_taken


@pytest.mark.parametrize("number", ["", None])
def test_instances_without_number_share_none(index: Index, number: str | None) -> None:
    def without(uid: str) -> ReceivedInstance:
        one = received(uid)
        instance = {} if number is None else {INSTANCE_NUMBER: number}
        levels = one.attributes.patient, one.attributes.study, one.attributes.series
        return one._replace(attributes=Attributes(*levels, instance))

    add(index, without("1.2.9.1"))
    assert not asked(index, without("1.2.9.2")).number_is_taken


@pytest.mark.parametrize(
    ("accession_number", "study", "patient_id", "scheduling"),
    [
        ("ACC1", "1.2.9", "P1", Scheduling.SCHEDULED),
        ("ACC9", "1.2.3", "P1", Scheduling.SCHEDULED),
        ("", "1.2.3", "P1", Scheduling.SCHEDULED),
        ("ACC1", "1.2.9", "P2", Scheduling.OTHER_PATIENT),
        ("", "1.2.3", "P2", Scheduling.OTHER_PATIENT),
        ("ACC9", "1.2.9", "P1", Scheduling.UNKNOWN),
        ("", "1.2.9", "P1", Scheduling.UNKNOWN),
    ],
)
def test_worklist_is_asked_for_devices_that_work_by_it(
    index: Index, accession_number: str, study: str, patient_id: str, scheduling: Scheduling
) -> None:
    scheduled = entry(
        PatientID="P1",
        AccessionNumber="ACC1",
        StudyInstanceUID="1.2.3",
        ScheduledStationAETitle=SENDER.calling_ae_title,
    )
    index.worklist.put(scheduled, by="ris")
    index.worklist.put(entry(AccessionNumber=""), by="ris")
    said = {PATIENT_ID: patient_id}, {ACCESSION_NUMBER: accession_number}
    newcomer = received(study=study, patient=said[0], of_study=said[1])
    assert asked(index, newcomer).scheduling is scheduling
    assert asked(index, newcomer._replace(sender=replace(SENDER, calling_ae_title="WS1"))).scheduling == 0


def test_patient_under_a_former_id_is_himself(index: Index) -> None:
    add(index, received(of_series={FRAME: "1.2.3"}))
    change(index, "P9", prior="P1")
    known = asked(index, received("1.2.9", of_series={FRAME: "1.2.3"}))
    assert not known.study_has_other_patient
    assert not known.frame_has_other_patient


def test_what_another_process_committed_is_known(open_index: OpenIndex) -> None:
    ours, theirs = open_index(), open_index()
    asked(ours, received())
    add(theirs, received())
    assert asked(ours, received("1.2.9")).series is not None


@pytest.mark.parametrize(
    ("statement", "indices"),
    [
        (KNOWLEDGE, ["patient_identity", "study_study_instance_uid", "series_frame_of_reference"]),
        (NUMBER_IS_TAKEN, ["instance_of_series (series=? AND instance_number=?)"]),
    ],
)
def test_every_table_is_looked_up_by_an_index(index: Index, tmp_path: Path, statement: str, indices: list[str]) -> None:
    names = re.findall(r":(\w+)", statement)
    values = dict.fromkeys(names, "") or [""] * statement.count("?")
    with closing(sqlite3.connect(tmp_path / "index.sqlite")) as connection:
        steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    assert [
        step for step in steps if re.match(r"SCAN (own|study|of_study|series|instance|of_first|worklist_\w+)", step)
    ] == []
    assert [one for one in indices if not any(one in step for step in steps)] == []


def test_one_that_says_the_same_is_compared_with_every_number_that_is_taken(index: Index) -> None:
    add(index, numbered("1.2.9.1", "1"))
    assert asked(index, numbered("1.2.9.2", "2")).series is not None
    add(index, numbered("1.2.9.2", "2"))
    assert asked(index, numbered("1.2.9.3", "2")).number_is_taken
    assert not asked(index, numbered("1.2.9.3", "3")).number_is_taken
    assert not asked(index, numbered("1.2.9.3", "")).number_is_taken


def test_one_that_says_something_else_is_looked_up_at_once(index: Index) -> None:
    add(index, received())
    assert not asked(index, received("1.2.9.1")).study_has_other_patient
    index.removal.remove(
        index.removal.holding(Scope(study_instance_uid=STUDY)), limit=9, reason="wrong patient", by="me"
    )
    corrected = {PATIENT_ID: "P1", PATIENT_NAME: "Doe^John"}
    assert asked(index, received("1.2.9.1", patient=corrected)).patient is None
    add(index, received("1.2.9.1", patient=corrected))
    assert asked(index, received("1.2.9.2", patient=corrected)).patient == {PATIENT_NAME: "Doe^John", PATIENT_ID: "P1"}


def test_many_series_at_once_are_known(index: Index) -> None:
    newcomers = [received(f"1.2.9.{n}", study=f"1.2.8.{n}", series=f"1.2.8.{n}.1") for n in range(300)]
    add(index, *newcomers)
    assert all(asked(index, newcomer).series is not None for newcomer in newcomers * 2)


def test_frames_of_reference_of_an_older_index_are_known(tmp_path: Path) -> None:
    database_of_version(
        4,
        tmp_path,
        "INSERT INTO patient VALUES (1, 'P1', '', '', '', '', '', '', '{}', '', '')",
        f"INSERT INTO study VALUES (1, 1, '{STUDY}', {', '.join(14 * [repr('')])}, 0, 1, '')",
        f"""INSERT INTO series VALUES (1, 1, '{SERIES}', 'CT', '1', '', 1, '{{"00200052":"1.2.3"}}')""",
    )
    with closing(Index(tmp_path, IndexSettings(), durability=Durability.FAST)) as index:
        index.prepare()
        newcomer = received("1.2.9", patient={PATIENT_ID: "P2"}, study="1.2.8", of_series={FRAME: "1.2.3"})
        assert asked(index, newcomer).frame_has_other_patient
