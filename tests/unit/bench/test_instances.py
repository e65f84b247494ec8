"""What the benchmark sends is valid, and new each time."""

from io import BytesIO
from itertools import islice

import pytest
from pydicom import dcmread

from bench import instances
from bench.instances import Form, identities


@pytest.mark.parametrize(
    ("template", "size_kb"),
    [(instances.ct(), 530), (instances.mr(), 137), (instances.tiny(), 8)],
    ids=["CT", "MR", "tiny"],
)
def test_instance_has_the_stated_size_and_a_full_header(template: instances.Template, size_kb: int) -> None:
    dataset = dcmread(BytesIO(template.part10()))

    assert round(template.size_bytes / 1000) == size_kb
    assert 115 <= len(dataset) <= 140
    assert len(dataset.PixelData) == dataset.Rows * dataset.Columns * dataset.BitsAllocated // 8


def test_multiframe_holds_its_frames() -> None:
    dataset = dcmread(BytesIO(instances.multiframe_21mb().part10()))

    assert len(dataset.PixelData) == dataset.Rows * dataset.Columns * int(dataset.NumberOfFrames)


def test_form_gives_each_instance_its_own_identity() -> None:
    form = Form(instances.tiny().part10())
    given = list(islice(identities(instances_per_series=2), 5))

    read = [dcmread(BytesIO(bytes(form.fill_in(identity)))) for identity in given]

    assert [dataset.SOPInstanceUID for dataset in read] == [identity.sop_instance_uid for identity in given]
    assert all(dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID for dataset in read)
    assert len({dataset.SOPInstanceUID for dataset in read}) == 5
    assert [int(dataset.InstanceNumber) for dataset in read] == [1, 2, 1, 2, 1]
    assert len({dataset.SeriesInstanceUID for dataset in read}) == 3
    assert len({dataset.StudyInstanceUID for dataset in read}) == 2
    assert len({dataset.PatientID for dataset in read}) == 1


def test_two_runs_share_no_identity() -> None:
    first, second = (
        {value for identity in islice(identities(10), 30) for value in identity.values()[:4]} for _ in range(2)
    )

    assert not first & second


def test_form_refuses_bytes_without_a_place_for_the_identity() -> None:
    with pytest.raises(ValueError, match="not in these bytes"):
        Form(b"nothing here")


@pytest.mark.parametrize("length", [16376, 131066])
def test_pieces_make_up_the_data_set(length: int) -> None:
    template = instances.ct()

    pieces = list(template.pieces(length))

    assert all(len(piece) == length for piece in pieces[:-1])
    assert sum(map(len, pieces)) == template.size_bytes
    assert template.part10().endswith(b"".join(pieces))


def test_pieces_of_a_small_data_set_are_one() -> None:
    template = instances.tiny()

    assert [len(piece) for piece in template.pieces(131066)] == [template.size_bytes]
