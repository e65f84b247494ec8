"""Association negotiation as acceptor (PS3.8 Section 9.3, PS3.7 Annex D): pynetdicom's, but for the presentation contexts.

pynetdicom copies and compares all supported contexts for each association; here a policy decides on what was proposed, so that an
association with 128 contexts costs about as much as one with a few.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from pydicom.uid import UID
from pynetdicom import evt
from pynetdicom.acse import ACSE
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    SCP_SCU_RoleSelectionNegotiation,
    SOPClassExtendedNegotiation,
)
from pynetdicom.presentation import PresentationContext

if TYPE_CHECKING:
    from dicomnode.upper_layer.association import PulledAssociation

ACCEPTED, USER_REJECTION, ABSTRACT_SYNTAX_NOT_SUPPORTED, TRANSFER_SYNTAXES_NOT_SUPPORTED = 0, 1, 3, 4
"""Result of a presentation context (PS3.8 Table 9-18)."""
APPLICATION_CONTEXT_NAME = "1.2.840.10008.3.1.1.1"
"""The only one there is (PS3.7 Annex A.2.1)."""
_USER_IDENTITY_REFUSED = (1, 2, 1)
"""A-ASSOCIATE-RJ for an identity that was not accepted (PS3.7 Section D.3.3.7.3)."""


class Policy(Protocol):
    """Decides on presentation contexts."""

    def supports(self, abstract_syntax: str) -> bool:
        """Whether we serve this SOP Class."""

    def choose(self, abstract_syntax: str, proposed: Sequence[str], *, receives: bool) -> str | None:
        """The transfer syntax to accept, None when none will do.

        Args:
            receives: the peer wants to be SCP only: what is sent in this context comes from us.
        """

    def roles(self, abstract_syntax: str, proposed: frozenset[str]) -> tuple[bool, bool]:
        """Whether the peer may be (SCU, SCP) of this SOP Class, when these are all that it proposed."""

    def assumed_roles(self, abstract_syntax: str, proposed: frozenset[str]) -> tuple[bool, bool]:
        """What a peer is, (SCU, SCP), that says nothing of roles; (True, False) by PS3.7 Section D.3.3.4."""

    def extended(self, abstract_syntax: str, offered: bytes) -> bytes:
        """The service class application information to answer ``offered`` with; empty for no answer."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was agreed on.

    Attributes:
        accepted: presentation contexts in order of their ids.
        rejected: the others, in order too.
        roles: answers to role selection.
        extended: service class application information for each SOP Class.
    """

    accepted: Mapping[int, PresentationContext]
    rejected: Sequence[PresentationContext]
    roles: Sequence[SCP_SCU_RoleSelectionNegotiation]
    extended: Mapping[str, bytes]

    def items(self) -> Iterator[SCP_SCU_RoleSelectionNegotiation | SOPClassExtendedNegotiation]:
        """User information sub-items that say so."""
        yield from self.roles
        for sop_class_uid, information in self.extended.items():
            item = SOPClassExtendedNegotiation()
            item.sop_class_uid, item.service_class_application_information = UID(sop_class_uid), information
            yield item


class PolicyACSE(ACSE):
    """Negotiates by a policy."""

    def _negotiate_as_acceptor(self) -> None:
        association = cast("PulledAssociation", self.assoc)
        request = cast(A_ASSOCIATE, self.requestor.primitive)
        self.requestor.ae_title = request.calling_ae_title
        known = association.dul.known_request
        if known is not None:
            association._accepted_cx = dict(known.agreement.accepted)
            association._rejected_cx = list(known.agreement.rejected)
            association.extended_negotiation = known.agreement.extended
            self.acceptor.primitive, pdu = known.response()
            association.dul.send_accept(pdu)
        elif not self._negotiate(association, request):
            self.send_reject(*_USER_IDENTITY_REFUSED)
            evt.trigger(self.assoc, evt.EVT_REJECTED, {})
            self.assoc.kill()
            return
        evt.trigger(self.assoc, evt.EVT_ACCEPTED, {})
        self.assoc.is_established = True
        evt.trigger(self.assoc, evt.EVT_ESTABLISHED, {})

    def _negotiate(self, association: PulledAssociation, request: A_ASSOCIATE) -> bool:
        """Negotiate, with handlers' help, and accept; False when the user identity is refused."""
        self.acceptor.maximum_length = association.settings.maximum_pdu_bytes
        self.acceptor.implementation_version_name = self.assoc.ae.implementation_version_name
        if self.requestor.user_identity:
            is_valid, identity = self._check_user_identity()
            if not is_valid:
                return False
            if identity:
                self.acceptor.add_negotiation_item(identity)
        self.acceptor._common_ext = self._check_sop_class_common_extended()
        if self.requestor.asynchronous_operations != (1, 1) and (window := self._check_async_ops()):
            self.acceptor.add_negotiation_item(window)
        outcome = negotiate(request, association.policy)
        association._accepted_cx, association._rejected_cx = dict(outcome.accepted), list(outcome.rejected)
        association.extended_negotiation = outcome.extended
        for item in outcome.items():
            self.acceptor.add_negotiation_item(item)
        self.send_accept()
        return True


