"""What a workstation sees of C-FIND: DCMTK's findscu against the real program."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pydicom
import pytest
from certificates import Authority
from factories import ABSENT, ct, series, write
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation
from raw_peer import A_ASSOCIATE_AC, COMMAND, LAST, P_DATA_TF, RawPeer, command, dataset_bytes, pdu, pdv
from running_node import RunningNode, dcmtk, free_port, wait_for

from bench import synthetic

STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
MANY = 60_000
"""Studies whose responses take more than the buffers of a connection hold."""

NAMES = {
    "GERMAN": ("ISO_IR 100", "Müller^Jörg"),
    "RUSSIAN": ("ISO_IR 144", "Иванов^Иван"),
    "JAPANESE": ("\\ISO 2022 IR 87", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    "KOREAN": ("\\ISO 2022 IR 149", "Hong^Gildong=洪^吉洞=홍^길동"),
    "GB18030": ("GB18030", "Wang^XiaoDong=王^小东"),
    "UTF8": ("ISO_IR 192", "Łuczak^Żółć=東=𠮷"),
}

CHINESE = b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab"
"""In ISO 2022 IR 58 (PS3.5 Section K.2), which pydicom does not write."""
PLACE = "X" * len(CHINESE)


@dataclass(frozen=True)
class Answer:
    """What findscu got."""

    matches: list[Dataset]
    pending: list[int]
    final: int
    log: str


def find(
    node: RunningNode, folder: Path, level: str, *options: str, query: Dataset | None = None, **keys: str
) -> Answer:
    """C-FIND with these keys; ``-S`` unless an option names another model."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("rsp*.dcm"):
        old.unlink()
    given = [f"QueryRetrieveLevel={level}", *(f"{keyword}={value}" for keyword, value in keys.items())]
    model = () if {"-P", "-O"} & set(options) else ("-S",)
    arguments = [part for key in given for part in ("-k", key)]
    files = [in_chinese(write_query(query, folder / "query.dcm"))] if query is not None else []
    done = dcmtk(
        "findscu", "-d", "-X", "-od", folder, *model, "-aec", "DICOMNODE", *options, *arguments,
        "127.0.0.1", str(node.port), *files,
    )  # fmt: skip
    log = done.stdout + done.stderr
    statuses = [int(code, 16) for code in re.findall(r"DIMSE Status\s*: (0x[0-9a-fA-F]{4})", log)]
    matches = [pydicom.dcmread(path, force=True) for path in sorted(folder.glob("rsp*.dcm"))]
    assert statuses, log
    return Answer(matches, statuses[:-1], statuses[-1], log)


