"""The DICOM Upper Layer (PS3.8), in pull mode: one thread an association, which reads a PDU when it needs one.

Built on pynetdicom's state machine, PDUs, ACSE and service classes; what moves bytes is ours. Read `Acceptor`, then `association`,
then `messages` for the hot path; `requestor` for associations that we ask for. `operations` says what is asked of those above.
"""

from pynetdicom import _config

from dicomnode.upper_layer.acceptor import Acceptor
from dicomnode.upper_layer.associating import associate
from dicomnode.upper_layer.requestor import Deadlines
from dicomnode.upper_layer.settings import UpperLayerSettings
from dicomnode.upper_layer.tls import TlsSettings, client_context, server_context

__all__ = [
    "Acceptor",
    "Deadlines",
    "TlsSettings",
    "UpperLayerSettings",
    "associate",
    "client_context",
    "server_context",
]

_config.LOG_HANDLER_LEVEL = "none"
_config.LOG_REQUEST_IDENTIFIERS = _config.LOG_RESPONSE_IDENTIFIERS = False
"""pynetdicom's own logging would put patients into the log."""
