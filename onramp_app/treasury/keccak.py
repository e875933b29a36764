"""Keccak-256 as Ethereum uses it: with the original submission's padding, which `hashlib`'s SHA-3 lacks.

Source: the Keccak reference, version 3.0. Written for a few addresses, not for speed.
"""

_LANE = (1 << 64) - 1
_RATE_BYTES = 136
_ROUNDS = 24


def _round_constants() -> list[int]:
    constants, register = [], 1
    for _ in range(_ROUNDS):
        constant = 0
        for step in range(7):
            if register & 1:
                constant |= 1 << ((1 << step) - 1)
            register = (register << 1) ^ (0x171 if register & 0x80 else 0)
        constants.append(constant)
    return constants


_CONSTANTS = _round_constants()


def _rotate(lane: int, by: int) -> int:
    by %= 64
    return ((lane << by) | (lane >> (64 - by))) & _LANE


def _permute(state: list[int]) -> list[int]:
    """Apply the permutation to the 25 lanes; lane (x, y) is at index x + 5y."""
    for constant in _CONSTANTS:
        columns = [state[x] ^ state[x + 5] ^ state[x + 10] ^ state[x + 15] ^ state[x + 20] for x in range(5)]
        state = [
            lane ^ columns[(n - 1) % 5] ^ _rotate(columns[(n + 1) % 5], 1) for n, lane in enumerate(state)
        ]
        x, y, current = 1, 0, state[1]
        for step in range(_ROUNDS):
            x, y = y, (2 * x + 3 * y) % 5
            current, state[x + 5 * y] = state[x + 5 * y], _rotate(current, (step + 1) * (step + 2) // 2)
        state = [
            lane ^ (~state[n - n % 5 + (n + 1) % 5] & state[n - n % 5 + (n + 2) % 5])
            for n, lane in enumerate(state)
        ]
        state[0] ^= constant
    return state


def keccak_256(data: bytes) -> bytes:
    """Return the 32-byte Keccak-256 hash of `data`."""
    padded = bytearray(data) + bytes(_RATE_BYTES - len(data) % _RATE_BYTES)
    padded[len(data)] |= 0x01
    padded[-1] |= 0x80
    state = [0] * 25
    for start in range(0, len(padded), _RATE_BYTES):
        block = padded[start : start + _RATE_BYTES]
        for lane in range(_RATE_BYTES // 8):
            state[lane] ^= int.from_bytes(block[8 * lane : 8 * lane + 8], "little")
        state = _permute(state)
    return b"".join(lane.to_bytes(8, "little") for lane in state[:4])
