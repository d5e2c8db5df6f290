# SPDX-License-Identifier: MIT
"""Certificates of the service's doors, and of their clients."""

from __future__ import annotations

import ssl
from pathlib import Path

from harness import output_of

TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


class Files:
    """A certificate and its key, which vouches for itself."""

    def __init__(self, folder: Path) -> None:
        self.certificate, self.key = folder / "cert.pem", folder / "key.pem"
        self.renew()

    def renew(self) -> None:
        names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
        files = ["-keyout", str(self.key), "-out", str(self.certificate)]
        output_of("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names, *files)

    @property
    def settings(self) -> dict:
        return {"listen_certificate": self.certificate, "listen_key": self.key}

    def trusting(self, newest: ssl.TLSVersion = TLS_1_3, shown: Files | None = None) -> ssl.SSLContext:
        """For a client that trusts this certificate, and shows another one, if there is one."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        context.maximum_version = newest
        if shown is not None:
            context.load_cert_chain(shown.certificate, shown.key)
        return context
