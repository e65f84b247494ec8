"""A file that is cut off while it is mapped: whoever looks at what is gone must not be killed by it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CUT = """
import mmap, os, sys
from dicomnode.dicom.mapped import check_readable
from dicomnode.errors import DatasetError
from dicomnode.services.current_patient import with_current_patient
from dicomnode.transcoding import transcode

LITTLE, BIG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
with open(sys.argv[1], "rb") as file:
    dataset = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))[100:]
check_readable(dataset)
os.truncate(sys.argv[1], 5000)
try:
    transcode(dataset, LITTLE, [BIG]) if sys.argv[2] == "transcode" else with_current_patient(dataset, LITTLE, {0x00100020: "P2"})
except DatasetError as error:
    print(error)
"""


@pytest.mark.parametrize("use", ["transcode", "correct"])
def test_data_set_whose_file_is_cut_off_is_an_error(tmp_path: Path, use: str) -> None:
    path = tmp_path / "file"
    value = b"x" * 100_000
    path.write_bytes(bytes(100) + b"\x08\0\x70\0UT\0\0" + len(value).to_bytes(4, "little") + value)
    done = subprocess.run([sys.executable, "-c", CUT, path, use], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "its file cannot be read to its end"), done.stderr
