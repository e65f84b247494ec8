"""Conditions written down by hand stand in the tables, and each fits something."""

from __future__ import annotations

from pydicom.uid import XRayAngiographicImageStorage

from dicomnode.qa.standard import Condition, by_hand, tables


def plain(condition: Condition | None) -> object:
    return [plain(part) if isinstance(part, list | tuple) else part for part in condition or ()]


def test_conditions_of_modules_are_in_the_tables() -> None:
    document = tables()._document
    uids = {iod: uid for uid, iod in document["sop_classes"].items()}
    for (name, module), condition in by_hand.MODULES.items():
        iod = tables().iod(uids[name])
        assert iod is not None
        (found,) = [one for one in iod.modules if one.name == module]
        assert (found.usage, plain(found.condition)) == ("C", plain(condition))


def test_conditions_of_attributes_are_in_the_tables() -> None:
    iod = tables().iod(XRayAngiographicImageStorage)
    assert iod is not None
    (motion,) = [one for module in iod.modules for one in module.node.attributes if one.tag == 0x00181500]
    assert (motion.type, plain(motion.condition)) == ("2C", plain(by_hand.ATTRIBUTES["C.8.7.5", 0x00181500]))


def test_functional_groups_are_in_the_tables() -> None:
    document = tables()._document
    uids = {iod: uid for uid, iod in document["sop_classes"].items()}
    for name, groups in by_hand.GROUPS.items():
        iod = tables().iod(uids[name])
        assert iod is not None
        told = {group.section for group in groups if group.usage == "C"} & by_hand.GROUP_CONDITIONS.keys()
        required = {group.section for group in groups if group.usage == "M" or group.condition} | told
        assert {macro.section for macro in iod.macros if macro.is_required} == required


def test_all_iods_with_functional_groups_have_their_table() -> None:
    document = tables()._document
    sectioned = {name for name, iod in document["iods"].items() if "C.7.6.16" in str(iod["modules"])}
    lacking = {name for name in sectioned if not document["iods"][name]["macros"]}
    assert lacking == {"enhanced-continuous-rt-image"}


def test_sop_classes_without_a_plane_are_known() -> None:
    iods = dict(tables()._document["sop_classes"])
    ((_, (*_, [_, _, _, named])),) = [
        item for item in by_hand.attributes(iods).items() if item[0] == ("C.7.6.1", 0x00200020)
    ]
    assert {iods[uid] for uid in named} == set(by_hand.WITHOUT_A_PLANE)
