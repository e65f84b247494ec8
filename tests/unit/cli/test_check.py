"""``dicomnode check`` over files as they are, with no node anywhere."""

from __future__ import annotations

import json
import os
import time
import xml.etree.ElementTree as ET
import zlib
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pydicom
import pytest
from click.testing import CliRunner, Result
from factories import ABSENT, ct, series, write
from pydicom.uid import DeflatedExplicitVRLittleEndian, MediaStorageDirectoryStorage

from dicomnode.cli import commands

WHEEL = Path(pydicom.__file__).parent / "data" / "test_files"


def check(*arguments: str | Path) -> Result:
    return CliRunner().invoke(commands, ["check", *map(str, arguments)])


def objects(done: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def one(path: Path) -> dict[str, Any]:
    """What is told of one file that is named."""
    [told] = objects(check("--json", path))
    return told


def rules(told: dict[str, Any]) -> set[str]:
    return {finding["rule"] for finding in told["findings"]}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no configuration lies."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DICOMNODE_CONFIG", raising=False)


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Two good files, one with a remark, one to be held back, one to be refused, a damaged one and a text."""
    folder = tmp_path / "mixed"
    good, damaged, _ = series(folder, 3)
    damaged.write_bytes(good.read_bytes()[:200])
    write(ct(PatientID=ABSENT, Manufacturer="ACME", StationName="CT7"), folder / "held.dcm")
    write(ct(StudyInstanceUID=ABSENT), folder / "refused.dcm")
    write(ct(SeriesDate="20200101"), folder / "remarked.dcm")
    (folder / "notes.txt").write_text("nothing")
    return folder


VERDICTS = {
    "0001.dcm": "accept",
    "0002.dcm": "reject",
    "0003.dcm": "accept",
    "held.dcm": "quarantine",
    "refused.dcm": "reject",
    "remarked.dcm": "warn",
}


def test_script_gets_an_object_for_each_file_in_their_order(mixed: Path) -> None:
    done = check("--json", mixed)
    told = objects(done)
    assert [Path(each["file"]).name for each in told] == list(VERDICTS)
    assert {Path(each["file"]).name: each["verdict"] for each in told} == VERDICTS
    assert done.exit_code == 1


def test_object_has_these_fields(mixed: Path) -> None:
    told = one(mixed / "held.dcm")
    assert list(told) == ["file", "verdict", "status", "rule_set", "findings"]
    assert told["file"] == str(mixed / "held.dcm")
    assert (told["verdict"], told["status"]) == ("quarantine", "0xB007")
    assert told["rule_set"]
    assert [finding for finding in told["findings"] if finding["rule"] == "patient.id"] == [
        {
            "rule": "patient.id",
            "severity": "quarantine",
            "tag": "(0010,0020)",
            "tags": ["(0010,0020)"],
            "path": "",
            "comment": "PatientID missing or empty",
            "ref": "PS3.3 C.7.1.1",
        }
    ]


def test_refused_file_has_the_status_of_reception(mixed: Path) -> None:
    assert one(mixed / "refused.dcm")["status"] == "0xC502"


def test_findings_of_severity_info_are_told(tmp_path: Path) -> None:
    told = one(write(ct(SOPClassUID="1.2.3.4"), tmp_path / "private.dcm"))
    assert told["verdict"] == "accept"
    assert [finding["severity"] for finding in told["findings"] if finding["rule"] == "core.private-class"] == ["info"]


def test_nothing_of_a_patient_is_told(mixed: Path, tmp_path: Path) -> None:
    report, page = tmp_path / "junit.xml", tmp_path / "page.html"
    told = check("--junit", report, "--html", page, "--all", mixed).stdout
    told += check("--json", mixed).stdout + report.read_text() + page.read_text()
    assert not any(secret in told for secret in ("Doe", "Jane", "19700101"))


def test_person_sees_what_would_not_be_accepted_then_rules_then_counts(mixed: Path) -> None:
    done = check(mixed)
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert lines[1] == f"quarantine {mixed}/held.dcm: patient.id: PatientID missing or empty (0010,0020)"
    assert lines[2].startswith(f"reject {mixed}/refused.dcm: core.uids: ")
    assert "0001.dcm" not in done.stdout
    assert "2 accept, 1 warn, 1 quarantine, 2 reject, 1 passed over: no DICOM instance; 6 files" in lines[-1]
    [row] = [line for line in lines if line.startswith(" patient.id")]
    assert row.split()[:4] == ["patient.id", "quarantine", "1", "1"]


def test_all_files_are_listed_when_asked_for(mixed: Path) -> None:
    lines = check("--all", mixed).stdout.splitlines()
    assert lines[0] == f"accept {mixed}/0001.dcm"
    assert f"warn {mixed}/remarked.dcm: dates.order: " in lines[5]


def test_accepted_and_remarked_upon_is_well(tmp_path: Path) -> None:
    series(tmp_path / "a", 2)
    write(ct(SeriesDate="20200101"), tmp_path / "a" / "remarked.dcm")
    done = check(tmp_path / "a")
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("faulty", ["held.dcm", "refused.dcm", "0002.dcm"])
def test_each_kind_of_trouble_fails(mixed: Path, faulty: str) -> None:
    assert check(mixed / faulty).exit_code == 1


def test_configuration_decides(mixed: Path, tmp_path: Path) -> None:
    (tmp_path / "node.yaml").write_text("data: nowhere\nqa: {severities: {patient.id: warn}}\n")
    done = check("--config", tmp_path / "node.yaml", "--json", mixed / "held.dcm")
    assert [told["verdict"] for told in objects(done)] == ["warn"]
    assert done.exit_code == 0
    assert not (tmp_path / "nowhere").exists()


SITE = "version: 1\nprofiles: {all: {rules: [{id: site.serial, required: [DeviceSerialNumber], severity: SEVERITY}]}}\n"


def test_another_rule_file_takes_the_place_of_the_sites(mixed: Path, tmp_path: Path) -> None:
    site, draft = tmp_path / "site.yaml", tmp_path / "draft.yaml"
    site.write_text(SITE.replace("SEVERITY", "warn"))
    draft.write_text(SITE.replace("SEVERITY", "quarantine"))
    (tmp_path / "node.yaml").write_text("qa: {rules: site.yaml}\n")
    asked = ("--config", tmp_path / "node.yaml", "--json", mixed / "0001.dcm")
    assert [told["verdict"] for told in objects(check(*asked))] == ["warn"]
    [told] = objects(check("--rules", draft, *asked))
    assert (told["verdict"], [one["rule"] for one in told["findings"] if one["rule"].startswith("site.")]) == (
        "quarantine",
        ["site.serial"],
    )


def test_rule_file_that_is_wrong_is_told(mixed: Path, tmp_path: Path) -> None:
    (tmp_path / "draft.yaml").write_text("version: 1\nprofile: {}\n")
    done = check("--rules", tmp_path / "draft.yaml", mixed)
    assert done.exit_code == 2
    assert f"{tmp_path / 'draft.yaml'}:2: profile: unknown key" in done.stderr


@pytest.mark.parametrize(("named", "status"), [((), "0xB007"), (("--as-ae", "FRAGILE"), "0x0000")])
def test_sender_decides_what_it_is_told(mixed: Path, tmp_path: Path, named: tuple[str, ...], status: str) -> None:
    (tmp_path / "node.yaml").write_text("qa: {success_for_quarantine: [FRAGILE]}\n")
    done = check("--config", tmp_path / "node.yaml", "--json", *named, mixed / "held.dcm")
    assert [told["status"] for told in objects(done)] == [status]


def test_file_names_its_sender(tmp_path: Path) -> None:
    dataset = ct(PatientID=ABSENT)
    dataset.file_meta.SourceApplicationEntityTitle = "FRAGILE"
    (tmp_path / "node.yaml").write_text("qa: {success_for_quarantine: [FRAGILE]}\n")
    done = check("--config", tmp_path / "node.yaml", "--json", write(dataset, tmp_path / "a.dcm"))
    assert [told["status"] for told in objects(done)] == ["0x0000"]


def test_head_that_names_another_class_is_what_a_request_would_be(tmp_path: Path) -> None:
    dataset = ct()
    dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    path = tmp_path / "a.dcm"
    with path.open("wb") as file:
        pydicom.dcmwrite(file, dataset, enforce_file_format=False)
    told = one(path)
    assert (told["status"], "core.affected-class" in rules(told)) == ("0xA900", True)


def test_files_of_the_pydicom_wheel() -> None:
    """What they are: for many the rules say nothing, none ends the check, and none is left out in silence."""
    done = check("--json", WHEEL)
    told = {Path(each["file"]).name: each for each in objects(done)}
    assert done.exit_code == 1
    assert told["CT_small.dcm"]["verdict"] in ("accept", "warn")
    assert "patient.id" in rules(told["reportsi.dcm"])
    assert "core.damaged" in rules(told["rtplan_truncated.dcm"])
    assert told["ExplVR_BigEndNoMeta.dcm"]["verdict"] == "quarantine"
    assert not {"DICOMDIR", "README.txt", "zipMR.gz"} & set(told)
    verdicts = Counter(each["verdict"] for each in told.values())
    assert verdicts["accept"] + verdicts["warn"] > verdicts["quarantine"] > 0


def nested(levels: int) -> bytes:
    """Sequences of undefined length within each other (PS3.5 Section 7.5.2), none of them closed."""
    return (b"\x40\x00\x75\x02SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff") * levels


def test_hostile_files_are_told_and_cost_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "hostile"
    good = series(folder, 1)[0].read_bytes()
    (folder / "nested.dcm").write_bytes(good + nested(10_000))
    bomb = write(ct(transfer_syntax=DeflatedExplicitVRLittleEndian), folder / "bomb.dcm")
    head = bomb.read_bytes()
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    element = b"\x09\x00\x10\x00UN\0\0\xff\xff\xff\x7f"
    stream = deflate.compress(element) + b"".join(deflate.compress(bytes(1 << 20)) for _ in range(200))
    meta_end = 132 + 12 + int.from_bytes(head[140:144], "little")
    bomb.write_bytes(head[:meta_end] + stream + deflate.flush())
    (folder / "truncated.dcm").write_bytes(good[:-100])
    (folder / "zeros.dcm").write_bytes(good[:132] + bytes(100_000))
    started = time.process_time()
    told = {Path(each["file"]).name: each for each in objects(check("--json", "--jobs", "1", folder))}
    assert time.process_time() - started < 5
    assert {name: each["verdict"] for name, each in told.items()} == {
        "0001.dcm": "accept",
        "bomb.dcm": "reject",
        "nested.dcm": "quarantine",
        "truncated.dcm": "quarantine",
        "zeros.dcm": "reject",
    }


def test_what_cannot_be_read_is_a_finding_and_the_rest_goes_on(mixed: Path) -> None:
    (mixed / "gone.dcm").symlink_to("nowhere")
    told = {Path(each["file"]).name: each for each in objects(check("--json", mixed))}
    assert list(told) == sorted([*VERDICTS, "gone.dcm"])
    [finding] = told["gone.dcm"]["findings"]
    assert (finding["rule"], finding["severity"], finding["tag"]) == ("core.file", "reject", None)
    assert finding["comment"] == "cannot be read: No such file or directory"
    [finding] = told["0002.dcm"]["findings"]
    assert (finding["rule"], finding["comment"]) == ("core.file", "File Meta Information is cut off")


@pytest.mark.parametrize("named", ["notes.txt", "empty", "DICOMDIR"])
def test_file_that_is_named_has_to_be_an_instance(tmp_path: Path, named: str) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    (tmp_path / "empty").touch()
    dataset = ct()
    dataset.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    with (tmp_path / "DICOMDIR").open("wb") as file:
        pydicom.dcmwrite(file, dataset, enforce_file_format=False)
    assert rules(one(tmp_path / named)) == {"core.file"}
    assert check(tmp_path / named).exit_code == 1


def test_pipe_in_a_folder_keeps_nobody_waiting(tmp_path: Path) -> None:
    series(tmp_path / "a", 1)
    os.mkfifo(tmp_path / "a" / "pipe")
    done = check(tmp_path / "a")
    assert done.exit_code == 0, done.output
    assert "1 accept, 1 passed over" in done.stdout


def test_junit_has_a_case_for_each_file(mixed: Path, tmp_path: Path) -> None:
    done = check("--junit", tmp_path / "junit.xml", mixed)
    assert done.exit_code == 1
    suites = ET.parse(tmp_path / "junit.xml").getroot()
    assert (suites.tag, suites.get("tests"), suites.get("failures")) == ("testsuites", "6", "3")
    cases = list(suites.iter("testcase"))
    assert [case.get("name") for case in cases] == list(VERDICTS)
    assert {case.get("classname") for case in cases} == {str(mixed)}
    failures = {case.get("name"): case.find("failure") for case in cases}
    failed = {name: failure.get("type") for name, failure in failures.items() if failure is not None}
    assert failed == {name: word for name, word in VERDICTS.items() if word in ("quarantine", "reject")}
    held = failures["held.dcm"]
    assert held is not None
    assert held.get("message") == "patient.id: PatientID missing or empty (0010,0020)"


HOSTILE_NAME = "<script>alert(1)</script>&\"'\x1b[31m\x07\n]]>\udcff.dcm".replace("/", "\N{FRACTION SLASH}")


def test_names_steer_neither_xml_nor_html_nor_the_terminal(tmp_path: Path) -> None:
    folder = tmp_path / "names"
    folder.mkdir()
    write(ct(PatientID=ABSENT, Manufacturer="<img src=x>", StationName="a&b"), folder / "plain.dcm")
    (folder / "plain.dcm").rename(folder / HOSTILE_NAME)
    done = check("--junit", tmp_path / "junit.xml", "--html", tmp_path / "page.html", folder)
    assert done.exit_code == 1
    assert "\x1b" not in done.stdout
    [case] = ET.parse(tmp_path / "junit.xml").getroot().iter("testcase")
    assert "<script>alert(1)" in (case.get("name") or "")
    page = (tmp_path / "page.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<img" not in page
    assert "&lt;img src=x&gt;" in page
    assert objects(check("--json", folder))[0]["file"].endswith(HOSTILE_NAME)


class Whole(HTMLParser):
    """Notes every element, and what is left open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: Counter[str] = Counter()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen[tag] += 1
        self.attributes |= {name for name, _ in attrs}
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_page_is_whole_and_loads_nothing(mixed: Path, tmp_path: Path) -> None:
    check("--html", tmp_path / "page.html", mixed)
    text = (tmp_path / "page.html").read_text()
    page = Whole()
    page.feed(text)
    assert page.open == []
    assert not {"script", "link", "img", "iframe"} & set(page.seen)
    assert not {"src", "href", "style", "onclick"} & page.attributes
    assert "url(" not in text
    for told in ("By rule", "patient.id", "By device", "CT7", "Refused or held back", "held.dcm", "remarked.dcm"):
        assert told in text
    assert "0001.dcm" not in text


def test_report_never_takes_the_place_of_an_instance(mixed: Path) -> None:
    """``check --html *.dcm``: the shell names an instance where a report is meant."""
    before = (mixed / "0001.dcm").read_bytes()
    for option in ("--html", "--junit"):
        assert check(option, mixed / "0001.dcm", mixed / "0003.dcm").exit_code == 2
    assert (mixed / "0001.dcm").read_bytes() == before


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nowhere",),
        (".",),
        (".", "--as-ae", "A TITLE THAT IS TOO LONG"),
        (".", "--junit", "nowhere/junit.xml"),
        (".", "--html", "nowhere/page.html"),
        (".", "--jobs", "0"),
        (".", "--config", "nowhere.yaml"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    assert check(*arguments).exit_code == 2


def test_folder_without_an_instance_is_no_success(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    done = check(tmp_path)
    assert done.exit_code == 2
    assert "no DICOM file" in done.stderr
