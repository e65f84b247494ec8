"""Compressed frames come out as other decoders see them, and their attributes say what they are; corrupt ones are refused."""

from __future__ import annotations

import contextlib

import imagecodecs
import jpeg_ls
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.dicom.against_pydicom import encode
from unit.transcoding.images import encapsulated, image, opened, parsed, rle, stored, to

from dicomnode.dicom.transfer_syntax import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from dicomnode.errors import TranscodingError
from dicomnode.transcoding import can_transcode, transcode
from dicomnode.transcoding.syntaxes import DECODED, JPEG_2000_LOSSLESS, JPEG_LS_LOSSLESS, RLE_LOSSLESS

pytestmark = pytest.mark.filterwarnings("ignore")

UNCOMPRESSED = [
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
]
LOSSLESS_TWINS = {
    "MR_small_RLE.dcm": "MR_small.dcm",
    "MR_small_jp2klossless.dcm": "MR_small.dcm",
    "MR_small_jpeg_ls_lossless.dcm": "MR_small.dcm",
}
BY_OTHER_DECODERS = [
    "693_J2KI.dcm", "GDCMJ2K_TextGBR.dcm", "J2K_pixelrep_mismatch.dcm", "JPEG2000.dcm", "JPEGLSNearLossless_08.dcm",
    "JPEGLSNearLossless_16.dcm", "SC_rgb_gdcm_KY.dcm", "SC_rgb_jls_lossy_line.dcm", "SC_rgb_jls_lossy_sample.dcm",
    "examples_jpeg2k.dcm", "SC_rgb_rle.dcm", "SC_rgb_rle_16bit.dcm", "SC_rgb_rle_16bit_2frame.dcm", "SC_rgb_rle_2frame.dcm",
]  # fmt: skip
"""pydicom reads these with pylibjpeg-openjpeg, pyjpegls and its own RLE decoder."""


@pytest.mark.parametrize("wanted", UNCOMPRESSED)
@pytest.mark.parametrize(("name", "twin"), LOSSLESS_TWINS.items())
def test_lossless_frames_equal_their_uncompressed_twin(name, twin, wanted):
    out = opened(to(*stored(name), wanted), wanted)
    assert np.array_equal(out.pixel_array, opened(*stored(twin)).pixel_array)


@pytest.mark.parametrize("name", BY_OTHER_DECODERS)
def test_frames_equal_what_other_decoders_make_of_them(name):
    content, source = stored(name)
    theirs, ours = (
        opened(content, source),
        opened(to(content, source, EXPLICIT_VR_LITTLE_ENDIAN), EXPLICIT_VR_LITTLE_ENDIAN),
    )
    assert np.array_equal(ours.pixel_array, theirs.pixel_array)


@pytest.mark.parametrize(
    "name", ["rtdose_rle.dcm", "rtdose_rle_1frame.dcm", "SC_rgb_rle_32bit.dcm", "SC_rgb_rle_32bit_2frame.dcm"]
)
def test_cells_of_32_bits_are_decoded(name):
    content, source = stored(name)
    ours = opened(to(content, source, IMPLICIT_VR_LITTLE_ENDIAN), IMPLICIT_VR_LITTLE_ENDIAN)
    assert np.array_equal(ours.pixel_array, opened(content, source).pixel_array)


def test_jpeg_lossless_equals_the_same_picture_in_jpeg_2000():
    ours = opened(to(*stored("SC_rgb_jpeg_gdcm.dcm"), EXPLICIT_VR_LITTLE_ENDIAN), EXPLICIT_VR_LITTLE_ENDIAN)
    assert np.array_equal(ours.pixel_array, opened(*stored("SC_rgb_gdcm_KY.dcm")).pixel_array)


