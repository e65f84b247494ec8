"""The names of pynetdicom that the upper layer leans on: a release that moves one fails here, and not in a hospital."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE
from pynetdicom.acse import ACSE
from pynetdicom.association import Association, ServiceUser
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import DIMSEMessage
from pynetdicom.dul import _PDU_TYPES, DULServiceProvider
from pynetdicom.fsm import TRANSITION_TABLE, StateMachine
from pynetdicom.pdu import A_ABORT_RQ, A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.presentation import PresentationContext

import dicomnode.upper_layer

METHODS = [
    (ACSE, "_negotiate_as_acceptor", ["self"]),
    (ACSE, "_check_user_identity", ["self"]),
    (ACSE, "_check_sop_class_common_extended", ["self"]),
    (ACSE, "_check_async_ops", ["self"]),
    (ACSE, "send_abort", ["self", "source"]),
    (ACSE, "send_accept", ["self"]),
    (ACSE, "send_reject", ["self", "result", "source", "diagnostic"]),
    (ACSE, "send_release", ["self", "is_response"]),
    (ACSE, "is_release_requested", ["self"]),
    (ACSE, "is_aborted", ["self", "abort_type"]),
    (Association, "run_reactor", ["self"]),
    (Association, "request", ["self"]),
    (Association, "kill", ["self"]),
    (Association, "_abort_blocking", ["self", "block"]),
    (Association, "_serve_request", ["self", "msg", "context_id"]),
    (Association, "bind", ["self", "event", "handler", "args"]),
    (DULServiceProvider, "start", ["self"]),
    (DULServiceProvider, "kill_dul", ["self"]),
    (DULServiceProvider, "stop_dul", ["self"]),
    (DULServiceProvider, "idle_timer_expired", ["self"]),
    (DULServiceProvider, "receive_pdu", ["self", "wait", "timeout"]),
    (DULServiceProvider, "send_pdu", ["self", "primitive"]),
    (DULServiceProvider, "_process_recv_primitive", ["self"]),
    (DULServiceProvider, "_decode_pdu", ["self", "bytestream"]),
    (DIMSEServiceProvider, "get_msg", ["self", "block"]),
    (DIMSEServiceProvider, "receive_primitive", ["self", "primitive"]),
    (DIMSEMessage, "decode_msg", ["self", "primitive", "assoc"]),
    (DIMSEMessage, "message_to_primitive", ["self"]),
    (StateMachine, "do_action", ["self", "event"]),
    (StateMachine, "transition", ["self", "state"]),
    (ServiceUser, "add_negotiation_item", ["self", "item"]),
    (A_ASSOCIATE_AC, "from_primitive", ["self", "primitive"]),
    (A_ASSOCIATE_RQ, "to_primitive", ["self"]),
    (A_ABORT_RQ, "encode", ["self"]),
]
ATTRIBUTES = {
    "": [
        "_accepted_cx",
        "_rejected_cx",
        "_kill",
        "_is_paused",
        "_sent_abort",
        "_sent_release",
        "_dul_ready",
        "acse",
        "dul",
        "dimse",
    ],
    "dul": ["_recv_pdu", "_kill_thread", "_assoc", "event_queue", "to_user_queue", "state_machine", "socket"],
    "dimse": ["message", "msg_queue", "_assoc"],
    "acceptor": ["_common_ext", "primitive", "address_info", "maximum_length", "implementation_version_name"],
    "requestor": ["primitive", "ae_title", "user_identity", "asynchronous_operations", "address_info"],
}
OF_A_CONTEXT = ["_abstract_syntax", "_transfer_syntax", "_as_scu", "_as_scp"]
ASKED_OF_A_SOCKET = ["_shutdown_socket"]


@pytest.mark.parametrize(("owner", "name", "parameters"), METHODS)
def test_method_is_where_it_was(owner: type, name: str, parameters: list[str]) -> None:
    assert list(inspect.signature(getattr(owner, name)).parameters) == parameters


@pytest.mark.parametrize("part", ATTRIBUTES)
def test_attribute_is_where_it_was(part: str) -> None:
    association: Any = Association(AE("NODE"), "acceptor")
    owner = getattr(association, part) if part else association
    assert [name for name in ATTRIBUTES[part] if not hasattr(owner, name)] == []


def test_presentation_context_keeps_its_parts_in_the_same_places() -> None:
    context = PresentationContext()
    assert [name for name in OF_A_CONTEXT if not hasattr(context, name)] == []
    context._abstract_syntax, context._transfer_syntax = "1.2.840.10008.1.1", ["1.2.840.10008.1.2"]
    context._as_scu, context._as_scp = False, True
    assert (context.abstract_syntax, context.transfer_syntax) == ("1.2.840.10008.1.1", ["1.2.840.10008.1.2"])
    assert (context.as_scu, context.as_scp) == (False, True)


def test_pdu_types_are_known_by_their_first_byte() -> None:
    assert set(_PDU_TYPES) == {bytes([kind]) for kind in range(1, 8)}
    assert _PDU_TYPES[b"\x01"] == (A_ASSOCIATE_RQ, "Evt6")


def test_state_machine_goes_the_ways_that_are_taken_past_it() -> None:
    assert TRANSITION_TABLE[("Evt5", "Sta1")] == "AE-5"
    assert TRANSITION_TABLE[("Evt6", "Sta2")] == "AE-6"
    assert TRANSITION_TABLE[("Evt7", "Sta3")] == "AE-7"


def test_service_is_told_that_nobody_else_reads_while_it_runs() -> None:
    assert "self._is_paused = True" in inspect.getsource(Association._serve_request)


def test_private_names_in_use_are_all_held_here() -> None:
    held = {name for _, name, _ in METHODS} | {name for names in ATTRIBUTES.values() for name in names}
    held |= {*OF_A_CONTEXT, *ASKED_OF_A_SOCKET}
    assert private_names_of_others() <= held


def private_names_of_others() -> set[str]:
    """Every ``x._name`` in the upper layer whose name no class of ours defines."""
    used: set[str] = set()
    own: set[str] = set()
    for path in Path(dicomnode.upper_layer.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                own.add(node.name)
            if not isinstance(node, ast.Attribute) or not node.attr.startswith("_") or node.attr.startswith("__"):
                continue
            used.add(node.attr)
            on_self = isinstance(node.value, ast.Name) and node.value.id == "self"
            if on_self and isinstance(node.ctx, ast.Store):
                own.add(node.attr)
    return used - own