def write_query(query: Dataset, path: Path) -> Path:
    """A query as a file that findscu takes."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = STUDY_ROOT_FIND, "1.2.3"
    query.file_meta = meta
    query.save_as(path, enforce_file_format=True)
    return path


def in_chinese(path: Path) -> Path:
    """The file with the Chinese name where the place for it is."""
    path.write_bytes(path.read_bytes().replace(PLACE.encode(), CHINESE))
    return path


def values(answer: Answer, keyword: str) -> list[str]:
    """The values of one attribute, in no order."""
    return sorted(str(match[keyword].value) for match in answer.matches)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A node with a few patients, and peers of several kinds."""
    folder = tmp_path_factory.mktemp("queries")
    peers = {
        "japan": {"ae_title": "JAPAN", "character_set": "\\ISO 2022 IR 87"},
        "latin": {"ae_title": "LATIN", "character_set": "ISO_IR 100"},
        "strict": {"ae_title": "STRICT", "strict_queries": True},
        "scanner": {"ae_title": "SCANNER", "may": ["store"]},
    }
    with RunningNode(folder / "node", peers=peers, query={"maximum_matches": 9}) as running:
        code = Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "HEAD", "99X", "Head"
        files = [
            *series(folder / "a", 3, StudyInstanceUID="1.2.1", SeriesInstanceUID="1.2.1.1", PatientID="P1",
                    StudyDate="20240101", StudyTime="0915", ProcedureCodeSequence=Sequence([code])),
            *series(folder / "b", 1, StudyInstanceUID="1.2.1", SeriesInstanceUID="1.2.1.2", PatientID="P1",
                    Modality="CT", SeriesNumber="2", StudyDate="20240101", StudyTime="0915",
                    ProcedureCodeSequence=Sequence([code])),
            *series(folder / "c", 2, StudyInstanceUID="1.2.2", SeriesInstanceUID="1.2.2.1", PatientID="P2",
                    PatientName="Roe^Richard", StudyDate="20240215", StudyTime="2359",
                    StudyDescription=ABSENT, AccessionNumber="B7"),
        ]  # fmt: skip
        for number, (patient_id, (terms, name)) in enumerate(NAMES.items()):
            instance = ct(
                SpecificCharacterSet=terms.split("\\"), PatientID=patient_id, PatientName=name, StudyDate="19990101",
                StudyInstanceUID=f"1.3.{number}", SeriesInstanceUID=f"1.3.{number}.1",
            )  # fmt: skip
            files.append(write(instance, folder / f"{patient_id}.dcm"))
        chinese = ct(
            SpecificCharacterSet=["", "ISO 2022 IR 58"], PatientID="CHINESE", PatientName=PLACE, StudyDate="19990101"
        )
        files.append(in_chinese(write(chinese, folder / "chinese.dcm")))
        assert set(running.storescu(*files)) == {0x0000}
        yield running


# -- levels and models ----------------------------------------------------------------------------------------------------


def test_studies_with_what_was_asked_for_and_no_more(node: RunningNode, tmp_path: Path) -> None:
    answer = find(
        node, tmp_path, "STUDY", PatientID="P1", StudyInstanceUID="", PatientName="", ModalitiesInStudy="",
        NumberOfStudyRelatedSeries="", NumberOfStudyRelatedInstances="", InstanceAvailability="",
    )  # fmt: skip
    [match] = answer.matches
    assert (answer.pending, answer.final) == ([0xFF00], 0x0000)
    assert {element.keyword: str(element.value) for element in match} == {
        "QueryRetrieveLevel": "STUDY",
        "RetrieveAETitle": "DICOMNODE",
        "InstanceAvailability": "ONLINE",
        "ModalitiesInStudy": "CT",
        "PatientID": "P1",
        "PatientName": "Doe^Jane",
        "StudyInstanceUID": "1.2.1",
        "NumberOfStudyRelatedSeries": "2",
        "NumberOfStudyRelatedInstances": "4",
    }


def test_every_level_of_patient_root(node: RunningNode, tmp_path: Path) -> None:
    patient = {"PatientID": "P1"}
    study = patient | {"StudyInstanceUID": "1.2.1"}
    of_series = study | {"SeriesInstanceUID": "1.2.1.1"}
    patients = find(node, tmp_path, "PATIENT", "-P", PatientID="P*", NumberOfPatientRelatedInstances="")
    assert values(patients, "PatientID") == ["P1", "P2"]
    assert values(patients, "NumberOfPatientRelatedInstances") == ["2", "4"]
    assert values(find(node, tmp_path, "STUDY", "-P", **patient, StudyInstanceUID=""), "StudyInstanceUID") == ["1.2.1"]
    found = find(node, tmp_path, "SERIES", "-P", **study, SeriesInstanceUID="", NumberOfSeriesRelatedInstances="")
    assert values(found, "SeriesInstanceUID") == ["1.2.1.1", "1.2.1.2"]
    assert values(found, "NumberOfSeriesRelatedInstances") == ["1", "3"]
    images = find(node, tmp_path, "IMAGE", "-P", **of_series, SOPInstanceUID="", InstanceNumber="", SOPClassUID="")
    assert values(images, "InstanceNumber") == ["1", "2", "3"]
    assert {(str(one.PatientID), one.StudyInstanceUID, one.SeriesInstanceUID) for one in images.matches} == {
        ("P1", "1.2.1", "1.2.1.1")
    }


