"""Who asks whom: what queries and retrieval have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from pydicom.uid import UID
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation
from pynetdicom.presentation import PresentationContext

from dicomnode.dicom.peer import PeerSettings
from dicomnode.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from dicomnode.scu.association import open_association
from dicomnode.scu.settings import ScuSettings
from dicomnode.upper_layer.operations import Storage
from dicomnode.upper_layer.requestor import Reports, RequestedAssociation

UNCOMPRESSED: Final = [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN]
"""In which Identifiers are written; the latter has to be among them (PS3.5 Section 10.1)."""
RELATIONAL: Final = b"\1"
"""Service class application information (PS3.4 Sections C.5.1.1, C.5.2.1, C.5.3.1)."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom to ask, as whom, and how long to wait.

    Attributes:
        is_cancelled: asked again and again; once it says so the peer is asked to stop (C-CANCEL).
    """

    peer: PeerSettings
    calling_ae_title: str
    settings: ScuSettings
    is_cancelled: Callable[[], bool] = lambda: False

    @contextmanager
    def association(
        self,
        contexts: Sequence[PresentationContext],
        *,
        extended_negotiation: Sequence[Any] = (),
        storage: Storage | None = None,
        reports: Reports | None = None,
    ) -> Iterator[RequestedAssociation]:
        """An association for the block; it is released after it, or aborted when the block is left in the middle of an answer.

        Raises:
            NoContextError: the peer takes none of the contexts.
            PeerError: it cannot be reached, or does not want us.
        """
        association = open_association(
            self.peer,
            calling_ae_title=self.calling_ae_title,
            contexts=contexts,
            settings=self.settings,
            extended_negotiation=extended_negotiation,
            storage=storage,
            reports=reports,
        )
        try:
            yield association
        except BaseException:
            if association.is_established:
                association.give_up()
            raise
        if association.is_established:
            association.release()


def accepted_context(association: RequestedAssociation, sop_class_uid: str) -> PresentationContext | None:
    """The presentation context that the peer accepted for this SOP Class; None when there is none."""
    for context in association.accepted_contexts:
        if context.abstract_syntax == sop_class_uid:
            return context
    return None


def relational(sop_class_uid: str) -> SOPClassExtendedNegotiation:
    """The wish for relational queries or retrieval, to propose."""
    item = SOPClassExtendedNegotiation()
    item.sop_class_uid = UID(sop_class_uid)
    item.service_class_application_information = RELATIONAL
    return item
