"""DCMTK's storescu as the client: a process an association, files that are already in memory."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from bench.instances import Form, Template, identities
from bench.raw_client import Address
from bench.servers import dcmtk_environment

PROGRAM = Path("/usr/bin/storescu")
"""By absolute path: pynetdicom installs a script of the same name into a virtual environment."""

GIVES_UP_AFTER_S = 120.0


class StorescuFailedError(Exception):
    """A storescu ended with a failure, or not in time."""


def installed() -> bool:
    """Whether DCMTK is there."""
    return PROGRAM.exists()


def write_files(folder: Path, template: Template, count: int) -> None:
    """``count`` new instances as files in a new ``folder``."""
    folder.mkdir(parents=True)
    form = Form(template.part10())
    for number, identity in enumerate(islice(identities(instances_per_series=250), count)):
        (folder / f"{number:06}.dcm").write_bytes(form.fill_in(identity))


def send(address: Address, folders: Sequence[Path], *, nagle: bool) -> float:
    """Send each folder over an association of its own, all at once; the time that it took, s.

    Raises:
        StorescuFailedError: an instance was not answered with Success or a warning.
    """
    environment = dcmtk_environment(nagle=nagle)
    started = time.monotonic()
    processes = [
        subprocess.Popen(
            [PROGRAM, "-aec", address.ae_title, address.host, str(address.port), "+sd", str(folder)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for folder in folders
    ]
    try:
        outputs = [process.communicate(timeout=GIVES_UP_AFTER_S)[0] for process in processes]
    except subprocess.TimeoutExpired as error:
        raise StorescuFailedError(str(error)) from error
    finally:
        for process in processes:
            process.kill()
            process.wait()
    took = time.monotonic() - started
    failures = [output for process, output in zip(processes, outputs, strict=True) if process.returncode]
    if failures:
        raise StorescuFailedError(failures[0][-300:].strip())
    return took


def remove_files(folders: Sequence[Path]) -> None:
    """Remove what `write_files` wrote."""
    for folder in folders:
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)
