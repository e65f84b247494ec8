"""Part 10 files: written whole or not at all, read, removed.

A data set comes into a `Reception`, is judged, and is kept: written in ``incoming`` under a name of its own, synced, linked
into its study's folder under a name that was never there, and only then indexed. The incoming name goes when the row is committed
(`Kept.settle`), so ``incoming`` lists all unfinished work and `recover` looks nowhere else.
"""

from __future__ import annotations

from dicomnode.files.in_place import FileInPlace, KeptInPlace, is_in_place, told
from dicomnode.files.kept import Kept
from dicomnode.files.reception import MemoryShare, Reception
from dicomnode.files.recovery import RecoveryReport, recover
from dicomnode.files.reserve import spare_room
from dicomnode.files.settings import FilesSettings
from dicomnode.files.store import DIGEST_ALGORITHM, Files, StoredDataset, remove_files

__all__ = [
    "DIGEST_ALGORITHM",
    "FileInPlace",
    "Files",
    "FilesSettings",
    "Kept",
    "KeptInPlace",
    "MemoryShare",
    "Reception",
    "RecoveryReport",
    "StoredDataset",
    "is_in_place",
    "recover",
    "remove_files",
    "spare_room",
    "told",
]
