"""Log lines, as a process writes them to its output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import pytest

PROLOGUE = """
import logging, os, sys, threading, time, warnings
import structlog
from dicomnode.logs import LogSettings, configure
log = structlog.get_logger()
"""


def run(code: str, *, exit_code: int = 0, stdout: int | IO[str] = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    """Log in a process of its own, because logging belongs to the process."""
    done = subprocess.run(
        [sys.executable, "-c", PROLOGUE + textwrap.dedent(code)],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == exit_code, done.stderr
    return done


def lines(code: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run(code).stdout.splitlines()]


def test_writes_one_json_object_a_line_when_nobody_watches() -> None:
    [line] = lines("configure(LogSettings(), worker=2); log.info('instance.stored', size_bytes=5, title='Ä\\n')")
    assert line["event"] == "instance.stored"
    assert line["level"] == "info"
    assert line["size_bytes"] == 5
    assert line["title"] == "Ä\n"
    assert line["worker"] == 2
    assert line["pid"] > 0


def test_no_field_takes_the_place_of_what_stands_in_every_line() -> None:
    [line] = lines("configure(LogSettings(), worker=2); log.info('a.b', level='STUDY', pid=0, worker=3)")
    assert (line["level"], line["worker"], line["pid"] > 0) == ("info", 2, True)


def test_timestamp_is_utc() -> None:
    [line] = lines("os.environ['TZ'] = 'Asia/Tokyo'; time.tzset(); configure(LogSettings()); log.info('a.b')")
    written = datetime.fromisoformat(line["timestamp"])
    assert line["timestamp"].endswith("Z")
    assert abs(datetime.now(UTC) - written) < timedelta(minutes=5)


def test_level_keeps_the_rest_out() -> None:
    events = [
        line["event"] for line in lines("configure(LogSettings(level='warning')); log.info('a'); log.warning('b')")
    ]
    assert events == ["b"]


def test_patient_data_is_kept_back() -> None:
    output = run(
        "configure(LogSettings()); log.info('a', patient_id='SECRET', patient_name='SECRET', peer='ct1')"
    ).stdout
    assert "SECRET" not in output
    assert "ct1" in output


def test_console_form_cannot_be_steered_by_a_peer() -> None:
    output = run("configure(LogSettings(format='console')); log.info('a', title='x\\x1b[2Jy\\nz')").stdout
    assert "\x1b[2J" not in output
    assert len(output.splitlines()) == 1


def test_libraries_are_heard_from_warning_on() -> None:
    [line] = lines(
        "configure(LogSettings()); l = logging.getLogger('pynetdicom.x'); l.info('no'); l.error('yes %d', 1)"
    )
    assert (line["event"], line["level"], line["library"], line["reason"]) == (
        "library.warned",
        "error",
        "pynetdicom.x",
        "yes 1",
    )


def test_pydicoms_words_are_kept_back_because_they_quote_values() -> None:
    code = """
        configure(LogSettings(level="debug"))
        logging.getLogger("pydicom").warning("invalid value SECRET")
        warnings.warn("invalid value SECRET")
    """
    done = run(code)
    assert "SECRET" not in done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == 2


def test_crash_of_a_thread_is_one_line() -> None:
    code = """
        configure(LogSettings())
        thread = threading.Thread(target=lambda: 1 / 0, name="association 7")
        thread.start(); thread.join()
    """
    [line] = lines(code)
    assert (line["event"], line["level"], line["thread"]) == ("thread.died", "error", "association 7")
    assert "ZeroDivisionError" in line["exception"]


def test_crash_of_the_process_is_one_line_and_an_exit_code() -> None:
    done = run("configure(LogSettings()); raise OSError('gone')", exit_code=1)
    assert json.loads(done.stdout)["event"] == "process.died"
    assert done.stderr == ""


def test_tracebacks_for_people_hold_no_local_variables() -> None:
    code = """
        configure(LogSettings(format="console"))
        def read(secret):
            return secret / 0
        try:
            read(424242)
        except ZeroDivisionError:
            log.exception("a.failed")
    """
    output = run(code).stdout
    assert "ZeroDivisionError" in output
    assert "424242" not in output.replace("read(424242)", "")


def test_reader_that_stops_does_not_stop_the_process() -> None:
    read_end, write_end = os.pipe()
    code = """
        configure(LogSettings())
        for number in range(5000):
            log.info("instance.stored", number=number)
        sys.stderr.write("done")
    """
    try:
        done = run(code, stdout=write_end)
    finally:
        os.close(write_end)
        os.close(read_end)
    assert done.stderr == "done"


def test_lines_that_were_dropped_are_counted_once_the_reader_is_back() -> None:
    code = """
        configure(LogSettings())
        for number in range(5000):
            log.info("instance.stored", number=number)
        sys.stderr.write("full\\n"); sys.stderr.flush()
        sys.stdin.readline()
        log.info("reader.returned")
    """
    process = subprocess.Popen(
        [sys.executable, "-c", PROLOGUE + textwrap.dedent(code)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        assert process.stderr.readline() == b"full\n"
        buffered = os.read(process.stdout.fileno(), 1 << 20)
        process.stdin.write(b"\n")
        process.stdin.close()
        rest = process.stdout.read()
    written = [json.loads(line) for line in (buffered + rest).splitlines() if line]
    [report] = [line for line in written if line["event"] == "log.dropped"]
    stored = sum(line["event"] == "instance.stored" for line in written)
    assert stored + report["lines"] == 5000
    assert any(line["event"] == "reader.returned" for line in written)


def test_reader_that_goes_away_does_not_stop_the_process() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        done = run(
            "configure(LogSettings()); log.info('a'); log.info('b'); sys.stderr.write('done')",
            stdout=write_end,
        )
    finally:
        os.close(write_end)
    assert done.stderr == "done"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_full_disk_does_not_stop_the_process() -> None:
    with Path("/dev/full").open("w") as full:
        code = "configure(LogSettings()); log.info('a'); log.info('b'); sys.stderr.write('done')"
        done = run(code, stdout=full)
    assert done.stderr == "done"


def test_closed_output_does_not_stop_the_process() -> None:
    done = run("sys.stdout = None; configure(LogSettings()); log.info('a'); sys.stderr.write('done')")
    assert done.stderr == "done"
