"""C-FIND as SCP, whatever it asks for (PS3.7 Section 9.1.2): a Pending response for each match, a final one, a line in the log.

Who may ask, and what matches, is for the service's own module to say: `query`, `worklist`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from dicomnode.dicom import status as statuses
from dicomnode.dicom.peer import Sender
from dicomnode.errors import DicomNodeError, IdentifierError, TooManyMatchesError
from dicomnode.scp import status
from dicomnode.services.query import Matches
from dicomnode.upper_layer.faults import Gone
from dicomnode.upper_layer.operations import Exchange, FinalAnswer

log = structlog.get_logger()


@dataclass(slots=True)
class Account:
    """What the log says of a query, told once at its end.

    Attributes:
        answered: the event of one that got its final response.
        abandoned: the event of one whose peer was lost.
        details: of this service; what is not known yet when the query ends stays as it began.
    """

    answered: str
    abandoned: str
    sender: Sender
    details: dict[str, object]
    matches: int = 0
    _began: float = field(default_factory=time.monotonic)

    def write(self, write: Callable[..., None], event: str, **outcome: str) -> None:
        """One line."""
        write(
            event,
            calling_ae_title=self.sender.calling_ae_title,
            peer=self.sender.peer,
            **self.details,
            matches=self.matches,
            duration_ms=round((time.monotonic() - self._began) * 1000, 1),
            **outcome,
        )


def respond(look: Callable[[], Matches | FinalAnswer], exchange: Exchange, account: Account) -> FinalAnswer:
    """Send the matches that ``look`` finds; the final response, maybe all that it has, is left to the caller.

    Raises:
        Gone: the peer was lost.
    """
    try:
        found = look()
        final = found if isinstance(found, FinalAnswer) else _send(found, exchange, account)
    except Gone as gone:
        account.write(log.info, account.abandoned, reason=str(gone))
        raise
    except DicomNodeError as error:
        final = status.query_answer(error)
        write = log.warning if isinstance(error, IdentifierError | TooManyMatchesError) else log.error
        account.write(write, account.answered, status=f"{final.status:04X}", reason=str(error))
    else:
        write = log.warning if final.status == statuses.NOT_AUTHORIZED else log.info
        account.write(write, account.answered, status=f"{final.status:04X}")
    return final


def _send(found: Matches, exchange: Exchange, account: Account) -> FinalAnswer:
    for page in found.pages:
        if exchange.is_cancelled():
            return FinalAnswer(statuses.CANCEL)
        exchange.matches(page, status=found.status)
        account.matches += len(page)
    return FinalAnswer(statuses.SUCCESS)
