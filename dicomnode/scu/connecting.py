"""Associations that this package asks a configured peer for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pynetdicom.presentation import PresentationContext

from dicomnode.dicom.peer import PeerSettings
from dicomnode.scu.association import open_association
from dicomnode.scu.settings import ScuSettings
from dicomnode.upper_layer.requestor import RequestedAssociation


def connect(
    peer: PeerSettings,
    contexts: Sequence[PresentationContext],
    calling_ae_title: str,
    timeout_s: float,
    *,
    extended_negotiation: Sequence[Any] = (),
) -> RequestedAssociation:
    """An association with ``peer``; each step of it may take ``timeout_s``.

    Raises:
        PeerError: the peer cannot be reached, or does not want us.
    """
    return open_association(
        peer,
        calling_ae_title=calling_ae_title,
        contexts=contexts,
        settings=ScuSettings.of(timeout_s),
        extended_negotiation=extended_negotiation,
    )
