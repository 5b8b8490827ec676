"""Certificate and key: read and held against each other before anything is started."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from burnish.core.errors import RecipeError

_MAKE = "openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj /CN=localhost -keyout key.pem -out certificate.pem"


@dataclass(frozen=True)
class Tls:
    """The files, and what is in them."""

    certificate: Path
    key: Path
    certificate_pem: bytes
    key_pem: bytes


def read_tls(certificate: Path | None, key: Path | None) -> Tls | None:
    """None when neither is given. Raises `RecipeError`: one is missing, unreadable, no PEM, or they do not match."""
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise RecipeError(
            "a TLS certificate and its key belong together",
            where=str(certificate or key),
            why=f"--tls-{'key' if key is None else 'certificate'} is not given",
            help="give both --tls-certificate and --tls-key",
        )
    found = Tls(certificate, key, _read(certificate), _read(key))
    for path, pem, word in ((certificate, found.certificate_pem, b"CERTIFICATE"), (key, found.key_pem, b"PRIVATE KEY")):
        if word not in pem:
            raise RecipeError(
                "a TLS file is not what it has to be",
                where=str(path),
                why=f"it has no PEM block {word.decode()}",
                help=f"make a pair to try: {_MAKE}",
            )
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key, password=lambda: "")
    except (ssl.SSLError, ValueError) as error:
        mismatch = "MISMATCH" in str(error).upper()
        raise RecipeError(
            "the TLS key does not belong to the certificate" if mismatch else "the TLS files cannot be used",
            where=f"{certificate}, {key}",
            why="" if mismatch else f"{error}; a key with a password cannot be used either",
            help=f"make a pair to try: {_MAKE}",
        ) from None
    return found


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RecipeError(
            "a TLS file cannot be read",
            where=str(path),
            why=str(error.strerror),
            help="name PEM files that the service may read",
        ) from None
