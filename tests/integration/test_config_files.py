"""The configuration files that come with the project hold what the code knows."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from pydantic import BaseModel

from dicomnode.config import Config, load
from dicomnode.dicom.peer import OutgoingTlsSettings, PeerSettings
from dicomnode.errors import ConfigurationError
from dicomnode.hl7.settings import Hl7Settings
from dicomnode.settings.document import Plain
from dicomnode.settings.yaml_text import parse_yaml, read_yaml
from dicomnode.upper_layer import TlsSettings

CONFIG = Path(__file__).parents[2] / "config"
SHIPPED = CONFIG / "dicomnode.yaml"


def options(values: Plain, path: str = "") -> Iterator[str]:
    """Every key of nested sections and lists, dotted."""
    if isinstance(values, dict):
        for key, value in values.items():
            yield f"{path}{key}"
            yield from options(value, f"{path}{key}.")
    if isinstance(values, list):
        for index, value in enumerate(values):
            yield from options(value, f"{path}{index}.")


def test_default_file_holds_every_option() -> None:
    shipped = set(options(read_yaml(SHIPPED).values))
    known = set(options(parse_yaml(Config().effective(), "defaults").values))
    assert shipped == known


def test_default_file_says_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CONFIG.parent)
    assert load(SHIPPED, {}) == load(None, {})


def commented(text: str, first_line: str) -> str:
    """The commented lines from ``first_line`` on, without their signs."""
    lines = text[text.index(first_line) :].splitlines()
    taken = []
    for line in lines:
        if not line.strip().startswith("#"):
            break
        taken.append(re.sub(r"^(\s*)#", r"\1", line))
    return "\n".join(taken)


def commented_example(first_line: str, model: type[BaseModel]) -> BaseModel:
    [[_, values]] = _sections(parse_yaml(commented(SHIPPED.read_text(), first_line), "example").values)
    assert isinstance(values, dict)
    assert set(values) == set(model.model_fields), "an option is missing, or one that is gone is still there"
    return model.model_validate(values)


def _sections(values: Plain) -> list[tuple[str, Plain]]:
    assert isinstance(values, dict)
    return list(values.items())


def test_commented_feed_holds_every_option_and_its_defaults() -> None:
    assert commented_example("#  hl7:", Hl7Settings) == Hl7Settings()


def test_commented_peer_holds_every_option_and_its_defaults() -> None:
    example = commented_example("#  ct1:", PeerSettings)
    told_apart = {"ae_title", "host", "description"}
    assert example.model_dump(exclude=told_apart) == PeerSettings(ae_title="X").model_dump(exclude=told_apart)


def test_commented_tls_holds_every_option() -> None:
    commented_example("#    tls:", TlsSettings)


def test_commented_outgoing_tls_holds_every_option_and_its_defaults() -> None:
    assert commented_example("#    outgoing_tls:\n", OutgoingTlsSettings) == OutgoingTlsSettings()


def make_certificate(folder: Path) -> None:
    """A self-signed certificate and what else the hospital's example names."""
    folder.mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "node.example.org")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )
    (folder / "node.pem").write_bytes(certificate)
    (folder / "hospital-authority.pem").write_bytes(certificate)
    (folder / "node.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@pytest.fixture(params=sorted((CONFIG / "examples").glob("*.yaml")), ids=lambda path: path.name)
def example(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An example as it would be installed, with the files that it names."""
    make_certificate(tmp_path / "tls")
    return Path(shutil.copy(request.param, tmp_path))


def test_example_is_right(example: Path) -> None:
    config = load(example, {})
    assert config.peers
    assert config.data.is_absolute()


def test_hospital_is_strict_and_speaks_tls(tmp_path: Path) -> None:
    make_certificate(tmp_path / "tls")
    config = load(Path(shutil.copy(CONFIG / "examples/hospital.yaml", tmp_path)), {})
    assert config.unknown_peers == "reject"
    assert len(config.ae_titles) == 2
    assert any(listener.tls for listener in config.listeners)
    assert all(peer.host for peer in config.peers.values())


def test_tls_files_that_are_missing_or_wrong_are_named(tmp_path: Path) -> None:
    path = Path(shutil.copy(CONFIG / "examples/hospital.yaml", tmp_path))
    with pytest.raises(ConfigurationError, match=r"hospital.yaml:\d+: listeners.1.tls.*node.pem.*No such file"):
        load(path, {})
    make_certificate(tmp_path / "tls")
    (tmp_path / "tls/hospital-authority.pem").write_text("no certificate")
    with pytest.raises(ConfigurationError, match=r"listeners.1.tls.trusted.*hospital-authority.pem"):
        load(path, {})
