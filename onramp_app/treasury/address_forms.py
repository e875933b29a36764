"""Checks whether an address can exist on its network: length, alphabet, checksum. Pure; reads no chain.

Money sent to a mistyped address is lost, and nearly every form of address reveals a typing mistake.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping

from onramp_app.treasury.keccak import keccak_256

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_RIPPLE = str.maketrans("rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz", _BASE58)
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_CHECK, _BECH32M_CHECK = 1, 0x2BC830A3  # BIP 173 and BIP 350


class UnusableAddress(ValueError):
    """The address cannot exist on its network. The message says why and never repeats the address."""


def _base58(address: str) -> bytes:
    number = 0
    for character in address:
        if character not in _BASE58:
            raise UnusableAddress("it holds a character that base58 does not have")
        number = number * 58 + _BASE58.index(character)
    zeros = len(address) - len(address.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8)


def _base58_check(address: str, *, versions: tuple[int, ...]) -> None:
    data = _base58(address)
    if len(data) != 25:
        raise UnusableAddress("its length is wrong")
    payload, checksum = data[:-4], data[-4:]
    if hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4] != checksum:
        raise UnusableAddress("its checksum is wrong: a character was mistyped")
    if payload[0] not in versions:
        raise UnusableAddress("it belongs to another network")


def _bech32(address: str, prefix: str) -> tuple[list[int], int]:
    """Return the five-bit groups without the checksum, and the kind of checksum (BIP 173 or BIP 350)."""
    if address not in (address.lower(), address.upper()):
        raise UnusableAddress("it mixes small and capital letters")
    given, _, data = address.lower().rpartition("1")
    if given != prefix:
        raise UnusableAddress(f"it does not begin with {prefix}1")
    if len(data) < 7 or any(character not in _BECH32 for character in data):
        raise UnusableAddress("it holds a character that bech32 does not have, or too few")
    groups = [_BECH32.index(character) for character in data]
    check = 1
    for value in [*(ord(c) >> 5 for c in prefix), 0, *(ord(c) & 31 for c in prefix), *groups]:
        top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ value
        for bit, mask in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= mask if top >> bit & 1 else 0
    if check not in (_BECH32_CHECK, _BECH32M_CHECK):
        raise UnusableAddress("its checksum is wrong: a character was mistyped")
    return groups[:-6], check


def _byte_count(groups: list[int]) -> int:
    spare = len(groups) * 5 % 8
    if spare > 4 or (groups and groups[-1] & ((1 << spare) - 1)):
        raise UnusableAddress("its length is wrong")
    return len(groups) * 5 // 8


def _crc16(data: bytes) -> int:
    return binascii.crc_hqx(data, 0)  # XMODEM: both TON and Stellar use it


def _evm(address: str) -> None:
    """Check the form and, where letters are in mixed case, the EIP-55 checksum."""
    if not re.fullmatch(r"0x[0-9A-Fa-f]{40}", address):
        raise UnusableAddress("it is not 0x with 40 hexadecimal digits")
    digits = address[2:]
    if digits in (digits.lower(), digits.upper()):
        return
    mask = keccak_256(digits.lower().encode()).hex()
    right = "".join(c.upper() if int(m, 16) >= 8 else c for c, m in zip(digits.lower(), mask, strict=False))
    if digits != right:
        raise UnusableAddress("its checksum (EIP-55) is wrong: a character was mistyped")


def _tron(address: str) -> None:
    _base58_check(address, versions=(0x41,))


def _solana(address: str) -> None:
    if len(_base58(address)) != 32:
        raise UnusableAddress("it is not 32 bytes in base58")


def _bnb_beacon(address: str) -> None:
    groups, check = _bech32(address, "bnb")
    if check != _BECH32_CHECK or _byte_count(groups) != 20:
        raise UnusableAddress("its length is wrong")


def _bitcoin(address: str) -> None:
    """Check a base58 address (versions 0 and 5) or a witness program (BIP 141, 350)."""
    if not address.lower().startswith("bc1"):
        _base58_check(address, versions=(0x00, 0x05))
        return
    groups, check = _bech32(address, "bc")
    version, size = (groups or [17])[0], _byte_count(groups[1:])
    if (check == _BECH32_CHECK) != (version == 0):
        raise UnusableAddress("its checksum is that of another version")
    if version > 16 or size not in ((20, 32) if version == 0 else range(2, 41)):
        raise UnusableAddress("its length is wrong")


def _ton(address: str) -> None:
    """Check the user-friendly form: flags, workchain, 32 bytes, CRC-16 (TEP-2)."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{48}", address):
        raise UnusableAddress("it is not 48 characters of base64url")
    data = base64.urlsafe_b64decode(address)
    if _crc16(data[:34]) != int.from_bytes(data[34:]):
        raise UnusableAddress("its checksum is wrong: a character was mistyped")
    if data[0] & 0x80:
        raise UnusableAddress("it is for the test network")
    if data[0] not in (0x11, 0x51) or data[1] not in (0x00, 0xFF):
        raise UnusableAddress("it is of an unknown kind")


def _ripple(address: str) -> None:
    _base58_check(address.translate(_RIPPLE), versions=(0x00,))


def _stellar(address: str) -> None:
    """Check the form of a public key: version, 32 bytes, CRC-16 (SEP-23)."""
    if not re.fullmatch(r"G[A-Z2-7]{55}", address):
        raise UnusableAddress("it is not G with 55 characters of base32")
    data = base64.b32decode(address)
    if _crc16(data[:-2]) != int.from_bytes(data[-2:], "little"):
        raise UnusableAddress("its checksum is wrong: a character was mistyped")


_FORMS: Mapping[str, Callable[[str], None]] = {
    **dict.fromkeys(("erc20", "bep20", "matic20", "matic20-test", "arbitrum"), _evm),
    "trc20": _tron,
    "spl": _solana,
    "bep2": _bnb_beacon,
    "btc": _bitcoin,
    "ton": _ton,
    "xrp": _ripple,
    "xlm": _stellar,
}
# Networks where one address serves many people and the memo says whose money it is (the provider's
# `addressTag`).
_NEEDS_MEMO = frozenset({"xrp", "xlm"})


def is_known(network: str) -> bool:
    """Return whether the form of the network's addresses is known."""
    return network in _FORMS


def check_address(network: str, address: str, *, memo: str | None = None) -> None:
    """Check an address and its memo. On an unknown network nothing is checked.

    Raises:
        UnusableAddress: the address cannot exist on the network, or its memo is missing.
    """
    if (check := _FORMS.get(network)) is not None:
        check(address)
    if network in _NEEDS_MEMO and not memo:
        raise UnusableAddress("it needs a memo")