def test_series_and_images_of_study_root(node: RunningNode, tmp_path: Path) -> None:
    found = find(node, tmp_path, "SERIES", StudyInstanceUID="1.2.1", SeriesInstanceUID="", PatientName="")
    assert values(found, "SeriesInstanceUID") == ["1.2.1.1", "1.2.1.2"]
    assert values(found, "PatientName") == ["Doe^Jane"] * 2  # of the level above, as workstations ask
    images = find(node, tmp_path, "IMAGE", StudyInstanceUID="1.2.1", SeriesInstanceUID="1.2.1.2", SOPInstanceUID="")
    assert len(images.matches) == 1


def test_patient_study_only(node: RunningNode, tmp_path: Path) -> None:
    assert len(find(node, tmp_path, "PATIENT", "-O", PatientID="P1").matches) == 1
    assert find(node, tmp_path, "SERIES", "-O", PatientID="P1", StudyInstanceUID="1.2.1").final == 0xA900


@pytest.mark.parametrize("syntax", ["-xe", "-xb", "-xi"])
def test_every_uncompressed_transfer_syntax(node: RunningNode, tmp_path: Path, syntax: str) -> None:
    answer = find(node, tmp_path, "STUDY", syntax, PatientID="P1", PatientName="", NumberOfStudyRelatedInstances="")
    assert values(answer, "PatientName") == ["Doe^Jane"]


# -- matching -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "uids"),
    [
        ({"PatientID": "P?"}, ["1.2.1", "1.2.2"]),
        ({"PatientID": "p1"}, []),
        ({"PatientName": "roe*"}, ["1.2.2"]),
        ({"StudyDate": "20240101-20240201"}, ["1.2.1"]),
        ({"StudyDate": "20240102-"}, ["1.2.2"]),
        ({"StudyDate": "20240101-20240301", "StudyTime": "0900-1000"}, ["1.2.1"]),
        ({"StudyInstanceUID": "1.2.1\\1.2.2\\1.2.9"}, ["1.2.1", "1.2.2"]),
        ({"AccessionNumber": "B*"}, ["1.2.2"]),
        ({"ModalitiesInStudy": "MR"}, []),
        ({"PatientID": "NOBODY"}, []),
        ({"StudyDescription": "*", "PatientID": "P2"}, ["1.2.2"]),
    ],
)
def test_studies_that_match(node: RunningNode, tmp_path: Path, keys: dict[str, str], uids: list[str]) -> None:
    answer = find(node, tmp_path, "STUDY", **({"StudyInstanceUID": ""} | keys))
    assert values(answer, "StudyInstanceUID") == uids
    assert (answer.pending, answer.final) == ([0xFF00] * len(uids), 0x0000)


def test_sequence_returns_what_its_item_names(node: RunningNode, tmp_path: Path) -> None:
    keys = {"(0008,1032)[0].CodeValue": "HEAD", "(0008,1032)[0].CodingSchemeDesignator": ""}
    [match] = find(node, tmp_path, "STUDY", StudyInstanceUID="", **keys).matches
    [item] = match.ProcedureCodeSequence
    assert (item.CodeValue, item.CodingSchemeDesignator, "CodeMeaning" in item) == ("HEAD", "99X", False)


def test_key_without_a_value_comes_back_empty(node: RunningNode, tmp_path: Path) -> None:
    [match] = find(node, tmp_path, "STUDY", PatientID="P2", StudyDescription="", PatientComments="").matches
    assert match["StudyDescription"].is_empty


def test_unsupported_key_is_left_out_and_told(node: RunningNode, tmp_path: Path) -> None:
    answer = find(node, tmp_path, "STUDY", PatientID="P1", StudyInstanceUID="", PixelSpacing="")
    [match] = answer.matches
    assert (answer.pending, answer.final, "PixelSpacing" in match) == ([0xFF01], 0x0000, False)


