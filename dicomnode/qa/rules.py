"""All rules that come with dicomnode. A module that brings more of them adds its own here, and to the tables in docs/qa.md."""

from __future__ import annotations

from typing import Final

from dicomnode.qa.consistency import CONSISTENCY
from dicomnode.qa.core import CORE
from dicomnode.qa.elements import ELEMENTS
from dicomnode.qa.images import IMAGES
from dicomnode.qa.iod import IOD
from dicomnode.qa.knowledge import KNOWN
from dicomnode.qa.value_rules import VALUES

RULES: Final = (*CORE, *IMAGES, *ELEMENTS, *CONSISTENCY, *IOD, *VALUES, *KNOWN)