def negotiate(request: A_ASSOCIATE, policy: Policy) -> Outcome:
    """What the policy agrees to of what is proposed."""
    proposed_roles = {
        str(item.sop_class_uid): (item.scu_role, item.scp_role)
        for item in request.user_information
        if isinstance(item, SCP_SCU_RoleSelectionNegotiation)
    }
    abstract_syntaxes = frozenset(
        str(proposed.abstract_syntax) for proposed in request.presentation_context_definition_list
    )
    accepted: dict[int, PresentationContext] = {}
    rejected: list[PresentationContext] = []
    answered: dict[str, SCP_SCU_RoleSelectionNegotiation] = {}
    for proposed in request.presentation_context_definition_list:
        abstract_syntax = str(proposed.abstract_syntax)
        context = judge(proposed, policy, receives=proposed_roles.get(abstract_syntax) == (False, True))
        if context.result == ACCEPTED:
            if abstract_syntax not in proposed_roles:
                context._as_scp, context._as_scu = policy.assumed_roles(abstract_syntax, abstract_syntaxes)
            else:
                may = policy.roles(abstract_syntax, abstract_syntaxes)
                scu, scp = _agreed(proposed_roles[abstract_syntax], may)
                context._as_scp, context._as_scu = scu, scp
                if not scu and not scp:
                    context.result = USER_REJECTION  # with no role left, nothing could be done in it
                else:
                    item = SCP_SCU_RoleSelectionNegotiation()
                    item.sop_class_uid, item.scu_role, item.scp_role = UID(abstract_syntax), scu, scp
                    answered[abstract_syntax] = item
        if context.result == ACCEPTED:
            accepted[cast(int, context.context_id)] = context
        else:
            rejected.append(context)
    rejected.sort(key=lambda context: cast(int, context.context_id))
    return Outcome(
        dict(sorted(accepted.items())),
        rejected,
        [item for _, item in sorted(answered.items())],
        _extended(request, {str(context.abstract_syntax) for context in accepted.values()}, policy),
    )


def _extended(request: A_ASSOCIATE, accepted: Collection[str], policy: Policy) -> dict[str, bytes]:
    """Answers to SOP Class Extended Negotiation, only for what was accepted (PS3.7 Section D.3.3.5.2)."""
    answers = {
        str(item.sop_class_uid): policy.extended(
            str(item.sop_class_uid), item.service_class_application_information or b""
        )
        for item in request.user_information
        if isinstance(item, SOPClassExtendedNegotiation) and str(item.sop_class_uid) in accepted
    }
    return {sop_class_uid: answer for sop_class_uid, answer in answers.items() if answer}


def judge(proposed: PresentationContext, policy: Policy, *, receives: bool = False) -> PresentationContext:
    """The result for one proposed presentation context (PS3.8 Section 9.3.3.2)."""
    context = PresentationContext()
    context.context_id = proposed.context_id
    context._abstract_syntax = proposed.abstract_syntax
    transfer_syntaxes = proposed.transfer_syntax
    abstract_syntax = str(proposed.abstract_syntax)
    if not policy.supports(abstract_syntax):
        context.result = ABSTRACT_SYNTAX_NOT_SUPPORTED
        context._transfer_syntax = transfer_syntaxes[:1]
        return context
    chosen = policy.choose(abstract_syntax, [str(uid) for uid in transfer_syntaxes], receives=receives)
    context.result = TRANSFER_SYNTAXES_NOT_SUPPORTED if chosen is None else ACCEPTED
    context._transfer_syntax = (
        transfer_syntaxes[:1] if chosen is None else [u for u in transfer_syntaxes if u == chosen][:1]
    )
    return context


def _agreed(proposed: tuple[bool | None, bool | None], may: tuple[bool, bool]) -> tuple[bool, bool]:
    """Which of the peer's proposed roles hold: (SCU, SCP) (PS3.7 Section D.3.3.4)."""
    return bool(proposed[0]) and may[0], bool(proposed[1]) and may[1]
