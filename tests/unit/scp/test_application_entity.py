"""Who is let in, and what a refusal says (PS3.8 Table 9-21)."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from dicomnode.dicom.peer import PeerSettings
from dicomnode.limits import LimitSettings, NodeTable
from dicomnode.scp.application_entity import Admitted, ApplicationEntity, UnknownPeers
from dicomnode.scp.known_peers import KnownPeers
from dicomnode.scp.query import QuerySCP
from dicomnode.scp.retrieve import RetrieveSCP
from dicomnode.scp.storage import StorageSCP
from dicomnode.scp.worklist import WorklistSCP
from dicomnode.upper_layer.operations import AssociationRequest, Ending, Rejection


def entity(
    peers: Mapping[str, PeerSettings] | None = None,
    *,
    unknown_peers: UnknownPeers = UnknownPeers.REJECT,
    **limits: int,
) -> ApplicationEntity:
    known = KnownPeers(peers or {})
    return ApplicationEntity(
        ae_titles=("DICOMNODE", "OLDPACS"),
        unknown_peers=unknown_peers,
        peers=known,
        place=NodeTable.create(1).place(0),
        limits=LimitSettings(**limits),
        storage=StorageSCP(None, known),  # type: ignore[arg-type]  # nothing is stored here
        query=QuerySCP(None, known),  # type: ignore[arg-type]  # nor looked for
        retrieve=RetrieveSCP(None, known),  # type: ignore[arg-type]  # nor sent
        worklist=WorklistSCP(None, known),  # type: ignore[arg-type]  # nor scheduled
        normalized={},
    )


def asks(calling: str = "CT1", called: str = "DICOMNODE", *, is_tls: bool = False) -> AssociationRequest:
    return AssociationRequest(calling, called, "192.0.2.1", is_tls)


CT1 = {"ct1": PeerSettings(ae_title="CT1", host="192.0.2.1")}


def test_known_peer_is_let_in_under_its_name() -> None:
    admitted = entity(CT1).admit(asks())
    assert isinstance(admitted, Admitted)
    assert admitted.sender.peer == "ct1"


def test_every_title_of_ours_is_answered_to() -> None:
    assert isinstance(entity(CT1).admit(asks(called="OLDPACS")), Admitted)


@pytest.mark.parametrize(
    ("request_", "rejection", "word"),
    [
        (asks(called="OTHER"), (1, 1, 7), "OTHER"),
        (asks(called="dicomnode"), (1, 1, 7), "case"),
        (asks(calling="CT2"), (1, 1, 3), "no such peer"),
        (asks(calling="ct1"), (1, 1, 3), "case"),
    ],
)
def test_rejection_says_who_was_not_recognized_and_why(
    request_: AssociationRequest, rejection: tuple[int, int, int], word: str
) -> None:
    refused = entity(CT1).admit(request_)
    assert isinstance(refused, Rejection)
    assert (refused.result, refused.source, refused.reason) == rejection
    assert word in refused.why


def test_unknown_caller_is_let_in_when_the_site_says_so() -> None:
    admitted = entity(unknown_peers=UnknownPeers.ACCEPT).admit(asks(calling="NEW"))
    assert isinstance(admitted, Admitted)
    assert admitted.sender.peer is None


def test_peer_that_has_to_use_tls_is_not_let_in_without() -> None:
    secure = entity({"ct1": PeerSettings(ae_title="CT1", host="192.0.2.1", tls=True)})
    assert isinstance(secure.admit(asks()), Rejection)
    assert isinstance(secure.admit(asks(is_tls=True)), Admitted)


@pytest.mark.parametrize("limit", ["associations", "associations_per_peer", "associations_per_host"])
def test_limit_rejects_transiently_until_an_association_ends(limit: str) -> None:
    limited = entity(CT1, **{limit: 1})
    first = limited.admit(asks())
    assert isinstance(first, Admitted)
    refused = limited.admit(asks())
    assert isinstance(refused, Rejection)
    assert (refused.result, refused.source, refused.reason) == (2, 3, 2)
    assert limit in refused.why
    first.end(Ending.RELEASED, "")
    assert isinstance(limited.admit(asks()), Admitted)
