"""What is written comes back, from memory and from a file."""

from __future__ import annotations

import mmap
import tempfile
import tracemalloc

import numpy as np
import pytest
from unit.transcoding.images import image, to

from dicomnode.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from dicomnode.errors import TranscodingError
from dicomnode.transcoding import transcode
from dicomnode.transcoding.output import Output
from dicomnode.transcoding.syntaxes import RLE_LOSSLESS


@pytest.mark.parametrize("spill_bytes", [0, 5, 9, 10, 100])
def test_gives_back_what_was_written_and_patched(spill_bytes):
    with Output(spill_bytes) as out:
        out.write(b"01234")
        out.patch(1, b"ab")
        out.write(memoryview(b"56789"))
        out.patch(4, b"cdef")
        assert out.size_bytes == 10
        view = out.view()
    assert bytes(view) == b"0ab3cdef89"
    assert isinstance(view.obj, mmap.mmap) == (spill_bytes < 10)


def test_a_large_data_set_lies_in_a_file_without_a_name(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(Output.__init__, "__defaults__", (1000,))
    pixels = np.arange(4096, dtype="<u2").reshape(4, 32, 32)
    content = image(pixels, frames=4)
    coded = to(content, EXPLICIT_VR_LITTLE_ENDIAN, RLE_LOSSLESS)
    _, out = transcode(memoryview(coded), RLE_LOSSLESS, [IMPLICIT_VR_LITTLE_ENDIAN])
    assert isinstance(out.obj, mmap.mmap)
    assert list(tmp_path.iterdir()) == []
    assert bytes(out).endswith(pixels.tobytes())


def test_no_room_for_the_file_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    monkeypatch.setattr(Output.__init__, "__defaults__", (100,))
    with pytest.raises(TranscodingError, match=r"^there is no room"):
        to(image(np.zeros((32, 32), "<u2")), EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)


@pytest.mark.parametrize(
    ("source", "wanted"), [(RLE_LOSSLESS, EXPLICIT_VR_LITTLE_ENDIAN), (EXPLICIT_VR_LITTLE_ENDIAN, RLE_LOSSLESS)]
)
def test_a_multiframe_image_takes_the_memory_of_a_few_frames(source, wanted, monkeypatch):
    monkeypatch.setattr(Output.__init__, "__defaults__", (100_000,))
    frame = np.random.default_rng(3).integers(0, 4000, (256, 256)).astype("<u2")
    content = image(np.stack([frame] * 60), frames=60)
    if source != EXPLICIT_VR_LITTLE_ENDIAN:
        content = to(content, EXPLICIT_VR_LITTLE_ENDIAN, source)
    transcode(memoryview(content), source, [wanted])  # what is loaded once does not count
    tracemalloc.start()
    transcode(memoryview(content), source, [wanted])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * frame.nbytes
