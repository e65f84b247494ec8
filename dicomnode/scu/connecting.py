"""Associations that this package asks a configured peer for."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import Any

from pynetdicom import AE
from pynetdicom.presentation import PresentationContext

from dicomnode.dicom.peer import PeerSettings
from dicomnode.errors import PeerError
from dicomnode.upper_layer import Deadlines, UpperLayerSettings, associate
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
    if not peer.host:
        raise PeerError(f"no host is configured for {peer.ae_title}, so it cannot be called")
    return associate(
        AE(calling_ae_title),
        (peer.host, peer.port),
        called_ae_title=peer.ae_title,
        contexts=contexts,
        settings=UpperLayerSettings(),
        deadlines=Deadlines(timeout_s, timeout_s, timeout_s),
        tls=ssl.create_default_context() if peer.tls else None,
        extended_negotiation=extended_negotiation,
    )
