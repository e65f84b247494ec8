"""What the node vouches for rests on what is on the disk."""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from factories import ct
from unit.services.test_storage import store

from dicomnode.dicom.commitment import CommitmentReport, CommitmentRequest, Reference
from dicomnode.dicom.peer import Sender
from dicomnode.errors import CommitmentError, IndexUnavailableError
from dicomnode.files import Files, FilesSettings
from dicomnode.index import Durability, Index, IndexSettings
from dicomnode.index.commitment import AskedCommitment
from dicomnode.qa import QaSettings, Validation
from dicomnode.scu.settings import ScuSettings
from dicomnode.services.commitment import Commitment, CommitmentSettings
from dicomnode.services.committing import Reports
from dicomnode.services.storage import ReceptionSettings, Storage

SYNTAX = "1.2.840.10008.1.2"


def test_nothing_is_vouched_for_whose_row_may_not_be_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as opened:
        files = Files(tmp_path / "files", "test", FilesSettings(free_space_floor_bytes=0), durable=False)
        opened.callback(files.close)
        receiving = Index(tmp_path, IndexSettings(), durability=Durability.FAST)  # commits, and leaves syncs to others
        vouching = Index(tmp_path, IndexSettings(), durability=Durability.FULL)
        for index in (receiving, vouching):
            opened.callback(index.close)
        receiving.prepare()
        storage = Storage(
            files=files,
            index=receiving,
            validation=Validation(QaSettings()),
            settings=ReceptionSettings(),
            time_zone=UTC,
        )
        commitment = Commitment(
            vouching, files, peers={}, scu=ScuSettings(), settings=CommitmentSettings(), worker="test"
        )
        first, second = (taken_in(storage) for _ in range(2))
        assert commitment.judge(asked(first, second)).committed == (first, second)
        third = taken_in(storage)

        def fail(descriptor: int) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        monkeypatch.setattr(os, "fdatasync", fail)
        with pytest.raises(IndexUnavailableError):
            commitment.judge(asked(first, third))


def test_report_is_taken_only_if_it_is_what_is_kept(tmp_path: Path) -> None:
    """One that comes again, its answer lost, is taken; another peer's is not, nor one that says something else."""
    index = Index(tmp_path, IndexSettings(), durability=Durability.FULL)
    index.prepare()
    first, second = Reference("1.9", "1.1"), Reference("1.9", "1.2")
    index.commitments.begin(CommitmentRequest("1.2.3", (first, second)), peer="", ae_title="PACS", our_ae_title="NODE")
    reports = Reports(index, CommitmentSettings())

    def take(*committed: Reference, ae_title: str = "PACS") -> None:
        failed = {one: 0x0110 for one in (first, second) if one not in committed}
        dataset = CommitmentReport("1.2.3", committed, failed).encoded(SYNTAX, retrieve_ae_title="PACS")
        reports.take(dataset, SYNTAX, Sender(ae_title, "NODE", "127.0.0.1"))

    take(first)
    take(first)
    with pytest.raises(CommitmentError):
        take(first, second)
    with pytest.raises(CommitmentError):
        take(first, ae_title="OTHER")
    own = index.commitments.own("1.2.3")
    assert own is not None
    assert own.failures == {"1.2": 0x0110}
    index.close()


def taken_in(storage: Storage) -> Reference:
    """An instance that was accepted just now."""
    instance = ct()
    assert store(storage, instance) == 0
    return Reference(str(instance.SOPClassUID), str(instance.SOPInstanceUID))


def asked(*references: Reference) -> AskedCommitment:
    """A request for their commitment."""
    request = CommitmentRequest("1.2.3", references)
    return AskedCommitment(1, request, Sender("CT1", "DICOMNODE", "127.0.0.1"), False, datetime.now(UTC))
