"""What is agreed on is what pynetdicom would have agreed on, whether it was remembered or not."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from pydicom.uid import UID
from pynetdicom import AE
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_items import SOPClassExtendedNegotiationSubItem
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    AsynchronousOperationsWindowNegotiation,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
    SOPClassExtendedNegotiation,
)
from pynetdicom.presentation import PresentationContext, negotiate_as_acceptor

from dicomnode.upper_layer.agreements import Agreements, check_items
from dicomnode.upper_layer.faults import Violation
from dicomnode.upper_layer.negotiation import judge, negotiate

IMPLICIT, EXPLICIT, JPEG, DEFLATED = (
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.1.99",
)
CLASSES = [f"1.2.840.10008.5.1.4.1.1.{number}" for number in range(1, 12)]

Roles = dict[str, tuple[bool, bool]]


class TableOfSupported:
    """The policy that pynetdicom has built in: for each SOP Class its transfer syntaxes, in our order, and roles."""

    def __init__(self, table: dict[str, tuple[list[str], tuple[bool, bool]]]) -> None:
        self.table = table

    def supports(self, abstract_syntax: str) -> bool:
        return abstract_syntax in self.table

    def choose(self, abstract_syntax: str, proposed: Sequence[str], *, receives: bool) -> str | None:
        return next((uid for uid in self.table[abstract_syntax][0] if uid in proposed), None)

    def roles(self, abstract_syntax: str, proposed: frozenset[str]) -> tuple[bool, bool]:
        return self.table[abstract_syntax][1]

    def assumed_roles(self, abstract_syntax: str, proposed: frozenset[str]) -> tuple[bool, bool]:
        return True, False

    def extended(self, abstract_syntax: str, offered: bytes) -> bytes:
        return offered[:1]

    def contexts(self) -> list[PresentationContext]:
        """The same for pynetdicom."""
        contexts = []
        for uid, (transfer_syntaxes, roles) in self.table.items():
            context = PresentationContext()
            context.abstract_syntax, context.transfer_syntax = UID(uid), transfer_syntaxes
            context.scu_role, context.scp_role = roles
            contexts.append(context)
        return contexts


def random_policy(dice: random.Random) -> TableOfSupported:
    return TableOfSupported(
        {
            uid: (
                dice.sample([IMPLICIT, EXPLICIT, JPEG, DEFLATED], dice.randint(1, 4)),
                (dice.random() < 0.7, dice.random() < 0.7),
            )
            for uid in dice.sample(CLASSES, dice.randint(1, 9))
        }
    )


def random_request(dice: random.Random) -> A_ASSOCIATE:
    """A proposal: contexts in any order of ids, SOP Classes more than once, roles for some."""
    ids = dice.sample(range(1, 256, 2), dice.randint(1, 20))
    proposals = [
        (number, dice.choice(CLASSES), dice.sample([IMPLICIT, EXPLICIT, JPEG, DEFLATED], dice.randint(1, 4)))
        for number in ids
    ]
    roles = {uid: dice.choice([(True, False), (False, True), (True, True)]) for uid in CLASSES if dice.random() < 0.4}
    return request(proposals, roles)


def request(proposals: Sequence[tuple[int, str, Sequence[str]]], roles: Roles | None = None) -> A_ASSOCIATE:
    """An A-ASSOCIATE request primitive."""
    primitive = A_ASSOCIATE()
    primitive.application_context_name = "1.2.840.10008.3.1.1.1"
    primitive.calling_ae_title, primitive.called_ae_title = "SCANNER", "NODE"
    contexts = []
    for number, abstract_syntax, transfer_syntaxes in proposals:
        context = PresentationContext()
        context.context_id, context.abstract_syntax = number, UID(abstract_syntax)
        context.transfer_syntax = list(transfer_syntaxes)
        contexts.append(context)
    primitive.presentation_context_definition_list = contexts
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received, implementation.implementation_class_uid = 16384, UID("1.2.3")
    items = [length, implementation]
    for uid, (scu, scp) in (roles or {}).items():
        item = SCP_SCU_RoleSelectionNegotiation()
        item.sop_class_uid, item.scu_role, item.scp_role = UID(uid), scu, scp
        items.append(item)
    primitive.user_information = items
    return primitive


def body(primitive: A_ASSOCIATE) -> bytes:
    """The body of the A-ASSOCIATE-RQ."""
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(primitive)
    return pdu.encode()[6:]


def facts(context: PresentationContext) -> tuple[object, ...]:
    return context.context_id, context.result, tuple(context.transfer_syntax), context.as_scu, context.as_scp


@pytest.mark.parametrize("seed", range(200))
def test_outcome_is_the_one_of_pynetdicom(seed: int) -> None:
    dice = random.Random(seed)
    policy, asked = random_policy(dice), random_request(dice)
    roles = {
        item.sop_class_uid: (item.scu_role, item.scp_role)
        for item in asked.user_information
        if isinstance(item, SCP_SCU_RoleSelectionNegotiation)
    }
    theirs, their_roles = negotiate_as_acceptor(
        asked.presentation_context_definition_list,
        policy.contexts(),
        roles,  # type: ignore[arg-type]
    )
    ours = negotiate(asked, policy)
    assert [facts(context) for context in ours.accepted.values()] == [facts(c) for c in theirs if c.result == 0]
    assert [facts(context)[:2] for context in ours.rejected] == [facts(c)[:2] for c in theirs if c.result != 0]
    assert [(item.sop_class_uid, item.scu_role, item.scp_role) for item in ours.roles] == [
        (item.sop_class_uid, item.scu_role, item.scp_role) for item in their_roles
    ]


@pytest.mark.parametrize("seed", range(50))
def test_remembered_answer_is_the_negotiated_one(seed: int) -> None:
    dice = random.Random(seed)
    policy, asked = random_policy(dice), random_request(dice)
    known = Agreements(AE("NODE"), policy, 131072).request(memoryview(body(asked)))
    assert known is not None
    answer = A_ASSOCIATE_AC()
    answer.decode(known.response()[1])
    agreed = negotiate(asked, policy)
    assert [(item.context_id, item.result) for item in answer.presentation_context] == [
        (context.context_id, context.result) for context in (*agreed.accepted.values(), *agreed.rejected)
    ]
    for item in answer.presentation_context:
        if item.result == 0:
            assert item.transfer_syntax == agreed.accepted[item.context_id].transfer_syntax[0]
    assert answer.user_information is not None
    assert answer.user_information.maximum_length == 131072
    assert [
        (uid, bool(item.scu_role), bool(item.scp_role)) for uid, item in answer.user_information.role_selection.items()
    ] == [(item.sop_class_uid, item.scu_role, item.scp_role) for item in agreed.roles]


@pytest.fixture
def agreements() -> Agreements:
    return Agreements(AE("NODE"), TableOfSupported({CLASSES[0]: ([EXPLICIT, IMPLICIT], (True, False))}), 131072)


def test_titles_are_given_back_as_they_came(agreements: Agreements) -> None:
    asked = body(request([(1, CLASSES[0], [EXPLICIT])]))
    for titles in (
        b"NODE".ljust(16) + b"CT1".ljust(16),
        b"  NODE".ljust(16) + b" CT 2".ljust(16),
        b"NODE".ljust(16, b"\0") + b"CT1 ".ljust(16, b"\0"),
    ):
        known = agreements.request(memoryview(asked[:4] + titles + asked[36:]))
        assert known is not None
        primitive, pdu = known.response()
        assert pdu[10:42] == titles
        assert (primitive.called_ae_title, primitive.calling_ae_title) == ("NODE", titles[16:].decode().strip(" \0"))
        assert known.to_primitive().calling_ae_title == titles[16:].decode().strip(" \0")


def test_proposals_do_not_mix(agreements: Agreements) -> None:
    first = agreements.request(memoryview(body(request([(1, CLASSES[0], [EXPLICIT])]))))
    second = agreements.request(memoryview(body(request([(3, CLASSES[1], [EXPLICIT])]))))
    again = agreements.request(memoryview(body(request([(1, CLASSES[0], [EXPLICIT])]))))
    assert first is not None
    assert second is not None
    assert again is not None
    assert (list(first.agreement.accepted), list(second.agreement.accepted)) == ([1], [])
    assert again.agreement is first.agreement


def test_what_handlers_decide_on_is_negotiated_each_time(agreements: Agreements) -> None:
    asked = request([(1, CLASSES[0], [EXPLICIT])])
    item = AsynchronousOperationsWindowNegotiation()
    item.maximum_number_operations_invoked = item.maximum_number_operations_performed = 5
    asked.user_information = [*asked.user_information, item]
    assert agreements.request(memoryview(body(asked))) is None


def test_extended_negotiation_is_answered_for_what_was_accepted_only(agreements: Agreements) -> None:
    asked = request([(1, CLASSES[0], [EXPLICIT]), (3, CLASSES[1], [EXPLICIT])])
    for uid in CLASSES[:2]:
        item = SOPClassExtendedNegotiation()
        item.sop_class_uid, item.service_class_application_information = UID(uid), b"\x01\x01"
        asked.user_information = [*asked.user_information, item]
    known = agreements.request(memoryview(body(asked)))
    assert known is not None
    assert known.agreement.extended == {CLASSES[0]: b"\x01"}
    answer = A_ASSOCIATE_AC()
    answer.decode(known.response()[1])
    assert answer.user_information is not None
    items = [item for item in answer.user_information.user_data if isinstance(item, SOPClassExtendedNegotiationSubItem)]
    assert [(item.uid, item.app_info) for item in items] == [(CLASSES[0], b"\x01")]


@pytest.mark.parametrize("titles", [b" " * 32, bytes(32), b"NODE".ljust(16) + b" " * 16, b"\xff" * 32])
def test_title_that_is_none_is_refused(agreements: Agreements, titles: bytes) -> None:
    asked = body(request([(1, CLASSES[0], [EXPLICIT])]))
    with pytest.raises(ValueError, match=r"title|AE|decode"):
        agreements.request(memoryview(asked[:4] + titles + asked[36:]))


def test_request_that_is_cut_anywhere_is_a_violation() -> None:
    items = body(request([(1, CLASSES[0], [EXPLICIT, IMPLICIT]), (3, CLASSES[1], [EXPLICIT])]))[68:]
    for length in range(len(items)):
        with pytest.raises(Violation):
            check_items(items[:length])
    check_items(items)


@pytest.mark.parametrize("change", [lambda items: items + items, lambda items: items[25:]])
def test_request_with_two_or_no_application_contexts_is_a_violation(change: object) -> None:
    items = body(request([(1, CLASSES[0], [EXPLICIT])]))[68:]
    with pytest.raises(Violation):
        check_items(change(items))  # type: ignore[operator]


def test_context_that_is_not_supported_names_one_transfer_syntax() -> None:
    proposed = PresentationContext()
    proposed.context_id, proposed.abstract_syntax, proposed.transfer_syntax = 1, UID(CLASSES[1]), [JPEG, EXPLICIT]
    context = judge(proposed, TableOfSupported({CLASSES[0]: ([EXPLICIT], (True, True))}))
    assert (context.result, context.transfer_syntax) == (3, [JPEG])
