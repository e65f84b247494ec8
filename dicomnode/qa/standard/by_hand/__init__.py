"""What the sources have as words only or not at all, read in PS3.3 and written down as data; ``generate`` adds it to the tables.

Conditions of modules stand in the module table of their IOD (PS3.3 Annex A), functional groups in the table beside it, all else in
the section that is named. ``generate`` refuses what a source has learned since, and what fits nothing: then it is to be taken out
here.
"""

from dicomnode.qa.standard.by_hand.frames import FRAME_CONDITIONS
from dicomnode.qa.standard.by_hand.groups import GROUP_CONDITIONS, GROUPS, MISREAD, OWN_GROUP_CONDITIONS, SAME_GROUPS
from dicomnode.qa.standard.by_hand.modules import (
    ATTRIBUTES,
    MODULES,
    WITHOUT_A_PLANE,
    attributes,
    each_frame_has_its_own,
)
from dicomnode.qa.standard.by_hand.values import VALUES

__all__ = [
    "ATTRIBUTES",
    "FRAME_CONDITIONS",
    "GROUPS",
    "GROUP_CONDITIONS",
    "MISREAD",
    "MODULES",
    "OWN_GROUP_CONDITIONS",
    "SAME_GROUPS",
    "VALUES",
    "WITHOUT_A_PLANE",
    "attributes",
    "each_frame_has_its_own",
]