# -- character sets -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("patient_id", NAMES)
def test_name_is_found_and_told_in_the_set_of_the_query(node: RunningNode, tmp_path: Path, patient_id: str) -> None:
    terms, name = NAMES[patient_id]
    query = Dataset()
    query.SpecificCharacterSet = terms.split("\\")
    query.PatientName, query.PatientID, query.StudyInstanceUID = name, "", ""
    [match] = find(node, tmp_path, "STUDY", query=query).matches
    assert match.PatientID == patient_id
    assert match.SpecificCharacterSet == (terms if "\\" not in terms else terms.split("\\"))
    assert match.PatientName == name


def test_chinese_name_is_found_and_told_with_code_extensions(node: RunningNode, tmp_path: Path) -> None:
    query = Dataset()
    query.SpecificCharacterSet, query.PatientName, query.PatientID = ["", "ISO 2022 IR 58"], PLACE, ""
    [match] = find(node, tmp_path, "STUDY", query=query).matches
    assert (match.PatientID, match.SpecificCharacterSet) == ("CHINESE", ["", "ISO 2022 IR 58"])
    assert match.get_item("PatientName").value.rstrip() == CHINESE
    [match] = find(node, tmp_path, "STUDY", PatientID="CHINESE", PatientName="").matches
    assert match.PatientName == "Zhang^XiaoDong=张^小东"


@pytest.mark.parametrize("patient_id", NAMES)
def test_name_is_told_in_utf8_to_who_asks_in_ascii(node: RunningNode, tmp_path: Path, patient_id: str) -> None:
    [match] = find(node, tmp_path, "STUDY", PatientID=patient_id, PatientName="").matches
    assert (match.SpecificCharacterSet, match.PatientName) == ("ISO_IR 192", NAMES[patient_id][1])


@pytest.mark.parametrize(
    ("title", "patient_id", "terms", "name"),
    [
        ("JAPAN", "JAPANESE", "\\ISO 2022 IR 87", NAMES["JAPANESE"][1]),
        ("JAPAN", "GERMAN", "\\ISO 2022 IR 87", "Muller^Jorg"),
        ("LATIN", "GERMAN", "ISO_IR 100", "Müller^Jörg"),
        ("LATIN", "UTF8", "ISO_IR 100", "Luczak^Zólc=?=?"),
    ],
)
def test_device_that_knows_one_set_gets_this_one(
    node: RunningNode, tmp_path: Path, title: str, patient_id: str, terms: str, name: str
) -> None:
    [match] = find(node, tmp_path, "STUDY", "-aet", title, PatientID=patient_id, PatientName="").matches
    assert match.SpecificCharacterSet == (terms if "\\" not in terms else terms.split("\\"))
    assert match.PatientName == name


# -- refusals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "options", "keys", "tag", "word"),
    [
        ("PATIENT", (), {"PatientID": "P1"}, "0008,0052", "Level"),
        ("NOSUCH", (), {"PatientID": "P1"}, "0008,0052", "Level"),
        ("", (), {"PatientID": "P1"}, "0008,0052", "Level"),
        ("SERIES", (), {"SeriesInstanceUID": ""}, "0020,000d", "unique key"),
        ("SERIES", (), {"StudyInstanceUID": "1.2.*", "SeriesInstanceUID": ""}, "0020,000d", "wildcard"),
        ("STUDY", (), {"StudyDate": "yesterday"}, "0008,0020", "date"),
        ("SERIES", ("-aet", "STRICT"), {"StudyInstanceUID": "1.2.1", "SeriesInstanceUID": "", "PatientName": ""},
         "0010,0010", "level"),
    ],
)  # fmt: skip
def test_identifier_that_is_wrong(
    node: RunningNode, tmp_path: Path, level: str, options: tuple[str, ...], keys: dict[str, str], tag: str, word: str
) -> None:
    answer = find(node, tmp_path, level, *options, **keys)
    assert (answer.matches, answer.final) == ([], 0xA900)
    said = answer.log[answer.log.index("Received Final Find Response") :]
    assert tag in said.lower()
    assert word.lower() in said.lower()


