"""Creates hostile variants of valid header pairs, and runs any verifier against them."""

import base64
import hashlib
import hmac
import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from onramp_app.providers.errors import Refusal, WebhookRefused
from onramp_app.providers.onramp.webhook import WebhookSecrets

Pair = tuple[bytes | None, bytes | None]
Verifier = Callable[[bytes | None, bytes | None], object]

SECRETS = WebhookSecrets("current-secret", "previous-secret")
ODD = [
    b"",
    b" ",
    b"\x00",
    b"\xff",
    b"\r\n",
    b"=",
    b"==",
    b"%00",
    b"\xc3\xa9",
    b"null",
    b"0",
    b"-_",
    b"\xef\xbd\x81",
]


def sign(payload: bytes, secret: str) -> bytes:
    return hmac.new(secret.encode(), payload, hashlib.sha512).hexdigest().encode()


def pair_of(content: object, secret: str = "current-secret") -> tuple[bytes, bytes]:
    payload = base64.b64encode(json.dumps(content).encode())
    return payload, sign(payload, secret)


def _flip_bit(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


def _replace(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + rng.choice(b"0123456789abcdefABCDEF+/= ").to_bytes(1, "big") + data[at + 1 :]


def _insert(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(ODD) + data[at:]


def _cut(rng: random.Random, data: bytes) -> bytes:
    a, b = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return data[:a] + data[b:] if rng.random() < 0.5 else data[a:b]


def _double(rng: random.Random, data: bytes) -> bytes:
    return data + rng.choice([b"", b",", b", ", b"\n"]) + data


def _case(rng: random.Random, data: bytes) -> bytes:
    return rng.choice([data.upper(), data.swapcase(), data.title()])


def _tail(rng: random.Random, data: bytes) -> bytes:
    return data[:-1] + rng.choice(b"0123456789abcdef").to_bytes(1, "big")


def _random(rng: random.Random, data: bytes) -> bytes:
    return rng.randbytes(rng.choice([0, 1, 64, 127, 128, 129, len(data), 40_000]))


def _hex(rng: random.Random, data: bytes) -> bytes:
    return rng.randbytes(64).hex().encode()


CHANGES = [_flip_bit, _flip_bit, _replace, _insert, _cut, _double, _case, _tail, _random, _hex]


def mutate(rng: random.Random, pairs: list[tuple[bytes, bytes]]) -> Pair:
    payload, signature = rng.choice(pairs)
    match rng.randrange(8):
        case 0 | 1 | 2:
            return payload, rng.choice(CHANGES)(rng, signature)
        case 3 | 4:
            return rng.choice(CHANGES)(rng, payload), signature
        case 5:
            return rng.choice(CHANGES)(rng, payload), rng.choice(CHANGES)(rng, signature)
        case 6:
            forged = rng.choice(CHANGES)(rng, payload)
            # Signed, but with what an attacker may know: nothing, the key, the payload, a wrong algorithm.
            secret = rng.choice(["", "simulator-secret", "null", payload.decode(), "current-secret "])
            plain = hashlib.sha512(b"current-secret" + forged).hexdigest().encode()
            short = hmac.new(b"current-secret", forged, hashlib.sha256).hexdigest().encode()
            return forged, rng.choice([sign(forged, secret), plain, short, short + short])
        case _:
            other = rng.choice(pairs)[1]
            return rng.choice([(payload, other), (None, signature), (payload, None), (b"", b"")])


@dataclass
class Tally:
    tried: int = 0
    accepted: int = 0
    foreign: int = 0
    example: str = ""
    reasons: Counter[Refusal] = field(default_factory=Counter)


def run(verifier: Verifier, *, seed: int, trials: int) -> Tally:
    """Try `trials` mutations; mutations that result in a valid pair do not count."""
    rng = random.Random(seed)
    contents = [
        {"timestamp": 1700000000000 + i, "body": {"orderId": i, "x": "y" * (i % 40)}} for i in range(64)
    ]
    pairs = [pair_of(c, rng.choice(["current-secret", "previous-secret"])) for c in contents]
    valid, tally = set(pairs), Tally()
    while tally.tried < trials:
        pair = mutate(rng, pairs)
        if pair in valid:
            continue
        tally.tried += 1
        try:
            verifier(*pair)
        except WebhookRefused as refused:
            tally.reasons[refused.reason] += 1
        except Exception as error:  # noqa: BLE001 - the point is to count what is not ours
            tally.foreign += 1
            tally.example = tally.example or f"{error!r} for {pair!r}"
        else:
            tally.accepted += 1
            tally.example = tally.example or f"accepted {pair!r}"
    return tally