@pytest.mark.parametrize(
    "name",
    ["SC_rgb_dcmtk_+eb+cr.dcm", "SC_rgb_dcmtk_+eb+cy+n1.dcm", "SC_rgb_dcmtk_+eb+cy+np.dcm", "SC_rgb_jpeg_dcmtk.dcm"],
)
def test_lossy_jpeg_comes_out_as_rgb_near_the_picture(name):
    ours = opened(to(*stored(name), EXPLICIT_VR_LITTLE_ENDIAN), EXPLICIT_VR_LITTLE_ENDIAN)
    original = opened(*stored("SC_rgb_gdcm_KY.dcm")).pixel_array.astype(int)
    assert ours.PhotometricInterpretation == "RGB"
    # away from the borders of its bars, which lossy compression blurs
    assert np.median(np.abs(ours.pixel_array.astype(int) - original)) <= 2


def test_a_codestream_that_says_how_its_colours_are_kept_is_believed():
    """Adobe's marker says YCbCr although the attribute says RGB: the decoder converts."""
    ours = opened(to(*stored("SC_rgb_jpeg_app14_dcmd.dcm"), EXPLICIT_VR_LITTLE_ENDIAN), EXPLICIT_VR_LITTLE_ENDIAN)
    twin = opened(to(*stored("SC_jpeg_no_color_transform_2.dcm"), EXPLICIT_VR_LITTLE_ENDIAN), EXPLICIT_VR_LITTLE_ENDIAN)
    assert np.array_equal(ours.pixel_array, twin.pixel_array)


def test_extended_jpeg_of_12_bits_is_decoded():
    ours = opened(to(*stored("JPGExtended.dcm"), EXPLICIT_VR_LITTLE_ENDIAN), EXPLICIT_VR_LITTLE_ENDIAN)
    pixels = ours.pixel_array
    assert (pixels.shape, pixels.dtype) == ((1024, 256), np.uint16)
    assert 255 < pixels.max() < 4096


@pytest.mark.parametrize(
    ("name", "photometric"),
    [
        ("examples_ybr_color.dcm", "RGB"),  # YBR_FULL_422, lossy JPEG
        ("examples_jpeg2k.dcm", "RGB"),  # YBR_RCT
        ("SC_rgb_jpeg_gdcm.dcm", "RGB"),
        ("SC_rgb_rle.dcm", "RGB"),
        ("JPEG2000.dcm", "MONOCHROME2"),
    ],
)
def test_attributes_say_how_the_pixels_are_now(name, photometric):
    content, source = stored(name)
    before, after = (
        opened(content, source),
        opened(to(content, source, EXPLICIT_VR_LITTLE_ENDIAN), EXPLICIT_VR_LITTLE_ENDIAN),
    )
    assert after.PhotometricInterpretation == photometric
    assert after.get("PlanarConfiguration") == (0 if photometric == "RGB" else None)
    vr = "OB" if after.BitsAllocated == 8 else "OW"
    assert vr == after["PixelData"].VR
    changed = {"PhotometricInterpretation", "PlanarConfiguration", "PixelData"}
    assert [element for element in before if element.keyword not in changed and element.tag.element] == [
        element for element in after if element.keyword not in changed
    ]


def test_every_other_byte_is_as_it_was():
    """Sequences, private elements, text in any character set: copied, not written anew."""
    content, source = stored("JPEG2000.dcm")
    out = to(content, source, EXPLICIT_VR_LITTLE_ENDIAN)
    first = content.index(b"\x08\0\x08\0CS")  # behind the group length, which is left out
    group_28 = content.index(b"\x28\0\x02\0US")
    assert content[first : first + 600] in out
    assert content[group_28 : group_28 + 60] in out


def test_a_lossy_past_is_not_forgotten():
    after = opened(to(*stored("JPGExtended.dcm"), EXPLICIT_VR_LITTLE_ENDIAN), EXPLICIT_VR_LITTLE_ENDIAN)
    before = opened(*stored("JPGExtended.dcm"))
    for keyword in (
        "LossyImageCompression",
        "LossyImageCompressionRatio",
        "LossyImageCompressionMethod",
        "SOPInstanceUID",
    ):
        assert after.get(keyword) == before.get(keyword)


