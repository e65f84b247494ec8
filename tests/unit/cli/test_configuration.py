"""Whose data folder it is: a command runs as the owner, or not at all."""

from __future__ import annotations

import os
import pwd
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from factories import ct

from dicomnode.cli import commands, configuration

if TYPE_CHECKING:
    from conftest import NodeFolder

NOBODY = pwd.getpwnam("nobody").pw_uid

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


@pytest.fixture
def open_folder(make_node_folder: Callable[[Path], NodeFolder]) -> Iterator[NodeFolder]:
    """A node's folder where others may look, which pytest's own folders are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        folder = make_node_folder(Path(name))
        folder.receive(ct())
        yield folder
        folder.close()


def is_so_in_a_process_of_its_own(condition: Callable[[], bool]) -> bool:
    """``condition`` in a child, because a process that changes its user cannot change back."""
    child = os.fork()
    if child == 0:
        code = 2
        try:
            code = 0 if condition() else 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_root_becomes_the_owner(open_folder: NodeFolder) -> None:
    open_folder.close()
    for path in (open_folder.config.data, *open_folder.config.data.rglob("*")):
        os.chown(path, NOBODY, -1)

    def lists_as_owner() -> bool:
        done = open_folder.run("studies", "--json")
        return done.exit_code == 0 and len(done.stdout.splitlines()) == 1 and os.geteuid() == NOBODY

    assert is_so_in_a_process_of_its_own(lists_as_owner)
    assert {path.stat().st_uid for path in open_folder.config.data.rglob("*")} == {NOBODY}


def test_anybody_else_is_told_whose_it_is(open_folder: NodeFolder) -> None:
    def is_refused() -> bool:
        os.setgroups([])
        os.setuid(NOBODY)
        done = open_folder.run("studies")
        return done.exit_code == 2 and "belongs to user root" in done.stderr

    assert is_so_in_a_process_of_its_own(is_refused)


def test_import_makes_the_data_folder_and_root_is_told_whose_it_has_to_be() -> None:
    with tempfile.TemporaryDirectory() as name:
        os.chown(name, NOBODY, -1)
        file = Path(name) / "node.yaml"
        file.write_text("data: new\n")
        arguments = ["import", str(file), "--config", str(file)]
        done = CliRunner().invoke(commands, arguments)
        assert done.exit_code == 2
        assert f"install -d -m 0700 -o dicomnode -g dicomnode {name}/new" in done.stderr

        def is_made() -> bool:
            os.setgroups([])
            os.setuid(NOBODY)
            CliRunner().invoke(commands, arguments)
            return (Path(name) / "new" / "index.sqlite").exists() and (
                Path(name) / "new"
            ).stat().st_mode & 0o777 == 0o700

        assert is_so_in_a_process_of_its_own(is_made)


def test_a_configuration_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As by a user who is not the service's: the defaults are not what he asked for."""
    place = tmp_path / "etc" / "dicomnode.yaml"
    place.parent.mkdir(mode=0o700)
    place.touch()
    monkeypatch.setattr(configuration, "PLACES", (place,))

    def is_told() -> bool:
        os.setgroups([])
        os.setuid(NOBODY)
        done = CliRunner().invoke(commands, ["studies"])
        return done.exit_code == 2 and f"{place}: cannot be read: Permission denied" in done.stderr

    assert is_so_in_a_process_of_its_own(is_told)
