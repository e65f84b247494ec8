"""Where the node listens, and what it says when it cannot."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dicomnode.errors import ConfigurationError
from dicomnode.supervisor import bind

ROOT = Path(__file__).parents[3]


def port_of(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_listens_on_all_addresses_of_the_machine_by_default(address: str) -> None:
    [listener] = bind("", 0)
    with listener, socket.create_connection((address, port_of(listener)), timeout=5):
        pass


@pytest.mark.parametrize(("host", "other"), [("127.0.0.1", "::1"), ("::1", "127.0.0.1")])
def test_listens_only_on_the_address_that_it_is_given(host: str, other: str) -> None:
    [listener] = bind(host, 0)
    with listener:
        socket.create_connection((host, port_of(listener)), timeout=5).close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((other, port_of(listener)), timeout=5)


def test_accepting_from_a_listener_never_waits() -> None:
    [listener] = bind("127.0.0.1", 0)
    with listener, pytest.raises(BlockingIOError):
        listener.accept()


def test_a_port_in_use_is_a_fault_of_the_configuration() -> None:
    [listener] = bind("127.0.0.1", 0)
    port = port_of(listener)
    with listener, pytest.raises(ConfigurationError) as caught:
        bind("127.0.0.1", port)
    [problem] = caught.value.problems
    assert problem.key == "listeners"
    assert problem.text == f"cannot listen on 127.0.0.1, port {port}: another program listens there already"


@pytest.mark.parametrize("host", ["node..example", "x" * 64])
def test_what_is_no_host_name_is_a_fault_of_the_configuration(host: str) -> None:
    with pytest.raises(ConfigurationError, match="that is no host name"):
        bind(host, 0)


def test_an_address_of_another_machine_is_a_fault_of_the_configuration() -> None:
    with pytest.raises(ConfigurationError, match=r"192\.0\.2\.1, port 0: this machine does not have that address"):
        bind("192.0.2.1", 0)


def test_a_port_that_was_just_in_use_can_be_taken_again() -> None:
    [listener] = bind("127.0.0.1", 0)
    port = port_of(listener)
    client = socket.create_connection(("127.0.0.1", port), timeout=5)
    listener.settimeout(5)
    listener.accept()[0].close()  # this side closes first, so the port lingers in TIME_WAIT
    client.recv(1)
    client.close()
    listener.close()
    [again] = bind("127.0.0.1", port)
    again.close()


def test_takes_the_listener_that_the_service_manager_bound() -> None:
    [listener] = bind("127.0.0.1", 0)
    program = (
        "import os\n"
        f"os.dup2({listener.fileno()}, 3)\n"
        "os.environ |= {'LISTEN_PID': str(os.getpid()), 'LISTEN_FDS': '1'}\n"
        "from dicomnode.supervisor import bind, inherited_sockets\n"
        f"[taken] = bind('127.0.0.1', {port_of(listener)}, inherited=inherited_sockets())\n"
        "print(taken.fileno(), taken.getblocking())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        pass_fds=[listener.fileno()],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["3", "False"]
    listener.close()