def test_peer_that_may_not_query(node: RunningNode, tmp_path: Path) -> None:
    assert find(node, tmp_path, "STUDY", "-aet", "SCANNER", PatientID="").final == 0x0124


def test_as_many_matches_as_there_may_be_are_a_success(node: RunningNode, tmp_path: Path) -> None:
    answer = find(node, tmp_path, "STUDY", StudyInstanceUID="")
    assert (len(answer.matches), answer.final) == (9, 0x0000)


def test_log_tells_of_queries_without_their_values(node: RunningNode, tmp_path: Path) -> None:
    find(node, tmp_path, "STUDY", "-aet", "SECRET", PatientID="P1", PatientName="Doe*", StudyInstanceUID="")
    [line] = wait_for(lambda: node.events("query.answered", calling_ae_title="SECRET"), what="the log's line")
    assert (line["query_level"], line["keys"], line["matches"], line["status"]) == ("STUDY", 3, 1, "0000")
    assert line["duration_ms"] > 0
    assert not [one for one in node.log() if "Doe" in str(one) or "'P1'" in str(one)]


# -- a large archive --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who signs the node's certificate."""
    return Authority(tmp_path_factory.mktemp("authority"), "hospital")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[RunningNode]:
    """A node with one worker and many studies; its second listener speaks TLS."""
    folder = tmp_path_factory.mktemp("large") / "node"
    synthetic.fill(folder / "data", MANY)
    (folder / "data").chmod(0o700)
    server, plain = authority.issue("node"), free_port()
    listeners = [
        {"host": "127.0.0.1", "port": plain},
        {
            "host": "127.0.0.1",
            "port": free_port(),
            "tls": {"certificate": str(server.certificate), "private_key": str(server.key)},
        },
    ]
    with RunningNode(folder, processes={"workers": 1}, listeners=listeners) as running:
        running.port = plain
        yield running


def test_cancelled_query_ends_as_such(large: RunningNode, tmp_path: Path) -> None:
    answer = find(large, tmp_path, "STUDY", "--cancel", "5", "-Xlo", "1", StudyInstanceUID="", PatientName="")
    assert answer.final == 0xFE00
    assert 5 <= len(answer.pending) < MANY
    [line] = wait_for(lambda: large.events("query.answered", status="FE00"), what="the log's line")
    assert 5 <= line["matches"] < MANY


def test_every_match_comes_over_tls(large: RunningNode, authority: Authority) -> None:
    port = large.settings["listeners"][1]["port"]
    done = dcmtk(
        "findscu", "-v", "-S", "+tla", "+cf", authority.certificate, "-aec", "DICOMNODE", "-k", "QueryRetrieveLevel=STUDY",
        "-k", "StudyDate=20010101-20201231", "-k", "StudyInstanceUID", "localhost", str(port),
    )  # fmt: skip
    log = done.stdout + done.stderr
    matches = re.findall(r"UI \[([0-9.]+)", log)
    expected = [number for number in range(1, MANY + 1) if 1 <= number % 25 <= 20]
    assert "Received Final Find Response (Success)" in log
    assert sorted(matches) == sorted(synthetic.study_uid(number) for number in expected)


def test_query_past_the_limit_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "node"
    synthetic.fill(folder / "data", 30)
    with RunningNode(folder, query={"maximum_matches": 25}) as node:
        answer = find(node, tmp_path / "answers", "STUDY", StudyInstanceUID="")
        assert (len(answer.matches), answer.final) == (25, 0xA700)
        assert "more than 25 matches" in answer.log
        assert find(node, tmp_path / "answers", "STUDY", PatientID="PID0000007", StudyInstanceUID="").final == 0x0000


