"""The one place where an association with a configured peer is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pynetdicom import AE

from dicomnode.dicom.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicomnode.dicom.peer import PeerSettings
from dicomnode.errors import ConfigurationError, PeerError
from dicomnode.scu.settings import ScuSettings
from dicomnode.upper_layer import Deadlines, UpperLayerSettings, associate
from dicomnode.upper_layer.tls import client_context

if TYPE_CHECKING:
    import ssl

    from pynetdicom.events import EventHandlerType
    from pynetdicom.presentation import PresentationContext

    from dicomnode.upper_layer.operations import Storage
    from dicomnode.upper_layer.requestor import Reports, RequestedAssociation


def open_association(
    peer: PeerSettings,
    *,
    calling_ae_title: str,
    contexts: Sequence[PresentationContext],
    settings: ScuSettings,
    extended_negotiation: Sequence[Any] = (),
    evt_handlers: Sequence[EventHandlerType] = (),
    storage: Storage | None = None,
    reports: Reports | None = None,
) -> RequestedAssociation:
    """An established association with ``peer``, by TLS if it speaks that; its caller releases or aborts it.

    Args:
        contexts: at most 128, proposed in this order.
        extended_negotiation: user information items beside the usual ones (PS3.7 Annex D.3.3).
        storage: where instances go that the peer sends over it, in a C-GET.
        reports: answers the N-EVENT-REPORTs that the peer sends over it.

    Raises:
        NoContextError: it takes none of the contexts.
        PeerError: it cannot be reached, does not want us, or takes too long; or a file that TLS needs cannot be used.
    """
    if not peer.host:
        raise PeerError(f"no host is configured for {peer.ae_title}, so it cannot be called")
    entity = AE(calling_ae_title)
    entity.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    entity.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    return associate(
        entity,
        (peer.host, peer.port),
        called_ae_title=peer.ae_title,
        contexts=contexts,
        settings=UpperLayerSettings(
            send_timeout_s=settings.send_timeout_s,
            pdu_timeout_s=settings.answer_timeout_s,
        ),
        deadlines=Deadlines(settings.connect_timeout_s, settings.association_timeout_s, settings.answer_timeout_s),
        tls=_tls(peer),
        extended_negotiation=extended_negotiation,
        evt_handlers=evt_handlers,
        storage=storage,
        reports=reports,
    )


def _tls(peer: PeerSettings) -> ssl.SSLContext | None:
    """Made anew each time: certificates are renewed while the node runs."""
    if not peer.is_called_by_tls:
        return None
    try:
        return client_context(peer.outgoing_tls)
    except ConfigurationError as error:
        raise PeerError(f"no TLS with {peer.ae_title}: {error}") from error
