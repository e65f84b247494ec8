"""What is compressed decodes to the same pixels, with our decoder and with pydicom's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from unit.dicom.against_pydicom import encode
from unit.transcoding.images import image, opened, parsed, stored, to

from dicomnode.dicom.scan import scan
from dicomnode.dicom.transfer_syntax import EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from dicomnode.errors import TranscodingError
from dicomnode.transcoding import can_transcode, transcode
from dicomnode.transcoding.syntaxes import (
    ENCODED,
    HTJ2K_LOSSLESS,
    JPEG_2000_LOSSLESS,
    JPEG_LS_LOSSLESS,
    RLE_LOSSLESS,
)

pytestmark = pytest.mark.filterwarnings("ignore")

ALL = sorted(ENCODED)
SHAPES = st.tuples(st.integers(1, 20), st.integers(1, 20))


def round_trip(content: bytes, wanted: str) -> bytes:
    return to(to(content, EXPLICIT_VR_LITTLE_ENDIAN, wanted), wanted, EXPLICIT_VR_LITTLE_ENDIAN)


@pytest.mark.parametrize("wanted", ALL)
@pytest.mark.parametrize(
    "name", ["MR_small.dcm", "CT_small.dcm", "examples_palette.dcm", "examples_rgb_color.dcm", "SC_rgb_small_odd.dcm"]
)
def test_pydicom_decodes_the_same_pixels(name, wanted):
    content, source = stored(name)
    out = opened(to(content, source, wanted), wanted)
    assert np.array_equal(out.pixel_array, opened(content, source).pixel_array)


@pytest.mark.parametrize("wanted", ALL)
@pytest.mark.parametrize("dtype", ["u1", "i1", "<u2", "<i2"])
@settings(max_examples=25)
@given(st.data())
def test_any_pixels_come_back_exactly(wanted, dtype, data):
    pixels = data.draw(arrays.arrays(dtype, data.draw(SHAPES)))
    content = image(pixels)
    assert opened(round_trip(content, wanted), EXPLICIT_VR_LITTLE_ENDIAN).PixelData == parsed(content).PixelData


@pytest.mark.parametrize("wanted", ALL)
@settings(max_examples=25)
@given(st.data())
def test_any_colours_come_back_exactly(wanted, data):
    pixels = data.draw(arrays.arrays("u1", (*data.draw(SHAPES), 3)))
    content = image(pixels)
    back = opened(round_trip(content, wanted), EXPLICIT_VR_LITTLE_ENDIAN)
    assert (back.PixelData, back.PhotometricInterpretation) == (parsed(content).PixelData, "RGB")


@pytest.mark.parametrize("wanted", ALL)
@pytest.mark.parametrize(("bits", "representation"), [(9, 0), (12, 0), (12, 1), (15, 1)])
def test_fewer_bits_stored_come_back_exactly(wanted, bits, representation):
    low = -(1 << bits - 1) if representation else 0
    pixels = np.arange(low, low + (1 << bits), dtype="<i2" if representation else "<u2")[: 1 << bits].reshape(16, -1)
    content = image(pixels, BitsStored=bits)
    assert opened(round_trip(content, wanted), EXPLICIT_VR_LITTLE_ENDIAN).PixelData == pixels.tobytes()
    assert np.array_equal(opened(to(content, EXPLICIT_VR_LITTLE_ENDIAN, wanted), wanted).pixel_array, pixels)


@pytest.mark.parametrize("wanted", [JPEG_LS_LOSSLESS, RLE_LOSSLESS, HTJ2K_LOSSLESS])
def test_bits_beyond_bits_stored_come_through(wanted):
    """Old scanners keep overlays there (PS3.5 Section 8.1.2)."""
    pixels = np.array([[0xF001, 0x1234], [0x0FFF, 0x8000]], "<u2")
    back = opened(round_trip(image(pixels, BitsStored=12), wanted), EXPLICIT_VR_LITTLE_ENDIAN)
    assert back.PixelData == pixels.tobytes()


def test_bits_beyond_bits_stored_are_not_lost_silently():
    content = image(np.array([[0xF001, 0x1234]], "<u2"), BitsStored=12)
    with pytest.raises(TranscodingError, match="beyond Bits Stored"):
        to(content, EXPLICIT_VR_LITTLE_ENDIAN, JPEG_2000_LOSSLESS)


@pytest.mark.parametrize("wanted", [JPEG_LS_LOSSLESS, JPEG_2000_LOSSLESS, HTJ2K_LOSSLESS])
def test_cells_of_32_bits_are_for_rle_only(wanted):
    content = image(np.array([[1, 0xFFFFFFFF]], "<u4"))
    assert opened(round_trip(content, RLE_LOSSLESS), EXPLICIT_VR_LITTLE_ENDIAN).PixelData == parsed(content).PixelData
    with pytest.raises(TranscodingError, match="32 Bits Allocated"):
        to(content, EXPLICIT_VR_LITTLE_ENDIAN, wanted)


def test_the_next_syntax_is_taken_where_one_cannot_hold_the_pixels():
    content = image(np.array([[0xF001, 0x1234]], "<u2"), BitsStored=12)
    uid, _ = transcode(memoryview(content), EXPLICIT_VR_LITTLE_ENDIAN, [JPEG_2000_LOSSLESS, RLE_LOSSLESS])
    assert uid == RLE_LOSSLESS


@pytest.mark.parametrize("wanted", ALL)
def test_colours_by_plane_come_back_side_by_side(wanted):
    pixels = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    dataset = parsed(image(pixels))
    dataset.PlanarConfiguration = 1
    dataset.PixelData = np.moveaxis(pixels, -1, 0).tobytes()
    back = opened(round_trip(encode(dataset, EXPLICIT_VR_LITTLE_ENDIAN), wanted), EXPLICIT_VR_LITTLE_ENDIAN)
    assert (back.PixelData, back.PlanarConfiguration) == (pixels.tobytes(), 0)


@pytest.mark.parametrize("wanted", ALL)
def test_frames_are_told_by_an_offset_table(wanted):
    pixels = np.random.default_rng(7).integers(0, 4000, (5, 12, 13)).astype("<u2")
    out = opened(to(image(pixels, frames=5), EXPLICIT_VR_LITTLE_ENDIAN, wanted), wanted)
    assert np.array_equal(out.pixel_array, pixels)
    from_table = _by_table(out.PixelData)
    assert len(from_table) == 5
    assert all(len(frame) % 2 == 0 for frame in from_table)


def _by_table(value: bytes) -> list[bytes]:
    """The frames, each by nothing but its offset in the Basic Offset Table."""
    count = int.from_bytes(value[4:8], "little") // 4
    offsets = np.frombuffer(value[8 : 8 + 4 * count], "<u4")
    frames = []
    for offset in offsets:
        start = 8 + 4 * count + int(offset)
        assert value[start : start + 4] == b"\xfe\xff\0\xe0"
        frames.append(value[start + 8 : start + 8 + int.from_bytes(value[start + 4 : start + 8], "little")])
    return frames


@pytest.mark.parametrize(
    ("wanted", "photometric"),
    [(JPEG_2000_LOSSLESS, "YBR_RCT"), (HTJ2K_LOSSLESS, "YBR_RCT"), (JPEG_LS_LOSSLESS, "RGB"), (RLE_LOSSLESS, "RGB")],
)
def test_attributes_say_how_colours_are_kept(wanted, photometric):
    content = image(np.zeros((4, 4, 3), np.uint8))
    out = opened(to(content, EXPLICIT_VR_LITTLE_ENDIAN, wanted), wanted)
    assert out.PhotometricInterpretation == photometric
    assert out["PixelData"].VR == "OB"
    assert out.SOPInstanceUID == "1.2.3.4"
    assert "LossyImageCompression" not in out


@pytest.mark.parametrize("wanted", ALL)
@pytest.mark.parametrize("source", [IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN])
def test_every_uncompressed_syntax_is_compressed(source, wanted):
    pixels = np.arange(64, dtype="<i2").reshape(8, 8) - 30
    content = to(image(pixels), EXPLICIT_VR_LITTLE_ENDIAN, source)
    out = to(content, source, wanted)
    assert np.array_equal(opened(out, wanted).pixel_array, pixels)
    assert scan(out, wanted).faults == ()


def test_a_compressed_image_is_compressed_otherwise():
    content, source = stored("MR_small_jpeg_ls_lossless.dcm")
    out = opened(to(content, source, RLE_LOSSLESS), RLE_LOSSLESS)
    assert np.array_equal(out.pixel_array, opened(*stored("MR_small.dcm")).pixel_array)


def test_a_lossy_picture_stays_what_its_decoder_made_of_it():
    content, source = stored("examples_ybr_color.dcm")
    uncompressed = opened(to(content, source, EXPLICIT_VR_LITTLE_ENDIAN), EXPLICIT_VR_LITTLE_ENDIAN)
    out = to(to(content, source, HTJ2K_LOSSLESS), HTJ2K_LOSSLESS, EXPLICIT_VR_LITTLE_ENDIAN)
    assert opened(out, EXPLICIT_VR_LITTLE_ENDIAN).PixelData == uncompressed.PixelData


def test_icons_stay_native():
    pixels = np.arange(16, dtype=np.uint8).reshape(4, 4)
    dataset = parsed(image(pixels))
    dataset.IconImageSequence = [parsed(image(pixels))]
    out = opened(to(encode(dataset, EXPLICIT_VR_LITTLE_ENDIAN), EXPLICIT_VR_LITTLE_ENDIAN, RLE_LOSSLESS), RLE_LOSSLESS)
    assert out.IconImageSequence[0].PixelData == pixels.tobytes()


@pytest.mark.parametrize(
    "changes",
    [
        {"Rows": 9},
        {"NumberOfFrames": "2"},
        {"BitsAllocated": 1, "BitsStored": 1},
        {"BitsAllocated": 12},
        {"BitsStored": 0, "HighBit": 0},
        {"SamplesPerPixel": 2},
        {"NumberOfFrames": "0"},
        {"Columns": None},
        {"BitsStored": 12, "HighBit": 15},
    ],
)
@pytest.mark.parametrize("wanted", ALL)
def test_pixels_that_are_not_as_announced_are_refused(changes, wanted):
    content = image(np.zeros((8, 8), "<u2"), **changes)
    with pytest.raises(TranscodingError):
        to(content, EXPLICIT_VR_LITTLE_ENDIAN, wanted)


@pytest.mark.parametrize("wanted", ALL)
def test_what_has_no_pixels_is_not_compressed(wanted):
    content, source = stored("test-SR.dcm")
    with pytest.raises(TranscodingError, match="no Pixel Data"):
        to(content, source, wanted)


def test_nothing_is_compressed_with_loss():
    for lossy in ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.91"):
        assert not can_transcode(EXPLICIT_VR_LITTLE_ENDIAN, [lossy])
