"""What rules change on reception, and what their modes keep them from: DCMTK's tools against the real program."""

from __future__ import annotations

import re
import threading
from pathlib import Path

from factories import ct, series, write
from pydicom import dcmread
from raw_peer import A_ASSOCIATE_AC, RawPeer, dataset_bytes
from running_node import RunningNode, dcmtk, wait_for

RULES = """version: 1
profiles:
  all:
    rules:
      - id: site.sex
        fields: [PatientSex]
        enum: [M, F, O]
        severity: fix
        fix: {upper: true, map: {W: F, MALE: M}, else: warn}
      - {id: site.accession, required: [AccessionNumber], severity: fix, fix: {copy: StudyID}}
      - {id: site.kvp, fields: [KVP], range: [40, 160], severity: reject, status: 0xC123, mode: observe}
  pilot:
    match: {calling_ae: PILOT}
    override:
      site.kvp: {mode: quarantine, reason: new software}
tests:
  - name: a woman
    dataset: {from: ct, PatientSex: w}
    expect: {site.sex: fix, patient.sex: none}
    fixed: {PatientSex: F}
    answer: 0xB000
"""


def node_with_rules(folder: Path, **qa: object) -> RunningNode:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "site.yaml").write_text(RULES)
    return RunningNode(folder, qa={"rules": "site.yaml"} | qa)


def test_sender_hears_what_was_changed_and_everybody_finds_the_new_value(tmp_path: Path) -> None:
    with node_with_rules(tmp_path / "node", success_for_quarantine=["OLD_CT"]) as node:
        came = ct(PatientSex="w", AccessionNumber="", StudyID="S7")
        file = write(came, tmp_path / "came.dcm")
        done = dcmtk("storescu", "-d", "-R", "-aec", "DICOMNODE", "127.0.0.1", str(node.port), file)
        told = done.stdout + done.stderr
        assert re.search(r"DIMSE Status\s*: 0xb000", told)
        assert re.search(r"\(0000,0901\) AT \(0010,0040\)\\\(0008,0050\)", told)
        assert "PatientSex is none of M, F, O [site.sex]" in told
        [kept] = node.files()
        instance = dcmread(kept)
        assert (instance.PatientSex, instance.AccessionNumber) == ("F", "S7")
        assert instance.PixelData == came.PixelData
        [original] = instance.OriginalAttributesSequence
        assert original.ReasonForTheAttributeModification == "COERCE"
        assert original.ModifiedAttributesSequence[0].PatientSex == "w"
        for sex, count in (("F", 1), ("W", 0)):
            query = ("-S", "-k", "QueryRetrieveLevel=STUDY", "-k", f"PatientSex={sex}", "-k", "StudyInstanceUID")
            found = dcmtk("findscu", "-aec", "DICOMNODE", *query, "127.0.0.1", str(node.port))
            assert (found.stdout + found.stderr).count(came.StudyInstanceUID) == count
        assert node.storescu(file) == [0xB000]
        assert node.storescu(file, options=("-aet", "OLD_CT")) == [0x0000]
        assert node.files() == [kept]
        [stored] = wait_for(lambda: node.events("instance.stored"), what="the line of the instance")
        assert stored["rules"] == ["site.sex", "site.accession"]
        assert stored["offending_elements"] == ["(0010,0040)", "(0008,0050)"]
        assert node.rows("quarantine", "list") == []


def test_big_instance_is_fixed_in_its_file(tmp_path: Path) -> None:
    with node_with_rules(tmp_path / "node") as node:
        came = ct(rows=2048, columns=2048, PatientSex="w")
        assert node.storescu(write(came, tmp_path / "big.dcm")) == [0xB000]
        [kept] = node.files()
        assert dcmread(kept).PatientSex == "F"
        assert dcmread(kept).PixelData == came.PixelData
        wait_for(lambda: not node.unfinished(), what="incoming to be empty")


