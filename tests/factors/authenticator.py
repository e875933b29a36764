"""Software authenticators: an app that generates codes, and passkeys whose responses can be tampered with."""

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import cbor2
import pyotp
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn import base64url_to_bytes
from webauthn.helpers import bytes_to_base64url

from onramp_app.domain import clock

_PRESENT, _VERIFIED, _HAS_CREDENTIAL = 0x01, 0x04, 0x40


def code_of(secret: str, *, steps: int = 0) -> str:
    """Return the code that an app shows now, or `steps` times 30 seconds later."""
    return pyotp.TOTP(secret).at(clock.now(), counter_offset=steps)


@dataclass
class SoftPasskey:
    """One passkey (ES256). It responds as a browser on `origin` would; `bent` replaces parts by name."""

    origin: str = "http://localhost:3000"
    host: str = "localhost"
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    user_handle: bytes = b""
    count: int = 0
    _key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def create(self, options: dict[str, Any], **bent: Any) -> dict[str, Any]:
        """Respond to a registration as `navigator.credentials.create()` does."""
        self.user_handle = base64url_to_bytes(options["user"]["id"])
        numbers = self._key.public_key().public_numbers()
        public = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}
        credential = (
            bytes(16)
            + len(self.credential_id).to_bytes(2)
            + self.credential_id
            + cbor2.dumps(bent.get("public", public))
        )
        data = self._data(_HAS_CREDENTIAL, **bent) + credential
        statement = {"fmt": bent.get("format", "none"), "attStmt": bent.get("statement", {})}
        attestation = cbor2.dumps({**statement, "authData": data})
        response = {"attestationObject": bytes_to_base64url(attestation)}
        return self._answer("webauthn.create", options["challenge"], response, **bent)

    def get(self, options: dict[str, Any], **bent: Any) -> dict[str, Any]:
        """Respond to an authentication as `navigator.credentials.get()` does."""
        self.count += 1
        data = self._data(0, **bent)
        client = self._client_data("webauthn.get", options["challenge"], **bent)
        signature = self._key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        response = {
            "authenticatorData": bytes_to_base64url(data),
            "signature": bytes_to_base64url(signature),
            "userHandle": bytes_to_base64url(bent.get("user_handle", self.user_handle)),
        }
        return self._answer("webauthn.get", options["challenge"], response, **bent)

    def _data(self, more_flags: int, **bent: Any) -> bytes:
        flags = bent.get("flags", _PRESENT | _VERIFIED) | more_flags
        host = hashlib.sha256(bent.get("host", self.host).encode()).digest()
        return host + bytes([flags]) + bent.get("count", self.count).to_bytes(4)

    def _client_data(self, kind: str, asked: str, **bent: Any) -> bytes:
        client = {
            "type": kind,
            "challenge": bent.get("challenge", asked),
            "origin": bent.get("origin", self.origin),
            "crossOrigin": False,
        }
        return json.dumps(client).encode()

    def _answer(self, kind: str, asked: str, response: dict[str, Any], **bent: Any) -> dict[str, Any]:
        client = bytes_to_base64url(self._client_data(kind, asked, **bent))
        name = bytes_to_base64url(self.credential_id)
        return {
            "id": name,
            "rawId": name,
            "type": "public-key",
            "response": {"clientDataJSON": client} | response,
            "clientExtensionResults": {},
        }
