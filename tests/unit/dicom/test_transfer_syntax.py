from __future__ import annotations

import pytest
from pydicom.uid import UID, AllTransferSyntaxes

from dicomnode.dicom.transfer_syntax import standard_transfer_syntaxes, transfer_syntax

# UID, implicit VR, big endian, deflated, encapsulated (PS3.5 Annex A)
FACTS = [
    ("1.2.840.10008.1.2", True, False, False, False),
    ("1.2.840.10008.1.2.1", False, False, False, False),
    ("1.2.840.10008.1.2.1.98", False, False, False, True),
    ("1.2.840.10008.1.2.1.99", False, False, True, False),
    ("1.2.840.10008.1.2.2", False, True, False, False),
    ("1.2.840.10008.1.2.4.50", False, False, False, True),
    ("1.2.840.10008.1.2.4.94", False, False, False, False),
    ("1.2.840.10008.1.2.4.95", False, False, True, False),
    ("1.2.840.10008.1.2.4.100.1", False, False, False, True),
    ("1.2.840.10008.1.2.4.110", False, False, False, True),
    ("1.2.840.10008.1.2.4.202", False, False, False, True),
    ("1.2.840.10008.1.2.4.204", False, False, False, False),
    ("1.2.840.10008.1.2.4.205", False, False, True, False),
    ("1.2.840.10008.1.2.5", False, False, False, True),
    ("1.2.840.10008.1.2.6.2", False, False, False, None),
    ("1.2.840.10008.1.2.7.1", False, False, False, False),
    ("1.2.840.10008.1.2.8.1", False, False, False, True),
    ("1.2.840.113619.5.2", True, False, False, False),
]


@pytest.mark.parametrize(("uid", "implicit_vr", "big_endian", "deflated", "encapsulated"), FACTS)
def test_says_how_a_transfer_syntax_encodes(uid, implicit_vr, big_endian, deflated, encapsulated):
    syntax = transfer_syntax(uid)
    assert (syntax.implicit_vr, syntax.big_endian, syntax.deflated, syntax.encapsulated) == (
        implicit_vr,
        big_endian,
        deflated,
        encapsulated,
    )


@pytest.mark.parametrize("uid", ["1.2.3.4", "", "not a uid", "1.2.840.10008.1.1"])
def test_takes_an_unknown_one_for_explicit_little_endian(uid):
    syntax = transfer_syntax(uid)
    assert (syntax.implicit_vr, syntax.big_endian, syntax.deflated, syntax.encapsulated) == (False, False, False, None)
    assert syntax.name == ""


def test_names_every_transfer_syntax_of_the_standard_once():
    syntaxes = standard_transfer_syntaxes()
    assert all(syntax.name for syntax in syntaxes)
    assert len({syntax.uid for syntax in syntaxes}) == len(syntaxes)
    assert set(AllTransferSyntaxes) <= {syntax.uid for syntax in syntaxes}


@pytest.mark.parametrize("uid", AllTransferSyntaxes)
def test_agrees_with_pydicom_on_vr_and_byte_order(uid):
    syntax = transfer_syntax(uid)
    assert syntax.implicit_vr == UID(uid).is_implicit_VR
    assert syntax.big_endian == (not UID(uid).is_little_endian)
    assert syntax.name == UID(uid).name