def test_an_odd_number_of_bytes_is_padded():
    pixels = np.arange(9, dtype=np.uint8).reshape(3, 3)
    coded = to(image(pixels), EXPLICIT_VR_LITTLE_ENDIAN, JPEG_2000_LOSSLESS)
    out = opened(to(coded, JPEG_2000_LOSSLESS, EXPLICIT_VR_LITTLE_ENDIAN), EXPLICIT_VR_LITTLE_ENDIAN)
    assert out.PixelData == pixels.tobytes() + b"\0"


def test_jpeg_ls_by_plane_comes_out_side_by_side():
    pixels = np.zeros((40, 50, 3), np.uint8)
    pixels[..., 1], pixels[0, :, 2], pixels[:, 0, 0] = 9, 7, 5
    planes = np.moveaxis(pixels, -1, 0).tobytes()
    frame = jpeg_ls.encode_pixel_data(
        planes, rows=40, columns=50, samples_per_pixel=3, bits_stored=8, planar_configuration=1, lossy_error=0
    )
    content = encapsulated([bytes(frame)], pixels=pixels, PlanarConfiguration=1)
    out = opened(to(content, JPEG_LS_LOSSLESS, EXPLICIT_VR_LITTLE_ENDIAN), EXPLICIT_VR_LITTLE_ENDIAN)
    assert (out.PixelData, out.PlanarConfiguration) == (pixels.tobytes(), 0)


FRAMES = [bytes(range(n, n + 16)) for n in (0, 50, 100)]


def test_frames_are_found_without_a_table():
    content = encapsulated([rle(frame) for frame in FRAMES], table=False, NumberOfFrames="3")
    out = opened(to(content, RLE_LOSSLESS, EXPLICIT_VR_LITTLE_ENDIAN), EXPLICIT_VR_LITTLE_ENDIAN)
    assert out.PixelData == b"".join(FRAMES)


def test_a_frame_in_many_fragments_is_found_by_the_table():
    content = encapsulated([rle(frame) for frame in FRAMES], per_frame=3, NumberOfFrames="3")
    out = opened(to(content, RLE_LOSSLESS, EXPLICIT_VR_LITTLE_ENDIAN), EXPLICIT_VR_LITTLE_ENDIAN)
    assert out.PixelData == b"".join(FRAMES)


def test_fragments_that_no_table_divides_are_refused():
    content = encapsulated([rle(frame) for frame in FRAMES], per_frame=3, table=False, NumberOfFrames="3")
    with pytest.raises(TranscodingError, match="9 fragments do not make up 3 frames"):
        to(content, RLE_LOSSLESS, EXPLICIT_VR_LITTLE_ENDIAN)


def test_the_extended_offset_table_is_used_and_left_out():
    frames = [rle(frame) for frame in FRAMES]
    coded = encapsulated(frames, per_frame=3, table=False, NumberOfFrames="3")
    dataset = parsed(coded)
    starts = [sum(_encapsulated_size(frame) for frame in frames[:n]) for n in range(3)]
    dataset.ExtendedOffsetTable = np.array(starts, "<u8").tobytes()
    dataset.ExtendedOffsetTableLengths = np.array([len(frame) for frame in frames], "<u8").tobytes()
    content = encode(dataset, EXPLICIT_VR_LITTLE_ENDIAN)
    out = opened(to(content, RLE_LOSSLESS, EXPLICIT_VR_LITTLE_ENDIAN), EXPLICIT_VR_LITTLE_ENDIAN)
    assert out.PixelData == b"".join(FRAMES)
    assert "ExtendedOffsetTable" not in out
    assert "ExtendedOffsetTableLengths" not in out


def _encapsulated_size(frame: bytes) -> int:
    return sum(8 + len(fragment) for fragment in pydicom.encaps.itemize_frame(frame, 3)) - 8 * 3


@pytest.mark.parametrize("frames", ["2", "4"])
def test_another_number_of_frames_than_announced_is_refused(frames):
    content = encapsulated([rle(frame) for frame in FRAMES], table=False, NumberOfFrames=frames)
    with pytest.raises(TranscodingError, match="fragments"):
        to(content, RLE_LOSSLESS, EXPLICIT_VR_LITTLE_ENDIAN)


