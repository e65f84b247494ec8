"""A site's own rules, from the file to what a scanner is told: DCMTK's storescu against the real program."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from factories import ABSENT, ct, write
from raw_peer import A_ASSOCIATE_AC, RawPeer, dataset_bytes
from running_node import RunningNode, dcmtk, wait_for

RULES = """version: 1
profiles:
  ct:
    match: {sop_class: CTImageStorage}
    rules:
      - {id: site.kvp, fields: [KVP], range: [40, 160], severity: reject, status: 0xC123, comment: "{keyword} impossible"}
      - {id: site.body, required: [BodyPartExamined], severity: warn}
      - {id: site.station, required: [StationName], severity: quarantine}
  er:
    match: {calling_ae: "ER_*"}
    override: {patient.id: {severity: warn, reason: trauma}}
tests:
  - {name: too much, dataset: {from: ct, KVP: "400"}, expect: {site.kvp: reject}}
"""


def instance(folder: Path, name: str, **changes: object) -> Path:
    """A slice that no rule minds, with changes."""
    return write(ct(**({"BodyPartExamined": "HEAD", "StationName": "CT1"} | changes)), folder / f"{name}.dcm")


def node_with(folder: Path, text: str) -> RunningNode:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "site.yaml").write_text(text)
    return RunningNode(folder, qa={"rules": "site.yaml"})


def test_sender_is_told_what_a_site_s_rule_finds(tmp_path: Path) -> None:
    with node_with(tmp_path / "node", RULES) as node:
        good = instance(tmp_path, "good")
        refused = instance(tmp_path, "refused", KVP="400")
        remarked = instance(tmp_path, "remarked", BodyPartExamined=ABSENT)
        held = instance(tmp_path, "held", StationName="")
        assert node.storescu(good, refused, remarked, held) == [0x0000, 0xC123, 0x0000, 0xB007]
        done = dcmtk("storescu", "-d", "-nh", "-R", "-aec", "DICOMNODE", "127.0.0.1", str(node.port), refused)
        told = done.stdout + done.stderr
        assert re.search(r"\(0000,0901\) AT \(0018,0060\)", told)
        assert "KVP impossible [site.kvp]" in told
        [entry] = node.rows("quarantine", "list")
        assert entry["rule"] == "site.station"
        nobody = instance(tmp_path, "nobody", PatientID="")
        assert node.storescu(nobody, options=("-aet", "ER_CT1")) == [0x0000]
        assert node.storescu(instance(tmp_path, "other", PatientID="")) == [0xB007]


def test_reload_takes_a_new_file_over_and_keeps_the_old_one_when_it_is_wrong(tmp_path: Path) -> None:
    with node_with(tmp_path / "node", RULES) as node:
        high = instance(tmp_path, "high", KVP="150")
        assert node.storescu(high) == [0x0000]
        (node.folder / "site.yaml").write_text(RULES.replace("expect: {site.kvp: reject}", "expect: {site.kvp: none}"))
        node.process.send_signal(signal.SIGHUP)
        [refused] = wait_for(lambda: node.events("configuration.refused"), what="the reload to be refused")
        assert "test 'too much' fails: site.kvp finds reject, expected none" in refused["reason"]
        assert node.storescu(instance(tmp_path, "too_high", KVP="400")) == [0xC123]
        (node.folder / "site.yaml").write_text(RULES.replace("[40, 160]", "[40, 140]"))
        node.process.send_signal(signal.SIGHUP)
        again = instance(tmp_path, "again", KVP="150")
        wait_for(lambda: node.storescu(again) == [0xC123], what="the new rules to hold")


def test_running_associations_keep_their_rules(tmp_path: Path) -> None:
    with node_with(tmp_path / "node", RULES) as node, RawPeer(node.port) as peer:
        assert peer.associate(calling="CT1") == A_ASSOCIATE_AC

        def store(message_id: int) -> int:
            dataset = ct(BodyPartExamined="HEAD", StationName="CT1", KVP="150")
            return peer.store(str(dataset.SOPInstanceUID), dataset_bytes(dataset), message_id=message_id)

        assert store(1) == 0x0000
        (node.folder / "site.yaml").write_text(RULES.replace("[40, 160]", "[40, 140]"))
        node.process.send_signal(signal.SIGHUP)
        again = instance(tmp_path, "again", KVP="150")
        wait_for(lambda: node.storescu(again) == [0xC123], what="the new rules to hold")
        assert store(2) == 0x0000
        peer.release()
