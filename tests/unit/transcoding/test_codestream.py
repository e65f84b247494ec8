"""What the first markers of a frame tell, and which frames are none."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest

from dicomnode.errors import TranscodingError
from dicomnode.transcoding.codestream import Codestream, bare_jpeg_2000, read_jpeg, read_jpeg_2000

END = b"\xff\xd9"
FILL, RESTART, COMMENT = b"\xff", b"\xff\xd0", b"\xff\xfe\0\x04hi"
JFIF = b"\xff\xe0\0\x10JFIF\0" + bytes(9)


def adobe(transform: int) -> bytes:
    return b"\xff\xee\0\x0eAdobe" + bytes(6) + bytes([transform])


def frame(marker: int = 0xC0, ids: bytes = b"\1\2\3", precision: int = 8) -> bytes:
    components = b"".join(bytes([number, 0x11, 0]) for number in ids)
    segment = bytes([precision]) + b"\0\x07\0\x09" + bytes([len(ids)]) + components
    return b"\xff" + bytes([marker]) + (2 + len(segment)).to_bytes(2, "big") + segment


def jpeg(*segments: bytes) -> bytes:
    return b"\xff\xd8" + b"".join(segments) + END


@pytest.mark.parametrize("before", [b"", FILL, RESTART, COMMENT, COMMENT + FILL + RESTART])
@pytest.mark.parametrize("marker", [0xC0, 0xC1, 0xC3, 0xF7])
def test_reads_the_frame_header_behind_what_comes_first(before, marker):
    assert read_jpeg(jpeg(before, frame(marker, precision=12))) == Codestream(
        rows=7, columns=9, components=3, precision=12, is_lossless_jpeg=marker == 0xC3
    )


@pytest.mark.parametrize(
    ("segments", "is_rgb"),
    [
        ([frame()], None),
        ([frame(ids=b"RGB")], True),
        ([JFIF, frame()], False),
        ([JFIF, frame(ids=b"RGB")], False),
        ([adobe(0), frame()], True),
        ([adobe(1), frame()], False),
        ([JFIF, adobe(0), frame()], True),
        ([adobe(0), JFIF, frame()], True),
    ],
)
def test_tells_colours_by_adobe_then_jfif_then_component_names(segments, is_rgb):
    assert read_jpeg(jpeg(*segments)).is_rgb is is_rgb


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        frame() + END,
        jpeg(),
        jpeg(b"\xff\xda\0\x02", frame()),
        jpeg(frame()[:9]),
        jpeg(b"\xff\xc0\0\x05\x08\0\x07"),
        jpeg(b"\0", frame()),
        jpeg(frame())[:-2],
        jpeg(frame()) + bytes(100),
    ],
)
def test_what_is_no_whole_jpeg_is_refused(data):
    with pytest.raises(TranscodingError):
        read_jpeg(data)


@pytest.mark.parametrize("padding", [b"", b"\0", b"\xff", bytes(20)])
def test_padding_may_follow_the_end(padding):
    assert read_jpeg(jpeg(frame()) + padding).rows == 7


@pytest.mark.parametrize(("dtype", "precision"), [("u1", 8), ("<u2", 16), ("<i2", 16)])
def test_reads_jpeg_2000_also_within_a_file(dtype, precision):
    pixels = np.zeros((7, 9), dtype)
    for container in ("j2k", "jp2"):
        data = bytes(imagecodecs.jpeg2k_encode(pixels, codecformat=container, reversible=True))
        assert read_jpeg_2000(bare_jpeg_2000(data)) == Codestream(rows=7, columns=9, components=1, precision=precision)


@pytest.mark.parametrize("data", [b"", b"\xff\x4f\xff\x51" + bytes(20), bytes(100)])
def test_what_is_no_jpeg_2000_is_refused(data):
    with pytest.raises(TranscodingError):
        read_jpeg_2000(bare_jpeg_2000(data))


@pytest.mark.parametrize("at", [45, 46, 47])  # of the second component: depth, horizontal and vertical subsampling
def test_components_that_differ_are_refused(at):
    data = bytearray(imagecodecs.jpeg2k_encode(np.zeros((7, 9, 3), np.uint8), codecformat="j2k"))
    assert read_jpeg_2000(bytes(data)).components == 3
    data[at] += 1
    with pytest.raises(TranscodingError, match="differ"):
        read_jpeg_2000(bytes(data))
