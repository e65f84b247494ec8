"""DICOM JSON that somebody wrote, in its usual form and checked (PS3.18 Annex F, PS3.5 Table 6.2-1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydicom import config as pydicom_config
from pydicom.datadict import dictionary_has_tag, dictionary_keyword, dictionary_VM
from pydicom.valuerep import validate_value

from dicomnode.dicom.query.temporal import comparable_date, comparable_time, date_interval, time_interval
from dicomnode.dicom.scanned import SPECIFIC_CHARACTER_SET
from dicomnode.dicom.value_representation import CHARACTERS, NAME_GROUPS, dictionary_vr

Json = Mapping[str, Any]
"""A data set as DICOM JSON: ``{"00100020": {"vr": "LO", "Value": ["4711"]}}``."""

_DEEPEST: Final = 8


def attribute_name(tag: int) -> str:
    """An attribute as a person knows it."""
    keyword = dictionary_keyword(tag) if dictionary_has_tag(tag) else ""
    return f"{keyword} ({tag >> 16:04X},{tag & 0xFFFF:04X})".lstrip()


def hex_name(tag: int) -> str:
    """An attribute's name in DICOM JSON."""
    return f"{tag:08X}"


def has_value(attribute: Json | None) -> bool:
    """Whether the attribute is there and not empty."""
    return any(value not in (None, {}) for value in (attribute or {}).get("Value", ()))


def normalised(attributes: object, problems: list[str], depth: int = 0) -> Iterator[tuple[str, dict[str, Any]]]:
    """The attributes that have a value, each with its dictionary's VR; what is wrong with them goes to ``problems``."""
    if not isinstance(attributes, Mapping) or depth > _DEEPEST:
        problems.append("not DICOM JSON: a data set is an object of attributes")
        return
    for name, attribute in attributes.items():
        try:
            tag = int(name, 16) if len(name) == 8 else -1  # noqa: PLR2004 - a group and an element
        except (TypeError, ValueError):
            tag = -1
        if tag < 0 or not isinstance(attribute, Mapping):
            problems.append(f"not DICOM JSON: {str(name)[:64]} is no attribute")
        elif tag & 0xFFFF and tag >> 16 >= 0x0008 and tag != SPECIFIC_CHARACTER_SET:  # noqa: PLR2004 - no file meta information
            vr = dictionary_vr(tag).decode("ascii")
            vr = vr if vr != "UN" else str(attribute.get("vr") or "UN")
            yield from _attribute(tag, vr, attribute, problems, depth)


def _attribute(
    tag: int, vr: str, attribute: Json, problems: list[str], depth: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    values = attribute.get("Value", [])
    if not isinstance(values, list):
        problems.append(f"{attribute_name(tag)} is not DICOM JSON: its Value is no array")
    elif vr == "SQ":
        items = [dict(normalised(item, problems, depth + 1)) for item in values]
        if items := [item for item in items if item]:
            yield hex_name(tag), {"vr": "SQ", "Value": items}
    elif len(values) > 1 and dictionary_has_tag(tag) and dictionary_VM(tag) == "1":
        problems.append(f"{attribute_name(tag)} has more than one value")
    elif values:
        values = [_value(vr, value) for value in values]
        if any(value is not None and not _is_valid(vr, value) for value in values):
            problems.append(f"{attribute_name(tag)} has a value that is no {vr}")
        elif any(value not in (None, {}) for value in values):
            yield hex_name(tag), {"vr": vr, "Value": values}
    elif "InlineBinary" in attribute and vr.encode() not in CHARACTERS:
        yield hex_name(tag), {"vr": vr, "InlineBinary": str(attribute["InlineBinary"])}


def _value(vr: str, value: object) -> object:
    """A value in its usual form: without padding, dates and times without the signs of their old form."""
    if vr == "PN" and isinstance(value, str):
        value = dict(zip(NAME_GROUPS, value.split("="), strict=False))
    if vr == "PN" and isinstance(value, Mapping):
        names = {group: str(value.get(group) or "").strip(" ^") for group in NAME_GROUPS}
        return {group: name for group, name in names.items() if name}
    if isinstance(value, str):
        text = value.strip(" \0")
        text = {"DA": comparable_date, "TM": comparable_time}.get(vr, str)(text)
        return text or None
    return value


def _is_valid(vr: str, value: object) -> bool:
    if vr == "PN":
        groups = value.values() if isinstance(value, dict) else [3]
        return all(isinstance(group, str) and "\\" not in group and _passes("PN", group) for group in groups)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return vr.encode() not in CHARACTERS or (vr in ("DS", "IS") and _passes(vr, str(value)))
    if not isinstance(value, str):
        return False
    if vr in ("DS", "IS"):
        return _is_number(value) and _passes(vr, value)
    return _is_text(vr, value)


def _is_text(vr: str, value: str) -> bool:
    if vr.encode() not in CHARACTERS:
        return vr == "AT"
    if vr in ("DA", "TM"):
        return _is_instant(vr, value)
    return vr in ("LT", "ST", "UT", "UR") or ("\\" not in value and _passes(vr, value))


def _is_instant(vr: str, value: str) -> bool:
    """One date or time: a key may be a range, a value may not."""
    try:
        if vr == "DA":
            return "-" not in value and len(value) == 8 and bool(date_interval(value))  # noqa: PLR2004 - YYYYMMDD
        return "-" not in value and bool(time_interval(value))
    except ValueError:
        return False


def _is_number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return True


def _passes(vr: str, value: str) -> bool:
    """Whether the VR allows the value (PS3.5 Table 6.2-1)."""
    try:
        validate_value(vr, value, pydicom_config.RAISE)
    except ValueError:
        return False
    return True