def test_check_gives_the_same_verdict_and_changes_no_file(tmp_path: Path) -> None:
    with node_with_rules(tmp_path / "node") as node:
        file = write(ct(PatientSex="w"), tmp_path / "came.dcm")
        before = file.read_bytes()
        [checked] = node.rows("check", str(file))
        assert (checked["verdict"], checked["status"]) == ("fix", "0xB000")
        assert [(one["rule"], one["severity"]) for one in checked["findings"] if one["rule"].startswith("site")] == [
            ("site.sex", "fix")
        ]
        assert "patient.sex" not in {one["rule"] for one in checked["findings"]}
        assert file.read_bytes() == before


def test_what_a_mode_keeps_a_rule_from_stands_in_the_log(tmp_path: Path) -> None:
    with node_with_rules(tmp_path / "node") as node:
        assert node.storescu(write(ct(KVP="400"), tmp_path / "one.dcm")) == [0x0000]
        assert node.storescu(write(ct(KVP="400"), tmp_path / "two.dcm"), options=("-aet", "PILOT")) == [0xB007]
        [stored] = wait_for(lambda: node.events("instance.stored"), what="the line of the instance")
        assert stored["observed"] == ["site.kvp would reject C123"]
        [held] = wait_for(lambda: node.events("instance.quarantined"), what="the line of the other one")
        assert held["observed"] == ["site.kvp would reject C123"]
        assert held["reason"].startswith("would reject: KVP not between 40 and 160")


def test_device_that_is_refused_again_and_again_is_held_instead_until_it_is_well(tmp_path: Path) -> None:
    folder = tmp_path / "node"
    folder.mkdir()
    (folder / "site.yaml").write_text(
        "version: 1\nprofiles:\n  all:\n    rules:\n"
        "      - {id: site.kvp, fields: [KVP], range: [40, 160], severity: reject, status: 0xC123}\n"
    )
    breaker = {"refused_share": 0.5, "window": 20, "at_least": 10}
    with RunningNode(folder, qa={"rules": "site.yaml", "breaker": breaker}) as node:
        bad = series(tmp_path / "bad", 14, KVP="400")
        assert node.storescu(*bad) == [0xC123] * 9 + [0xB007] * 5
        [opened] = wait_for(lambda: node.events("qa.breaker_opened"), what="the alert")
        assert (opened["calling_ae_title"], opened["refused"], opened["rules"]) == ("STORESCU", 10, ["site.kvp"])
        held = node.rows("quarantine", "list")
        assert len(held) == 5
        assert node.storescu(bad[0], options=("-aet", "OTHER")) == [0xC123]
        assert node.storescu(*series(tmp_path / "good", 20)) == [0x0000] * 20
        wait_for(lambda: node.events("qa.breaker_closed", reason="share"), what="the breaker to close")
        assert node.storescu(write(ct(KVP="401"), tmp_path / "late.dcm")) == [0xC123]
        assert len(node.rows("quarantine", "list")) == 5


def test_killed_while_it_fixes_the_node_loses_nothing_that_it_answered(tmp_path: Path) -> None:
    slices = {str(one.SOPInstanceUID): one for one in (ct(PatientSex="w", rows=64, columns=64) for _ in range(300))}
    with node_with_rules(tmp_path / "node") as node:
        answered: set[str] = set()

        def send() -> None:
            with RawPeer(node.port) as peer:
                assert peer.associate(calling="CT") == A_ASSOCIATE_AC
                for message, (uid, dataset) in enumerate(slices.items(), start=1):
                    if peer.store(uid, dataset_bytes(dataset), message_id=message) != 0xB000:
                        return
                    answered.add(uid)

        sender = threading.Thread(target=send)
        sender.start()
        wait_for(lambda: len(answered) > 20, what="the first instances to be fixed")
        node.kill()
        sender.join(30)
        node.start()
        kept = {str(one.SOPInstanceUID): one for one in map(dcmread, node.files())}
        assert answered <= kept.keys()
        assert len(kept) == len(node.files())
        assert {one.PatientSex for one in kept.values()} == {"F"}
        assert node.unfinished() == []
        with RawPeer(node.port) as peer:
            assert peer.associate(calling="CT") == A_ASSOCIATE_AC
            for message, (uid, dataset) in enumerate(slices.items(), start=1):
                assert peer.store(uid, dataset_bytes(dataset), message_id=message) == 0xB000
            peer.release()
        assert len(node.files()) == len(slices)
        assert node.rows("quarantine", "list") == []
