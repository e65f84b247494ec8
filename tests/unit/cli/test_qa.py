"""``dicomnode qa report`` as a sysadmin, a browser and a script see it."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

from pydicom import Dataset
from unit.cli.conftest import NodeFolder


def image(number: int, **values: str) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.SOPInstanceUID = f"1.2.840.99.{number}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.840.99.1000", "1.2.840.99.1001"
    dataset.PatientID, dataset.PatientName, dataset.Modality = "P1", "Doe^Jane", "OT"
    dataset.Manufacturer, dataset.ManufacturerModelName, dataset.ProtocolName = "ACME <Ltd>", "Scan", "Head & Neck"
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def fill(folder: NodeFolder) -> None:
    folder.receive(image(1))
    folder.receive(image(2, PatientID="", StudyInstanceUID="1.2.840.99.2000", SeriesInstanceUID="1.2.840.99.2001"))
    folder.receive(image(3), "CT2")


class Page(HTMLParser):
    """What a page shows and what it would load."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []
        self.loads: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.loads += [f"{tag} {name}" for name, _ in attributes if name in ("src", "href", "onload", "onclick")]
        if tag not in ("meta", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("meta", "rect"):
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.told.append(data)


def test_tells_people_whose_instances_the_rules_mind(node_folder: NodeFolder) -> None:
    fill(node_folder)
    done = node_folder.run("qa", "report")
    assert done.exit_code == 0
    assert "ACME <Ltd>" in done.stdout
    assert "patient.id 1" in done.stdout
    assert "ACME <Ltd> Scan: new protocol Head & Neck, since" in done.stdout


def test_tells_scripts(node_folder: NodeFolder) -> None:
    fill(node_folder)
    told = json.loads(node_folder.run("qa", "report", "--by", "ae", "--json").stdout)
    assert (told["instances"], told["held"]) == (3, 1)
    assert [(group["ae_title"], group["instances"]) for group in told["groups"]] == [("CT1", 2), ("CT2", 1)]
    assert told["groups"][0]["rules"]["patient.id"] == 1
    assert told["new_protocols"][0]["protocol"] == "Head & Neck"


def test_page_shows_what_came_as_it_is_and_loads_nothing(node_folder: NodeFolder, tmp_path: Path) -> None:
    fill(node_folder)
    path = tmp_path / "quality.html"
    done = node_folder.run("qa", "report", "--by", "rule", "--html", str(path))
    assert (done.exit_code, done.stdout) == (0, "")
    page = Page()
    page.feed(path.read_text())
    assert (page.open, page.loads) == ([], [])
    assert {"ACME <Ltd>", "Head & Neck", "patient.id"} <= set(page.told)
    assert page.told.index("By rule") < page.told.index("By device")


def test_nothing_received(node_folder: NodeFolder, tmp_path: Path) -> None:
    assert node_folder.run("qa", "report").stdout == "nothing was received\n"
    assert node_folder.run("qa", "report", "--html", str(tmp_path / "quality.html")).exit_code == 0


def test_a_page_that_cannot_be_written_is_told(node_folder: NodeFolder, tmp_path: Path) -> None:
    done = node_folder.run("qa", "report", "--html", str(tmp_path / "nowhere" / "quality.html"))
    assert done.exit_code == 2
    assert "cannot be written" in done.stderr
