"""Who is calling: matched by AE title and address together."""

from __future__ import annotations

import pytest

from dicomnode.dicom.peer import PeerSettings, Permission, Sender
from dicomnode.scp.known_peers import KnownPeers, plain_address


def peers(**settings: tuple[str, str]) -> KnownPeers:
    return KnownPeers({name: PeerSettings(ae_title=title, host=host) for name, (title, host) in settings.items()})


def test_title_and_address_together_name_the_peer() -> None:
    known = peers(east=("CT", "192.0.2.1"), west=("CT", "192.0.2.2"))
    assert known.match("CT", "192.0.2.2").name == "west"


def test_peer_that_names_its_host_goes_before_one_that_may_be_anywhere() -> None:
    known = peers(anywhere=("CT", ""), east=("CT", "192.0.2.1"))
    assert known.match("CT", "192.0.2.1").name == "east"
    assert known.match("CT", "192.0.2.9").name == "anywhere"


def test_right_title_from_another_address_is_a_near_miss() -> None:
    match = peers(east=("CT", "192.0.2.1")).match("CT", "192.0.2.9")
    assert match.name is None
    assert "another address" in match.near_miss


def test_title_in_other_case_is_a_near_miss_and_no_match() -> None:
    match = peers(east=("CT_EAST", "")).match("ct_east", "192.0.2.1")
    assert match.name is None
    assert "case" in match.near_miss


def test_destination_is_a_peer_that_can_be_called() -> None:
    known = peers(elsewhere=("WS", ""), first=("WS", "192.0.2.1"), second=("WS", "192.0.2.2"))
    assert known.destination("WS", None).name == "first"
    assert known.destination("WS", "elsewhere").name == "first"


def test_who_names_his_own_title_as_destination_means_himself() -> None:
    known = peers(first=("WS", "192.0.2.1"), second=("WS", "192.0.2.2"))
    assert known.destination("WS", "second").name == "second"


@pytest.mark.parametrize(("title", "words"), [("ws", "case"), ("CT", "no host"), ("MR", "")])
def test_says_why_a_destination_is_unknown(title: str, words: str) -> None:
    match = peers(ws=("WS", "192.0.2.1"), ct=("CT", "")).destination(title, None)
    assert match.name is None
    assert words in match.near_miss


def test_stranger_is_no_near_miss() -> None:
    match = peers(east=("CT", "")).match("MR", "192.0.2.1")
    assert (match.name, match.near_miss) == (None, "")


def test_host_name_is_looked_up() -> None:
    assert peers(here=("CT", "localhost")).match("CT", "127.0.0.1").name == "here"


@pytest.mark.parametrize("host", ["no-such-host.invalid", "no..host"])
def test_host_name_that_cannot_be_looked_up_matches_nobody(host: str) -> None:
    assert peers(gone=("CT", host)).match("CT", "127.0.0.1").name is None


def test_mapped_address_of_the_configuration_matches_ipv4() -> None:
    assert peers(here=("CT", "::ffff:192.0.2.1")).match("CT", "192.0.2.1").name == "here"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:0:0:0:0:0:1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_plain_address(text: str, plain: str) -> None:
    assert plain_address(text) == plain


@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("192.0.2.1", {Permission.STORE}),
        ("fd00::2", {Permission.STORE}),
        ("127.0.0.1", set(Permission)),
        ("::1", set(Permission)),
    ],
)
def test_strangers_may_store_and_those_on_this_machine_everything(address: str, may: set[Permission]) -> None:
    stranger = Sender("NEW", "NODE", address)
    assert {permission for permission in Permission if peers().may(stranger, permission)} == may


def test_peer_may_what_is_said_of_it_wherever_it_is() -> None:
    known = KnownPeers({"ct": PeerSettings(ae_title="CT", may=frozenset({Permission.MPPS}))})
    sender = Sender("CT", "NODE", "127.0.0.1", "ct")
    assert [permission for permission in Permission if known.may(sender, permission)] == [Permission.MPPS]
