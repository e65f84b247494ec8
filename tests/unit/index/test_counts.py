"""Counts and the like, which are kept with every change, against counting everything anew after any changes in any order.

What is held is compared with what it must be by the answers that were given.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from unit.index.received import CT, MODALITY, MR, OTHER_CONTENT, OTHER_PATIENT, PATIENT_ID, received, verdict

from dicomnode.index import Durability, Index, IndexSettings, OnConflict, Outcome, Scope

RECOUNTED = """
SELECT study.id,
    (SELECT count(*) FROM series WHERE study = study.id),
    count(*),
    sum(dataset_size_bytes),
    (SELECT group_concat(modality, '\\') FROM
        (SELECT DISTINCT modality FROM series WHERE study = study.id AND modality <> '' ORDER BY modality)),
    (SELECT group_concat(sop_class_uid, '\\') FROM
        (SELECT DISTINCT sop_class_uid FROM series JOIN instance ON series = series.id
         WHERE study = study.id ORDER BY sop_class_uid))
FROM study JOIN series ON study = study.id JOIN instance ON series = series.id GROUP BY study.id
"""
KEPT = "SELECT id, series_count, instance_count, size_bytes, modalities_in_study, sop_classes_in_study FROM study"

some = st.sampled_from
small = st.integers(0, 2)


class Changes(RuleBasedStateMachine):
    """Whatever can happen to instances of three studies."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.index = Index(self.folder, IndexSettings(), durability=Durability.FAST)
        self.index.prepare()
        self.accepted: dict[str, bytes] = {}
        self.held_back: set[tuple[str, bytes]] = set()
        self.reader = sqlite3.connect(self.folder / "index.sqlite")

    def teardown(self) -> None:
        self.reader.close()
        self.index.close()
        shutil.rmtree(self.folder)

    @rule(
        uid=small,
        content=small,
        study=small,
        series=small,
        patient=some(["P1", "P2", ""]),
        modality=some(["CT", "MR", ""]),
        sop_class=some([CT, MR]),
        judged=some([verdict(), verdict(), verdict("patient.id")]),
        asks=some([None, OTHER_PATIENT]),
        replaces=st.booleans(),
    )
    def add(self, replaces: bool, asks: Any, **drawn: Any) -> None:
        came = received(
            f"1.2.{drawn['uid']}",
            content=str(drawn["content"]),
            study=f"1.3.{drawn['study']}",
            series=f"1.4.{drawn['series']}",
            patient={PATIENT_ID: drawn["patient"]},
            of_series={MODALITY: drawn["modality"]},
            sop_class=drawn["sop_class"],
            judged=drawn["judged"],
            size_bytes=10 ** drawn["content"],
        )
        added = self.index.instances.add(came, OnConflict(other_patient=asks))
        if added.outcome is Outcome.OTHER_CONTENT and added.existing is not None:
            assert added.existing.digest == self.accepted[came.sop_instance_uid] != came.digest
            digest = added.existing.digest if replaces else None
            added = self.index.instances.add(came, OnConflict(asks, OTHER_CONTENT, replaces=digest))
        self.expect(came.sop_instance_uid, came.digest, added.outcome)

    def expect(self, uid: str, digest: bytes, outcome: Outcome) -> None:
        """What is held by now, since this was the answer."""
        match outcome:
            case Outcome.STORED:
                if uid in self.accepted:
                    self.held_back.add((uid, self.accepted[uid]))
                self.accepted[uid] = digest
            case Outcome.QUARANTINED:
                assert (uid, digest) not in self.held_back
                self.held_back.add((uid, digest))
            case Outcome.SAME_CONTENT:
                assert self.accepted.get(uid) == digest or (uid, digest) in self.held_back
            case _:
                raise AssertionError(outcome)

    @rule(which=small, replaces=st.booleans())
    def release(self, which: int, replaces: bool) -> None:
        for entry in list(self.index.quarantine.list())[which : which + 1]:
            known = self.index.instances.known(entry.sop_instance_uid)
            if replaces or known is None:
                self.index.quarantine.release(
                    entry.id, reason="r", by="b", under_study_patient=True, replaces=OTHER_CONTENT
                )
                self.held_back.remove((entry.sop_instance_uid, self.digest_of(entry.id)))
                self.expect(entry.sop_instance_uid, self.digest_of(entry.id), Outcome.STORED)

    @rule(which=small)
    def discard(self, which: int) -> None:
        for entry in list(self.index.quarantine.list())[which : which + 1]:
            self.index.quarantine.discard(entry, reason="r", by="b")
            self.held_back.remove((entry.sop_instance_uid, self.digest_of(entry.id)))

    @rule(which=small, level=some(["study", "series", "sop"]), limit=st.integers(1, 3))
    def delete(self, which: int, level: str, limit: int) -> None:
        accepted = self.read(
            "SELECT sop_instance_uid, study_instance_uid, series_instance_uid FROM"
            " (SELECT sop_instance_uid, series FROM instance WHERE state = 'accepted') JOIN series ON series.id = series"
            " JOIN study ON study.id = study ORDER BY 1"
        )
        for sop, study, series in accepted[which : which + 1]:
            uids = {"sop": sop, "study": study, "series": series}
            holding = self.index.removal.holding(Scope(**{f"{level}_instance_uid": uids[level]}))
            gone = {row[0] for row in accepted if uids[level] in row}
            assert (holding.instances, holding.quarantined) == (len(gone), self.quarantined_of(level, uids[level]))
            while removed := self.index.removal.remove(holding, limit=limit, reason="r", by="b"):
                assert len(removed) <= limit
            for uid in gone:
                del self.accepted[uid]

    def quarantined_of(self, level: str, uid: str) -> int:
        [(count,)] = self.read(
            f"SELECT count(*) FROM instance WHERE state = 'quarantined' AND {level}_instance_uid = '{uid}'"
        )
        assert isinstance(count, int)
        return count

    def digest_of(self, entry: int) -> bytes:
        [(digest,)] = self.read(f"SELECT digest FROM instance WHERE id = {entry}")
        assert isinstance(digest, bytes)
        return digest

    def read(self, sql: str) -> list[tuple[Any, ...]]:
        return self.reader.execute(sql).fetchall()

    @invariant()
    def what_was_answered_is_held(self) -> None:
        known = ((uid, self.index.instances.known(uid)) for uid in ("1.2.0", "1.2.1", "1.2.2"))
        assert {uid: one.digest for uid, one in known if one} == self.accepted
        assert {
            (entry.sop_instance_uid, self.digest_of(entry.id)) for entry in self.index.quarantine.list()
        } == self.held_back

    @invariant()
    def study_counts_are_exact(self) -> None:
        recounted = [tuple("" if value is None else value for value in row) for row in self.read(RECOUNTED)]
        assert sorted(self.read(KEPT)) == sorted(recounted)

    @invariant()
    def series_counts_are_exact(self) -> None:
        recounted = "SELECT series, count(*) FROM instance WHERE series IS NOT NULL GROUP BY series ORDER BY 1"
        assert self.read("SELECT id, instance_count FROM series ORDER BY 1") == self.read(recounted)

    @invariant()
    def nothing_is_empty(self) -> None:
        assert not self.read("SELECT 1 FROM patient WHERE id NOT IN (SELECT patient FROM study)")

    @invariant()
    def only_accepted_ones_hang_below_a_series(self) -> None:
        assert not self.read("SELECT 1 FROM instance WHERE (state = 'accepted') <> (series IS NOT NULL)")

    @invariant()
    def content_is_held_once(self) -> None:
        held = "state IN ('accepted', 'quarantined')"
        assert not self.read(
            f"SELECT 1 FROM instance WHERE {held} GROUP BY sop_instance_uid, digest HAVING count(*) > 1"
        )

    @invariant()
    def summary_is_exact(self) -> None:
        held = self.index.summary()
        [recounted] = self.read(
            "SELECT count(*) FILTER (WHERE state = 'accepted'), count(*) FILTER (WHERE state = 'quarantined'),"
            " coalesce(sum(dataset_size_bytes) FILTER (WHERE state IN ('accepted', 'quarantined')), 0) FROM instance"
        )
        assert (held.instances, held.quarantined, held.size_bytes) == recounted


TestChanges = Changes.TestCase
TestChanges.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
