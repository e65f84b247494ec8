"""What is synced before `add` returns, and what happens when a sync fails; seen in the system calls of a process."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dicomnode.index import Durability, Index, IndexSettings

STRACE = Path("/usr/bin/strace")
ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.skipif(not STRACE.exists(), reason="needs strace")


class Commanded:
    """The process of commanded.py."""

    def __init__(self, folder: Path, durability: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "unit.index.commanded", folder, durability],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        )

    def __call__(self, command: str) -> str:
        assert self.process.stdin
        assert self.process.stdout
        print(command, file=self.process.stdin, flush=True)
        return self.process.stdout.readline().strip()

    @contextmanager
    def traced(self, output: Path, *options: str) -> Iterator[None]:
        """Write its system calls that sync or tell to ``output``."""
        watched = ["-e", "trace=fsync,fdatasync,write", "-e", "signal=none"]
        tracer = subprocess.Popen(
            [STRACE, "-f", "-y", "-s", "16", "-o", output, *watched, *options, "-p", str(self.process.pid)],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert tracer.stderr
        assert "attached" in tracer.stderr.readline()
        try:
            yield
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.communicate(timeout=10)

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def commanded(folder: Path, durability: str) -> Iterator[Commanded]:
    """One in a folder with an index of one instance."""
    index = Index(folder, IndexSettings(), durability=Durability.FULL)
    index.prepare()
    index.close()
    process = Commanded(folder, durability)
    try:
        assert process("add 1.2.1") == "STORED"
        yield process
    finally:
        process.close()


def steps(trace: Path) -> list[str]:
    """Syncs, by what they sync, and answers, in their order."""
    found = []
    for call, path in re.findall(r"(\w+)\(\d+<([^>]*)>", trace.read_text()):
        if call == "write":
            found += ["answer"] if "pipe" in path else []
        else:
            found.append("log" if path.endswith("-wal") else "database" if path.endswith(".sqlite") else "folder")
    return found


def answers_until_unavailable(process: Commanded) -> Iterator[tuple[str, str]]:
    """Add instances until the log is due to be folded, and that fails."""
    for number in range(200):
        command = f"add 1.3.{number}"
        answer = process(command)
        yield command, answer
        if answer != "STORED":
            return


@pytest.mark.parametrize(
    ("durability", "command", "expected"),
    [
        ("full", "add 1.2.2", ["log", "answer"]),
        ("full", "sync", ["log", "answer"]),
        ("full", "refuse 1.2.2", ["answer"]),
        ("full", "known 1.2.1", ["answer"]),
        ("fast", "add 1.2.2", ["answer"]),
        ("fast", "sync", ["answer"]),
    ],
)
def test_what_is_synced_before_the_answer(tmp_path: Path, durability: str, command: str, expected: list[str]) -> None:
    with commanded(tmp_path, durability) as process:
        with process.traced(tmp_path / "trace"):
            process(command)
        assert steps(tmp_path / "trace") == expected


def test_sync_covers_what_another_process_committed(tmp_path: Path) -> None:
    with commanded(tmp_path, "fast") as process:
        reader = Commanded(tmp_path, "full")
        try:
            assert process("add 1.2.2") == "STORED"
            assert reader("known 1.2.2") == "True"
            with reader.traced(tmp_path / "trace"):
                reader("sync")
            assert "log" in steps(tmp_path / "trace")
        finally:
            reader.close()


def test_after_a_failed_sync_nothing_counts_as_durable_until_all_is_in_the_database(tmp_path: Path) -> None:
    with commanded(tmp_path, "full") as process:
        with process.traced(tmp_path / "trace", "-e", "inject=fdatasync:error=EIO"):
            assert process("add 1.2.2") == "unavailable False"
            assert process("add 1.2.2").startswith("unavailable")
            assert process("sync").startswith("unavailable")
        with process.traced(tmp_path / "trace"):
            assert process("add 1.2.2") == "SAME_CONTENT"
        found = steps(tmp_path / "trace")
        assert "database" in found[: found.index("answer")]
        assert process("add 1.2.3") == "STORED"
        assert process("known 1.2.2") == "True"


def test_failed_sync_is_told_to_all_who_waited_for_it(tmp_path: Path) -> None:
    with commanded(tmp_path, "full") as process:
        with process.traced(tmp_path / "trace", "-e", "inject=fdatasync:error=EIO"):
            assert process("crowd 1.2.2") in {"unavailable False", "unavailable False, unavailable True"}
        assert process("crowd 1.2.3") == "STORED"


def test_nothing_is_taken_in_while_a_reader_keeps_the_log_from_being_folded(tmp_path: Path) -> None:
    with commanded(tmp_path, "full") as process:
        reader = sqlite3.connect(tmp_path / "index.sqlite", isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM instance").fetchone()
        with process.traced(tmp_path / "trace", "-e", "inject=fdatasync:error=EIO"):
            assert process("add 1.2.2") == "unavailable False"
        assert process("add 1.2.3") == "unavailable True"
        assert process("sync").startswith("unavailable")
        reader.close()
        assert process("add 1.2.3") == "STORED"


@pytest.mark.parametrize(("error", "is_certain"), [("EIO", False), ("ENOSPC", True)])
def test_failed_commit_says_whether_nothing_is_there(tmp_path: Path, error: str, is_certain: bool) -> None:
    with commanded(tmp_path, "full") as process:
        only_log = (
            "-P",
            str(tmp_path / "index.sqlite-wal"),
            "-e",
            "trace=pwrite64",
            "-e",
            f"inject=pwrite64:error={error}",
        )
        with process.traced(tmp_path / "trace", *only_log):
            assert process("add 1.2.2") == f"unavailable {is_certain}"
            assert process("known 1.2.1") == "True"
        assert process("known 1.2.2") == "False"
        assert process("add 1.2.2") == "STORED"


@pytest.mark.parametrize("first", ["add 1.2.2", "add 1.2.3", "sync"])
def test_process_that_starts_after_a_failed_sync_does_not_rest_on_the_log(tmp_path: Path, first: str) -> None:
    with commanded(tmp_path, "full") as process, process.traced(tmp_path / "trace", "-e", "inject=fdatasync:error=EIO"):
        assert process("add 1.2.2") == "unavailable False"
    later = Commanded(tmp_path, "full")
    try:
        assert later("known 1.2.2") == "True"
        with later.traced(tmp_path / "trace"):
            assert not later(first).startswith("unavailable")
        found = steps(tmp_path / "trace")
        assert "database" in found[: found.index("answer")]
    finally:
        later.close()


def test_process_beside_one_whose_sync_failed_does_not_rest_on_the_log(tmp_path: Path) -> None:
    with commanded(tmp_path, "full") as process:
        other = Commanded(tmp_path, "full")
        try:
            assert other("add 1.2.2") == "STORED"
            with process.traced(tmp_path / "trace", "-e", "inject=fdatasync:error=EIO"):
                assert process("add 1.2.3") == "unavailable False"
            with other.traced(tmp_path / "trace"):
                assert other("sync") == "done"
            found = steps(tmp_path / "trace")
            assert "database" in found[: found.index("answer")]
            with other.traced(tmp_path / "trace"):
                assert other("add 1.2.4") == "STORED"
            assert set(steps(tmp_path / "trace")) == {"log", "answer"}
        finally:
            other.close()


def test_failed_sync_of_a_checkpoint_counts_as_one_of_the_log(tmp_path: Path) -> None:
    with commanded(tmp_path, "full") as process:
        only_database = ("-P", str(tmp_path / "index.sqlite"), "-e", "inject=fdatasync,fsync:error=EIO")
        with process.traced(tmp_path / "trace", *only_database):
            answers = dict(answers_until_unavailable(process))
        [*stored, (failed, answer)] = answers.items()
        assert stored
        assert answer == "unavailable False"
        assert process(failed) == "SAME_CONTENT"
