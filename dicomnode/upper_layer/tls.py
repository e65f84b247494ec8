"""Transport security (PS3.15 Section B.12, BCP 195): TLS 1.2 and newer, no compression, no renegotiation."""

from __future__ import annotations

import ssl
from pathlib import Path

from dicomnode.dicom.peer import OutgoingTlsSettings
from dicomnode.errors import ConfigurationError, Problem
from dicomnode.settings import Settings


class TlsSettings(Settings):
    """What a listener that speaks TLS shows and asks for."""

    certificate: Path
    """The node's certificate in PEM form, followed by the intermediate ones."""
    private_key: Path
    """Its private key in PEM form; readable for the node's user alone."""
    trusted: Path | None = None
    """Certificates in PEM form of the authorities whose clients are let in; null asks clients for none."""


def server_context(settings: TlsSettings) -> ssl.SSLContext:
    """How the node speaks TLS with those who call it.

    Raises:
        ConfigurationError: a file cannot be read, or is not what it should be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    try:
        context.load_cert_chain(settings.certificate, settings.private_key, _no_passphrase)
    except OSError as error:  # an SSLError is one
        files = f"{settings.certificate}, {settings.private_key}"
        raise ConfigurationError(files, [Problem("tls", f"cannot be used: {error.strerror or error}")]) from error
    if settings.trusted is not None:
        try:
            context.load_verify_locations(settings.trusted)
        except OSError as error:
            raise ConfigurationError(
                settings.trusted, [Problem("tls.trusted", f"cannot be used: {error.strerror or error}")]
            ) from error
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(settings: OutgoingTlsSettings | None) -> ssl.SSLContext:
    """How the node speaks TLS with a peer that it calls; None checks its certificate by what the machine trusts.

    Raises:
        ConfigurationError: a file cannot be read, or is not what it should be.
    """
    settings = settings or OutgoingTlsSettings()
    try:
        context = ssl.create_default_context(cafile=settings.trusted)
    except OSError as error:
        raise _unusable(settings.trusted, "outgoing_tls.trusted", error) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = settings.check_host
    if settings.certificate is not None:
        try:
            context.load_cert_chain(settings.certificate, settings.private_key, _no_passphrase)
        except OSError as error:
            files = ", ".join(str(path) for path in (settings.certificate, settings.private_key) if path)
            raise _unusable(files, "outgoing_tls.certificate", error) from error
    elif settings.private_key is not None:
        problem = Problem("outgoing_tls.private_key", "is of no use without a certificate")
        raise ConfigurationError(str(settings.private_key), [problem])
    return context


def _no_passphrase() -> str:
    """Nobody is there to type one: OpenSSL itself would ask at the terminal, and wait for ever."""
    raise OSError("the private key is protected by a passphrase")


def _unusable(files: Path | str | None, key: str, error: OSError) -> ConfigurationError:
    return ConfigurationError(str(files), [Problem(key, f"cannot be used: {error.strerror or error}")])