@pytest.mark.parametrize("table", [True, False])
@pytest.mark.parametrize("frames", ["1", "2", "4"])
def test_another_number_of_codestreams_than_announced_is_refused(frames, table):
    codestream = bytes(imagecodecs.jpeg2k_encode(np.arange(16, dtype=np.uint8).reshape(4, 4), codecformat="j2k"))
    content = encapsulated([codestream] * 3, table=table, NumberOfFrames=frames)
    with pytest.raises(TranscodingError, match="fragments"):
        to(content, JPEG_2000_LOSSLESS, EXPLICIT_VR_LITTLE_ENDIAN)


def test_one_frame_in_many_fragments_is_put_together():
    pixels = np.arange(16, dtype=np.uint8).reshape(4, 4)
    codestream = bytes(imagecodecs.jpeg2k_encode(pixels, codecformat="j2k", reversible=True))
    for frame, syntax in ((codestream, JPEG_2000_LOSSLESS), (rle(pixels.tobytes()), RLE_LOSSLESS)):
        out = opened(
            to(encapsulated([frame], per_frame=3), syntax, EXPLICIT_VR_LITTLE_ENDIAN), EXPLICIT_VR_LITTLE_ENDIAN
        )
        assert out.PixelData == pixels.tobytes()


@pytest.mark.parametrize(
    "change", [{"Rows": 5}, {"Columns": 3}, {"SamplesPerPixel": 3}, {"BitsAllocated": 16}, {"Rows": 0}]
)
@pytest.mark.parametrize("wanted", [RLE_LOSSLESS, JPEG_2000_LOSSLESS, JPEG_LS_LOSSLESS])
def test_frames_of_another_size_than_announced_are_refused(change, wanted):
    coded = to(image(np.arange(16, dtype=np.uint8).reshape(4, 4)), EXPLICIT_VR_LITTLE_ENDIAN, wanted)
    dataset = parsed(coded)
    for keyword, value in change.items():
        setattr(dataset, keyword, value)
    if "BitsAllocated" in change and wanted != RLE_LOSSLESS:
        return  # eight bits fit into sixteen
    with pytest.raises(TranscodingError):
        to(encode(dataset, EXPLICIT_VR_LITTLE_ENDIAN), wanted, EXPLICIT_VR_LITTLE_ENDIAN)


CUT = ["SC_rgb_jpeg_gdcm.dcm", "JPGExtended.dcm", "examples_ybr_color.dcm", "MR_small_jp2klossless.dcm",
       "MR_small_jpeg_ls_lossless.dcm", "MR_small_RLE.dcm"]  # fmt: skip


@pytest.mark.parametrize("part", [0, 0.01, 0.3, 0.9])
@pytest.mark.parametrize("name", CUT)
def test_a_frame_that_is_cut_off_is_refused(name, part):
    content, source = stored(name)
    dataset = opened(content, source)
    frames = list(
        pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=int(dataset.get("NumberOfFrames", 1)))
    )
    whole = frames[-1].rstrip(b"\0")
    frames[-1] = whole[: 6 + int(len(whole) * part)]
    dataset["PixelData"].value = pydicom.encaps.encapsulate(frames)
    dataset["PixelData"].is_undefined_length = True
    with pytest.raises(TranscodingError):
        to(encode(dataset, EXPLICIT_VR_LITTLE_ENDIAN), source, EXPLICIT_VR_LITTLE_ENDIAN)


def test_frames_of_different_colours_are_refused():
    """The attributes can tell only one Photometric Interpretation."""
    pixels = np.zeros((8, 8, 3), np.uint8)
    frames = [
        bytes(imagecodecs.jpeg8_encode(pixels)),
        bytes(imagecodecs.jpeg8_encode(pixels, lossless=True, predictor=1)),
    ]
    content = encapsulated(frames, pixels=pixels, NumberOfFrames="2", PhotometricInterpretation="YBR_FULL")
    with pytest.raises(TranscodingError, match="frame 2 is YBR_FULL, the first is RGB"):
        to(content, "1.2.840.10008.1.2.4.50", EXPLICIT_VR_LITTLE_ENDIAN)


