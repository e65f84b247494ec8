"""What someone meets who has just cloned the project: make, the command, and what they say when something is missing."""

from __future__ import annotations

import os
import pty
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import pytest
from running_node import DCMTK, RunningNode, free_port, wait_for

CHECKOUT = Path(__file__).parents[2]


def dicomnode(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dicomnode", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | environment,
    )


# -- the command ------------------------------------------------------------------------------------------------------


def test_command_and_module_are_the_same() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    module, _, function = project["scripts"]["dicomnode"].partition(":")
    assert getattr(import_module(module), function) is import_module("dicomnode.cli").main
    done = dicomnode("--version")
    assert done.stdout == f"dicomnode {import_module('dicomnode').__version__}\n"


def test_help_comes_without_loading_the_node() -> None:
    code = "import sys, dicomnode.__main__ as m; sys.argv[1:] = ['--help']\ntry: m.main()\nfinally: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert "serve" in done.stdout
    loaded = set(done.stdout.splitlines()[-1].split())
    assert loaded.isdisjoint({"pydantic", "pydicom", "pynetdicom", "peewee", "yaml"})


@pytest.mark.parametrize(
    "arguments",
    [
        ("serve", "--help"),
        ("check-config", "--help"),
        ("status", "--help"),
        ("studies", "--help"),
        ("quarantine", "--help"),
        ("quarantine", "list", "--help"),
        ("quarantine", "release", "--help"),
        ("quarantine", "discard", "--help"),
        ("echo", "--help"),
    ],
)
def test_every_command_shows_how_it_is_used(arguments: tuple[str, ...]) -> None:
    done = dicomnode(*arguments)
    assert done.returncode == 0, done.stderr
    assert re.search(rf"^  dicomnode {arguments[0]}", done.stdout, re.MULTILINE), "no example"


def test_misspelt_command_is_wrong_usage() -> None:
    assert dicomnode("serv").returncode == 2


def test_check_config_of_the_shipped_files_is_content() -> None:
    done = dicomnode("check-config", CHECKOUT / "config/dicomnode.yaml")
    assert done.returncode == 0, done.stderr
    assert f"data: {CHECKOUT}" in done.stdout.replace("/config/..", "")


# -- serve, and what stands in its way --------------------------------------------------------------------------------


def serve(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    config = folder / "node.yaml"
    config.write_text(text)
    return dicomnode("serve", config)


def test_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = serve(tmp_path, f"data: data\nlisteners: [{{host: 127.0.0.1, port: {port}}}]\n")
    assert done.returncode == 2
    assert f"port {port}" in done.stderr
    assert "another program listens there" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_address_of_another_machine_is_named(tmp_path: Path) -> None:
    done = serve(tmp_path, f"data: data\nlisteners: [{{host: 192.0.2.1, port: {free_port()}}}]\n")
    assert done.returncode == 2
    assert "192.0.2.1" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = serve(tmp_path, f"data: file/data\nlisteners: [{{host: 127.0.0.1, port: {free_port()}}}]\n")
    assert done.returncode == 2
    assert str(tmp_path / "file") in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_wrong_configuration_starts_nothing(tmp_path: Path) -> None:
    done = serve(tmp_path, "data: data\nlisteners: [{prot: 1}]\n")
    assert done.returncode == 2
    assert "listeners.0.prot: unknown key; did you mean port?" in done.stderr
    assert not (tmp_path / "data").exists()


def test_studies_before_the_first_start_says_that_there_is_no_data_folder(tmp_path: Path) -> None:
    config = tmp_path / "node.yaml"
    config.write_text("data: data\n")
    done = dicomnode("studies", "--config", config)
    assert done.returncode == 2
    assert str(tmp_path / "data") in done.stderr
    assert not (tmp_path / "data").exists()


@contextmanager
def on_a_terminal(*command: str | Path, cwd: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run a command as a person does: its output is a terminal, whose other end is given too."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, cwd=cwd)
    os.close(theirs)
    try:
        yield process, ours
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(60)
        os.close(ours)


def test_person_is_told_what_to_try_next_and_it_works(tmp_path: Path) -> None:
    config = tmp_path / "node.yaml"
    port = free_port()
    config.write_text(f"data: data\nae_titles: [HERE]\nlisteners: [{{host: 127.0.0.1, port: {port}}}]\n")
    with on_a_terminal(sys.executable, "-m", "dicomnode", "serve", config, cwd=CHECKOUT) as (process, terminal):
        said = ""

        def is_ready() -> bool:
            nonlocal said
            said += os.read(terminal, 1 << 16).decode()
            return "node.ready" in said

        wait_for(is_ready, what="the node to be ready")
        assert f"port {port}" in said
        commands = [line.strip() for line in said.splitlines() if re.match(r"  (echoscu|storescu|python -m)", line)]
        assert len(commands) == 3
        echoscu, storescu, studies = map(shlex.split, commands)
        assert subprocess.run([DCMTK / echoscu[0], *echoscu[1:]], check=False, timeout=60).returncode == 0
        assert storescu[-1] == "FILE.dcm"
        done = subprocess.run(
            [sys.executable, *studies[1:]], cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def test_status_tells_whether_the_node_runs(node: RunningNode) -> None:
    [running] = node.rows("status")
    assert running["running"] is True
    node.stop()
    done = node.cli("status", "--json")
    assert done.returncode == 1
    assert '"running": false' in done.stdout


# -- make -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """As much of a clone as make looks at before it installs anything."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(CHECKOUT / name, tmp_path)
    return tmp_path


def make(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["/usr/bin/make", *arguments],
        cwd=checkout,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=60,
    )


def python_that(folder: Path, script: str) -> str:
    """A python3 that is not as it should be."""
    path = folder / "strange-python"
    path.write_text(f'#!/bin/sh\n{script}\nexec {sys.executable} "$@"\n')
    path.chmod(0o755)
    return f"PYTHON={path}"


def test_make_names_the_package_that_brings_the_venv_module(checkout: Path) -> None:
    done = make(checkout, "run", python_that(checkout, 'case "$2" in *venv*) exit 1;; esac'))
    assert done.returncode != 0
    assert "apt install python3-venv" in done.stderr


def test_make_says_that_python_is_too_old(checkout: Path) -> None:
    old = 'case "$*" in *version_info*) exit 1;; --version) echo Python 3.9.2; exit;; esac'
    done = make(checkout, "run", python_that(checkout, old))
    assert done.returncode != 0
    assert "Python 3.11 or newer is needed and Python 3.9.2 is here" in done.stderr


def test_make_says_that_python_is_missing(checkout: Path) -> None:
    done = make(checkout, "run", "PYTHON=no-such-python")
    assert done.returncode != 0
    assert "no-such-python is missing: apt install python3 python3-venv" in done.stderr


def test_make_alone_says_what_it_can_do(checkout: Path) -> None:
    done = make(checkout)
    assert done.returncode == 0
    assert "make run" in done.stdout
    assert not (checkout / ".venv").exists()
