"""What a C-GET of ours proposes."""

from __future__ import annotations

import pytest
from pydicom.uid import (
    CTImageStorage,
    EnhancedSRStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    MRImageStorage,
    RTStructureSetStorage,
    generate_uid,
)

from dicomnode.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from dicomnode.scu.receiving_contexts import USUAL_SOP_CLASSES, receiving_contexts, roles


def proposed(classes: list[str], room: int = 127) -> dict[str, list[list[str]]]:
    by_class: dict[str, list[list[str]]] = {}
    for context in receiving_contexts(classes, room):
        by_class.setdefault(str(context.abstract_syntax), []).append([str(uid) for uid in context.transfer_syntax])
    return by_class


def test_few_classes_get_a_context_for_each_transfer_syntax() -> None:
    syntaxes = proposed([CTImageStorage, MRImageStorage])[CTImageStorage]
    assert syntaxes[0] == [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN]
    assert all(len(alone) == 1 for alone in syntaxes[1:])
    assert {JPEGLosslessSV1, JPEG2000Lossless} <= {alone[0] for alone in syntaxes[1:]}


@pytest.mark.parametrize("count", [1, 4, 5, 20, 63, 64, 126, 127, 300])
def test_never_more_contexts_than_there_is_room_and_no_syntax_left_out(count: int) -> None:
    classes = [generate_uid() for _ in range(count)]
    everything = {uid for syntaxes in proposed([CTImageStorage]).values() for syntax in syntaxes for uid in syntax}
    by_class = proposed(list(classes))
    assert sum(len(syntaxes) for syntaxes in by_class.values()) <= 127
    assert len(by_class) == min(count, 127)
    for syntaxes in by_class.values():
        flat = [uid for syntax in syntaxes for uid in syntax]
        assert set(flat) == everything
        assert syntaxes[0][:2] == [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN]


def test_what_holds_no_pixels_leaves_its_room_to_images() -> None:
    images = [CTImageStorage, MRImageStorage]
    others = [EnhancedSRStorage, RTStructureSetStorage, GrayscaleSoftcopyPresentationStateStorage] * 2
    by_class = proposed([*images, *others])
    assert [by_class[uid] for uid in images] == [proposed(images)[uid] for uid in images]
    assert all(len(by_class[uid]) == 1 for uid in others)


def test_usual_classes_fit_into_one_association() -> None:
    assert len(proposed(list(USUAL_SOP_CLASSES))) == len(USUAL_SOP_CLASSES)


def test_roles_say_that_we_take_instances_and_send_none() -> None:
    (role,) = roles([CTImageStorage, CTImageStorage])
    assert (role.sop_class_uid, role.scp_role, bool(role.scu_role)) == (CTImageStorage, True, False)