def test_who_does_not_read_his_answers_keeps_nobody_waiting(large: RunningNode, tmp_path: Path) -> None:
    identifier = Dataset()
    identifier.QueryRetrieveLevel, identifier.StudyInstanceUID, identifier.PatientName = "STUDY", "", ""
    request = command(
        AffectedSOPClassUID=STUDY_ROOT_FIND, CommandField=0x0020, MessageID=1, Priority=0, CommandDataSetType=1
    )
    with RawPeer(large.port) as sleeper:
        contexts = ((STUDY_ROOT_FIND, (ExplicitVRLittleEndian,)),)
        assert sleeper.associate(contexts=contexts, calling="SLEEPER") == A_ASSOCIATE_AC
        sleeper.send(pdu(P_DATA_TF, pdv(1, COMMAND | LAST, request) + pdv(1, LAST, dataset_bytes(identifier))))
        kind, first = sleeper.receive()
        assert (kind, struct.unpack_from(">I", first)[0] > 0) == (P_DATA_TF, True)
        number = str(MANY // 2)
        answer = find(large, tmp_path, "STUDY", PatientID=synthetic.patient_id(MANY // 2), StudyID="")
        assert (values(answer, "StudyID"), answer.final) == ([number], 0x0000)
        assert not large.events("query.answered", calling_ae_title="SLEEPER")
    wait_for(lambda: large.events("query.abandoned", calling_ae_title="SLEEPER"), what="the sleeper to be given up")
    assert large.echoscu().returncode == 0


# -- extended negotiation, which findscu does not speak ---------------------------------------------------------------------


def ask(node: RunningNode, offered: bytes, query: Dataset) -> tuple[bytes | None, list[Dataset], int]:
    """What the node agreed to, the matches, and the final status; the client is pynetdicom's."""
    item = SOPClassExtendedNegotiation()
    item.sop_class_uid, item.service_class_application_information = UID(STUDY_ROOT_FIND), offered
    ae = AE("EXTENDED")
    ae.add_requested_context(STUDY_ROOT_FIND, ExplicitVRLittleEndian)
    association = ae.associate("127.0.0.1", node.port, ae_title="DICOMNODE", ext_neg=[item] if offered else [])
    assert association.is_established
    agreed = association.acceptor.sop_class_extended.get(UID(STUDY_ROOT_FIND))
    answers = list(association.send_c_find(query, STUDY_ROOT_FIND))
    association.release()
    return agreed, [match for _, match in answers if match], int(answers[-1][0].Status)


@pytest.mark.parametrize("time", ["first", "again"])  # what was agreed on is remembered
def test_relational_query_where_it_was_negotiated(node: RunningNode, time: str) -> None:
    query = Dataset()
    query.QueryRetrieveLevel, query.PatientID, query.SeriesInstanceUID = "SERIES", "P1", ""
    agreed, matches, status = ask(node, b"\x01\x00\x00\x01", query)
    assert (agreed, status) == (b"\x01\x00\x00\x00", 0x0000)
    assert sorted(match.SeriesInstanceUID for match in matches) == ["1.2.1.1", "1.2.1.2"]
    assert {match.StudyInstanceUID for match in matches} == {"1.2.1"}
    assert ask(node, b"", query)[2] == 0xA900


def test_fuzzy_and_combined_date_and_time_where_they_were_negotiated(node: RunningNode) -> None:
    query = Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID, query.PatientName = "STUDY", "", "jane doe"
    assert ask(node, b"\x00\x00\x01", query)[1][0].StudyInstanceUID == "1.2.1"
    assert ask(node, b"", query)[1] == []
    query.PatientName, query.StudyDate, query.StudyTime = "", "20240101-20240215", "0900-1000"
    assert [match.StudyInstanceUID for match in ask(node, b"", query)[1]] == ["1.2.1"]
    query.StudyTime = "0900-2359"
    query.StudyDate = "20240101-20240214"
    assert len(ask(node, b"\x00\x01", query)[1]) == 1
    query.StudyDate, query.StudyTime = "20240102-20240216", "2359-0001"  # until one minute past midnight
    assert [match.StudyInstanceUID for match in ask(node, b"\x00\x01", query)[1]] == ["1.2.2"]
    assert ask(node, b"", query)[2] == 0xA900