def test_pixel_data_without_any_item_is_refused():
    content = encapsulated([rle(FRAMES[0])])
    start = content.index(b"\xe0\x7f\x10\0") + 12
    with pytest.raises(TranscodingError):
        to(content[:start] + content[-8:], RLE_LOSSLESS, EXPLICIT_VR_LITTLE_ENDIAN)


@pytest.mark.parametrize(("rows", "frames"), [(65535, "1"), (8192, "4000")])
def test_images_too_large_to_be_uncompressed_are_refused_before_they_are_decoded(rows, frames):
    content = encapsulated([rle(FRAMES[0])], Rows=rows, Columns=rows, NumberOfFrames=frames)
    with pytest.raises(TranscodingError, match="uncompressed"):
        to(content, RLE_LOSSLESS, EXPLICIT_VR_LITTLE_ENDIAN)


def test_native_pixels_under_an_encapsulated_syntax_are_refused():
    content = image(np.zeros((4, 4), np.uint8))
    with pytest.raises(TranscodingError, match="not encapsulated"):
        to(content, RLE_LOSSLESS, EXPLICIT_VR_LITTLE_ENDIAN)


def test_encapsulated_pixels_under_an_uncompressed_syntax_are_refused():
    with pytest.raises(TranscodingError, match="encapsulated"):
        to(encapsulated([rle(FRAMES[0])]), EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)


def test_a_data_set_without_pixels_needs_no_decoder():
    dataset = pydicom.Dataset()
    dataset.PatientID = "P1"
    content = encode(dataset, EXPLICIT_VR_LITTLE_ENDIAN)
    assert to(content, JPEG_2000_LOSSLESS, EXPLICIT_VR_LITTLE_ENDIAN) == content


def test_compressed_and_native_icons_both_come_out_native():
    icon = parsed(encapsulated([rle(FRAMES[1])]))
    plain = parsed(image(np.arange(16, dtype=np.uint8).reshape(4, 4)))
    dataset = parsed(encapsulated([rle(FRAMES[0])]))
    dataset.IconImageSequence = [icon, plain]
    out = opened(
        to(encode(dataset, EXPLICIT_VR_LITTLE_ENDIAN), RLE_LOSSLESS, IMPLICIT_VR_LITTLE_ENDIAN),
        IMPLICIT_VR_LITTLE_ENDIAN,
    )
    assert [item.PixelData for item in out.IconImageSequence] == [FRAMES[1], bytes(range(16))]
    assert out.PixelData == FRAMES[0]


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(TranscodingError, match=r"^imagecodecs is not installed"):
        to(*stored("MR_small_RLE.dcm"), EXPLICIT_VR_LITTLE_ENDIAN)


@pytest.mark.parametrize("source", sorted(DECODED))
def test_every_decoded_syntax_is_told(source):
    assert can_transcode(source, [EXPLICIT_VR_LITTLE_ENDIAN])


SMALL = {
    uid: to(image(np.arange(64, dtype=np.uint8).reshape(8, 8)), EXPLICIT_VR_LITTLE_ENDIAN, uid)
    for uid in (RLE_LOSSLESS, JPEG_2000_LOSSLESS, JPEG_LS_LOSSLESS, "1.2.840.10008.1.2.4.201")
} | {"1.2.840.10008.1.2.4.50": stored("SC_rgb_small_odd_jpeg.dcm")[0]}


@settings(max_examples=300)
@given(st.sampled_from(sorted(SMALL)), st.data())
def test_no_spoilt_bytes_make_it_fail_otherwise_than_it_says(uid, data):
    spoilt = bytearray(SMALL[uid])
    for _ in range(data.draw(st.integers(1, 4))):
        spoilt[data.draw(st.integers(0, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(TranscodingError):
        transcode(memoryview(spoilt), uid, [EXPLICIT_VR_LITTLE_ENDIAN])
