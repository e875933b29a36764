"""Tokens of links: anything but a token signed here, unaltered, opens no link."""

import base64
import hmac
import random
import secrets
import string

import pytest

from onramp_app.config import get_settings
from onramp_app.domain.ids import new_id
from onramp_app.links import tokens, views
from onramp_app.links.tokens import LENGTH, hash_of, keys_of, read_token
from tests.links.shop import Shop, token_of

ALPHABET = string.ascii_letters + string.digits + "-_"
TRIALS = 5_000


def mutated(  # noqa: PLR0911 - one for each way to alter a text
    token: str, chance: random.Random
) -> object:
    """Return the token altered in its characters, their number or order, or with another link's id."""
    at = chance.randrange(len(token))
    match chance.randrange(7):
        case 0:
            return token[:at] + chance.choice(ALPHABET.replace(token[at], "")) + token[at + 1 :]
        case 1:
            return token[:at] + token[at + 1 :]
        case 2:
            return token[:at] + chance.choice(ALPHABET) + token[at:]
        case 3:
            return token[: len(token) // 2].swapcase() + token[len(token) // 2 :]
        case 4:
            other = base64.urlsafe_b64encode(secrets.token_bytes(16) + base64.urlsafe_b64decode(token)[16:])
            return other.decode()
        case 5:
            return chance.choice([None, 7, "", token + "\n", " " + token, token + "=", "é" * LENGTH, [token]])
        case _:
            return "".join(chance.sample(token, len(token)))


def accepted(token: str, *, rounds: int, seed: int) -> list[object]:
    chance = random.Random(seed)
    found = (mutated(token, chance) for _ in range(rounds))
    return [one for one in found if one != token and read_token(one) is not None]


def test_no_altered_token_is_accepted() -> None:
    keys = keys_of(new_id())
    assert keys is not None
    assert read_token(keys.token) is not None
    seed = secrets.randbits(32)
    assert accepted(keys.token, rounds=TRIALS, seed=seed) == [], seed


def test_a_check_that_compares_too_little_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = keys_of(new_id())
    assert keys is not None
    monkeypatch.setattr(tokens.hmac, "compare_digest", lambda one, other: one[:20] == other[:20])
    assert len(accepted(keys.token, rounds=1_000, seed=1)) > 50


def test_a_token_is_only_ever_a_token() -> None:
    """Neither a return's secret nor a signature made for another purpose opens a link."""
    link_id = new_id()
    keys = keys_of(link_id)
    assert keys is not None
    content = bytes.fromhex(link_id)
    for purpose in (b"returns of add-money links", b"codes of receipts", b""):
        own = hmac.digest(get_settings().secret_key.get_secret_value().encode(), purpose, "sha256")
        mac = hmac.digest(own, content, "sha256")
        assert read_token(base64.urlsafe_b64encode(content + mac).decode()) is None
    assert keys.return_secret not in keys.token


def test_the_key_before_goes_on_working_and_the_one_before_that_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second, third = (secrets.token_hex(32) for _ in range(3))

    def use(key: str, previous: str = "") -> None:
        monkeypatch.setenv("SECRET_KEY", key)
        monkeypatch.setenv("SECRET_KEY_PREVIOUS", previous)
        get_settings.cache_clear()

    use(first)
    link_id = new_id()
    made = keys_of(link_id)
    assert made is not None
    use(second, first)
    assert read_token(made.token) == link_id
    assert keys_of(link_id, token_hash=hash_of(made.token)) == made, "with the same return secret"
    assert keys_of(link_id) != made, "new ones are signed with the new key"
    use(third, second)
    assert read_token(made.token) is None
    assert keys_of(link_id, token_hash=hash_of(made.token)) is None


async def test_what_was_signed_for_no_row_leads_nowhere(shop: Shop) -> None:
    """A valid signature is not enough: the link's row has to have the token."""
    link = await shop.link()
    assert (await views.opened(token_of(link))) is not None
    unknown = keys_of(new_id())
    assert unknown is not None
    assert read_token(unknown.token) is not None
    assert await views.opened(unknown.token) is None
    shop.wallet.run("UPDATE add_money_links SET token_hash = %s", bytes(32))
    assert await views.opened(token_of(link)) is None
