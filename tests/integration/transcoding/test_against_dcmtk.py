"""DCMTK's codecs and ours understand each other, and come to the same pixels and elements."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from unit.dicom.against_pydicom import real_file
from unit.transcoding.images import image, stored, to

from dicomnode.dicom.part10 import file_meta, read_file_meta
from dicomnode.dicom.transfer_syntax import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from dicomnode.transcoding.syntaxes import ENCODED, JPEG_LS_LOSSLESS, RLE_LOSSLESS

pytestmark = pytest.mark.filterwarnings("ignore")

DCMTK = Path("/usr/bin")
DECODERS = {"dcmcjpeg": "dcmdjpeg", "dcmcjpls": "dcmdjpls", "dcmcrle": "dcmdrle"}
CONVERSIONS = {
    IMPLICIT_VR_LITTLE_ENDIAN: "+ti",
    EXPLICIT_VR_LITTLE_ENDIAN: "+te",
    EXPLICIT_VR_BIG_ENDIAN: "+tb",
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN: "+td",
}

_random = np.random.default_rng(20261124)


def _smooth(shape: tuple[int, ...], low: int, high: int, dtype: str):
    """Pixels that lossy codecs keep nearly, and lossless ones compress."""
    steps = np.cumsum(_random.integers(-9, 10, shape), axis=-1 if len(shape) == 2 else 1) + (low + high) // 2
    return np.clip(steps, low, high).astype(dtype)


PICTURES = {
    "gray 8": image(_smooth((61, 50), 0, 255, "u1")),
    "gray 12": image(_smooth((64, 50), 0, 4095, "<u2"), BitsStored=12),
    "gray 16": image(_smooth((64, 50), 0, 65535, "<u2")),
    "signed 16": image(_smooth((64, 50), -3000, 3000, "<i2")),
    "colour": image(_smooth((40, 31, 3), 0, 255, "u1")),
    "colour 3 x 3": image(_random.integers(0, 256, (3, 3, 3)).astype("u1")),
    "frames": image(_smooth((64, 50), 0, 4095, "<u2").reshape(4, 16, 50), frames=4, BitsStored=12),
}
ENCODINGS = [
    *(("dcmcjpeg", option, name) for option in ("+el", "+e1") for name in PICTURES),
    *(("dcmcjpeg", option, name) for option in ("+eb", "+ee") for name in ("gray 8", "colour")),
    *(("dcmcjpeg", option, "colour") for option in ("+eb +cr", "+eb +s2", "+eb +n1")),
    ("dcmcjpeg", "+ee", "gray 12"),
    *(("dcmcjpls", option, name) for option in ("+el +is", "+el +il", "+el +in") for name in PICTURES),
    *(("dcmcjpls", "+en", name) for name in PICTURES if name != "signed 16"),  # which DCMTK does not encode
    *(("dcmcrle", "", name) for name in PICTURES),
]


def run(tool: str, *arguments: str | Path) -> str:
    path = DCMTK / tool
    assert path.exists(), "DCMTK is missing: apt-get install dcmtk"
    done = subprocess.run([path, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


def written(content: bytes, syntax: str, path: Path) -> Path:
    path.write_bytes(file_meta("1.2.840.10008.5.1.4.1.1.7", "1.2.3.4", syntax, "") + content)
    return path


def data_set(path: Path) -> tuple[bytes, str]:
    content = path.read_bytes()
    meta = read_file_meta(content)
    return content[meta.dataset_offset :], meta.transfer_syntax_uid


@pytest.mark.parametrize(("encoder", "options", "name"), ENCODINGS)
def test_decodes_what_dcmtk_encodes_as_dcmtk_does(encoder, options, name, tmp_path):
    coded, decoded = tmp_path / "coded.dcm", tmp_path / "decoded.dcm"
    source = written(PICTURES[name], EXPLICIT_VR_LITTLE_ENDIAN, tmp_path / "source.dcm")
    run(encoder, *options.split(), "+un" if encoder == "dcmcjpeg" else "+ua", source, coded)
    run(DECODERS[encoder], coded, decoded)
    ours = pydicom.dcmread(
        written(to(*data_set(coded), EXPLICIT_VR_LITTLE_ENDIAN), EXPLICIT_VR_LITTLE_ENDIAN, tmp_path / "ours.dcm")
    )
    theirs = pydicom.dcmread(decoded)
    assert np.array_equal(ours.pixel_array, theirs.pixel_array)
    assert ours.PhotometricInterpretation == theirs.PhotometricInterpretation


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize(("wanted", "decoder"), [(JPEG_LS_LOSSLESS, "dcmdjpls"), (RLE_LOSSLESS, "dcmdrle")])
def test_dcmtk_decodes_what_is_encoded_here(wanted, decoder, name, tmp_path):
    coded = written(to(PICTURES[name], EXPLICIT_VR_LITTLE_ENDIAN, wanted), wanted, tmp_path / "coded.dcm")
    source = written(PICTURES[name], EXPLICIT_VR_LITTLE_ENDIAN, tmp_path / "source.dcm")
    run(decoder, coded, tmp_path / "decoded.dcm")
    theirs = pydicom.dcmread(tmp_path / "decoded.dcm")
    assert np.array_equal(theirs.pixel_array, pydicom.dcmread(source).pixel_array)


@pytest.mark.parametrize("wanted", sorted(ENCODED))
def test_dcmtk_finds_no_fault_in_what_is_encoded_here(wanted, tmp_path):
    for name, content in PICTURES.items():
        coded = written(to(content, EXPLICIT_VR_LITTLE_ENDIAN, wanted), wanted, tmp_path / f"{name}.dcm")
        assert run("dcmdump", coded) == ""


@pytest.mark.parametrize("wanted", CONVERSIONS)
@pytest.mark.parametrize(
    "name",
    [
        "CT_small.dcm",
        "liver_1frame.dcm",
        "reportsi.dcm",
        "rtplan.dcm",
        "examples_palette.dcm",
        "MR_small_bigendian.dcm",
        "image_dfl.dcm",
    ],
)
def test_elements_are_written_as_dcmtk_writes_them(name, wanted, tmp_path):
    content, source = stored(name)
    if source == wanted:
        return
    run("dcmconv", CONVERSIONS[wanted], real_file(name), tmp_path / "theirs.dcm")
    ours = pydicom.dcmread(written(to(content, source, wanted), wanted, tmp_path / "ours.dcm"))
    theirs = pydicom.dcmread(tmp_path / "theirs.dcm")
    for dataset in (ours, theirs):
        dataset.walk(_take_what_dcmtk_writes_anew)
    assert pydicom.Dataset(ours) == pydicom.Dataset(theirs)
    assert run("dcmdump", tmp_path / "ours.dcm") == run("dcmdump", tmp_path / "theirs.dcm")


def _take_what_dcmtk_writes_anew(dataset: pydicom.Dataset, element: pydicom.DataElement) -> None:
    if element.tag.element == 0 or element.tag == 0xFFFCFFFC:
        del dataset[element.tag]
