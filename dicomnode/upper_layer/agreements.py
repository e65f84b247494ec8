"""What was agreed on is remembered: a scanner opens association after association with the same proposal.

A proposal's items alone decide on what is
agreed (PS3.8 Section 9.3.2), so the outcome is kept under their bytes, with the answer encoded; only the AE titles are put in
anew. A proposal that asks for more (user identity, asynchronous operations) is never kept: handlers decide on those, each time.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import PresentationContext

from dicomnode.upper_layer import proposals
from dicomnode.upper_layer.faults import INVALID_PARAMETER, Violation
from dicomnode.upper_layer.negotiation import APPLICATION_CONTEXT_NAME, negotiate

if TYPE_CHECKING:
    from pynetdicom import AE

    from dicomnode.upper_layer.negotiation import Policy

FIXED_BYTES: Final = 68
"""Of the body of an A-ASSOCIATE-RQ or -AC, before its items: protocol version, AE titles, reserved bytes (PS3.8 Table 9-11)."""
_TITLES: Final = slice(4, 36)
_PDU_HEADER_BYTES: Final = 6

_PLAIN: Final = frozenset((0x51, 0x52, 0x54, 0x55, 0x56))
"""Maximum length, implementation class, role selection, implementation version, SOP Class extended negotiation: what nobody but
the policy decides on."""

_REMEMBERED: Final = 32
_MAX_REMEMBERED_BYTES: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class Agreement:
    """The outcome for one proposal; shared by associations, so nobody changes it."""

    request: A_ASSOCIATE
    response: A_ASSOCIATE
    response_pdu: bytes
    accepted: Mapping[int, PresentationContext]
    rejected: tuple[PresentationContext, ...]
    extended: Mapping[str, bytes]


class KnownRequest(A_ASSOCIATE_RQ):
    """An A-ASSOCIATE-RQ whose proposal was made before."""

    def __init__(self, agreement: Agreement, fixed: bytes) -> None:
        super().__init__()
        self.protocol_version = version(fixed)
        self.called_ae_title, self.calling_ae_title = titles(fixed)
        self.agreement = agreement
        self._titles = fixed[_TITLES]

    def to_primitive(self) -> A_ASSOCIATE:
        """The request, with these titles."""
        return self._titled(self.agreement.request)

    def response(self) -> tuple[A_ASSOCIATE, bytes]:
        """The answer and its PDU, which gives the titles back as they came (PS3.8 Table 9-17)."""
        pdu = self.agreement.response_pdu
        return self._titled(self.agreement.response), pdu[:10] + self._titles + pdu[42:]

    def _titled(self, primitive: A_ASSOCIATE) -> A_ASSOCIATE:
        titled = copy.copy(primitive)
        titled.called_ae_title, titled.calling_ae_title = self.called_ae_title, self.calling_ae_title
        return titled


class Agreements:
    """The agreements of one listener."""

    def __init__(self, ae: AE, policy: Policy, maximum_pdu_bytes: int) -> None:
        self._ae = ae
        self._policy = policy
        self._maximum_pdu_bytes = maximum_pdu_bytes
        self._remembered = lru_cache(maxsize=_REMEMBERED)(self._agree)

    def request(self, body: memoryview) -> KnownRequest | None:
        """The A-ASSOCIATE-RQ in ``body`` with what is agreed on; None when it has to be negotiated.

        Raises:
            Violation: it is malformed.
        """
        fixed, items = bytes(body[:FIXED_BYTES]), bytes(body[FIXED_BYTES:])
        if len(items) > _MAX_REMEMBERED_BYTES:
            return None
        agreement = self._remembered(items)
        return None if agreement is None else KnownRequest(agreement, fixed)

    def _agree(self, items: bytes) -> Agreement | None:
        items = proposals.recognized(items)
        if not check_items(items) <= _PLAIN:
            return None
        contexts, others = proposals.split(items)
        pdu = A_ASSOCIATE_RQ()
        head = b"\0\x01\0\0" + b"X".ljust(16) * 2 + bytes(32)
        pdu.decode(b"\x01\0" + (FIXED_BYTES + len(others)).to_bytes(4) + head + others)
        request = pdu.to_primitive()
        request.presentation_context_definition_list.extend(contexts)
        if request.application_context_name != APPLICATION_CONTEXT_NAME:
            return None
        outcome = negotiate(request, self._policy)
        response = A_ASSOCIATE()
        response.application_context_name = UID(APPLICATION_CONTEXT_NAME)
        response.calling_ae_title, response.called_ae_title = request.calling_ae_title, request.called_ae_title
        response.result, response.result_source = 0, 1
        response.user_information = [*self._user_information(), *outcome.items()]
        answer = A_ASSOCIATE_AC()
        answer.from_primitive(response)
        results = [*outcome.accepted.values(), *outcome.rejected]
        response.presentation_context_definition_results_list.extend(results)
        response_pdu = _with_results(answer.encode(), proposals.results(results))
        return Agreement(request, response, response_pdu, outcome.accepted, tuple(outcome.rejected), outcome.extended)

    def _user_information(
        self,
    ) -> Iterator[
        MaximumLengthNotification | ImplementationClassUIDNotification | ImplementationVersionNameNotification
    ]:
        """What every acceptor says of itself (PS3.7 Section D.3.3.1, D.3.3.2)."""
        length = MaximumLengthNotification()
        length.maximum_length_received = self._maximum_pdu_bytes
        yield length
        implementation = ImplementationClassUIDNotification()
        implementation.implementation_class_uid = self._ae.implementation_class_uid
        yield implementation
        if self._ae.implementation_version_name:
            version = ImplementationVersionNameNotification()
            version.implementation_version_name = self._ae.implementation_version_name
            yield version


def titles(fixed: bytes) -> tuple[bytes, bytes]:
    """The called and the calling AE title, padded with spaces (PS3.8 Table 9-11): some peers pad theirs with NUL."""
    return fixed[4:20].rstrip(b"\0 ").ljust(16), fixed[20:36].rstrip(b"\0 ").ljust(16)


def version(fixed: bytes) -> int:
    """The protocol version of an A-ASSOCIATE-RQ; the bits of later versions say that the peer speaks those too.

    Only bit 0 is to be tested (PS3.8 Table 9-11).
    """
    said = int.from_bytes(fixed[:2])
    return 1 if said & 1 else said


def check_items(items: bytes) -> frozenset[int]:
    """The kinds of the user information's sub-items, when the items of an A-ASSOCIATE-RQ are whole.

    pynetdicom's decoder takes what is cut off for what it looks like.

    Raises:
        Violation: one is cut off, or a mandatory one is missing or there twice (PS3.8 Section 9.3.2).
    """
    kinds: list[int] = []
    user: list[int] = []
    for kind, item in proposals.items(items):
        kinds.append(kind)
        if kind == proposals.PRESENTATION_CONTEXT:
            for _ in proposals.items(item[4:]):
                pass
        elif kind == proposals.USER_INFORMATION:
            user = [kind for kind, _ in proposals.items(item)]
    if kinds.count(proposals.APPLICATION_CONTEXT) != 1 or kinds.count(proposals.USER_INFORMATION) != 1:
        raise Violation("A-ASSOCIATE-RQ lacks an item", INVALID_PARAMETER)
    return frozenset(user)


def _with_results(answer: bytes, results: bytes) -> bytes:
    """An A-ASSOCIATE-AC without presentation contexts, with them behind its first item, the application context."""
    place = _PDU_HEADER_BYTES + FIXED_BYTES + proposals.ITEM_HEADER_BYTES + len(APPLICATION_CONTEXT_NAME)
    length = len(answer) - _PDU_HEADER_BYTES + len(results)
    return answer[:2] + length.to_bytes(4) + answer[_PDU_HEADER_BYTES:place] + results + answer[place:]
