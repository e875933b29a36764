"""A receipt as PDF: one page, the same bytes each time, and only the letters of a name."""

import re
import zlib
from base64 import a85decode

import pytest

from onramp_app.domain.environment import Environment
from onramp_app.ledger.words import LISTED
from onramp_app.receipts import paper
from onramp_app.receipts.facts import Amount, Holder
from onramp_app.receipts.words import MAX_NAME, Line, paper_lines, plain_text
from tests.receipts.made import top_up_facts, transfer_facts

HOSTILE = (
    "Asha\u202egnirots\u2066\u200f\u200e",
    "\x00\x01\x1b[31m\r\n\tAsha",
    "<b>Asha</b> &amp; <a href='https://evil.example'>",
    "(Asha) Tj ET endstream endobj %%EOF << /Launch >> \\",
    "Z\u0335\u0321\u0322\u034f\u0489" + "\u0300" * 500,
    "\ud83d\ude00 \U0001f600 \ufffe \U0010ffff \u2028\u2029",
    "\u0622\u0634\u0627 \u0906\u0936\u093e",
    "x" * 80,
    " " * 80,
    "\u00ad\u2060\ufeff\u115f",
)


def _pages(file: bytes) -> int:
    return len(re.findall(rb"/Type /Page\b(?!s)", file))


def _drawn(file: bytes) -> bytes:
    """Return the page's drawing operators, decompressed."""
    streams = re.findall(
        rb"/Filter \[ /ASCII85Decode /FlateDecode \].*?stream\r?\n(.*?)endstream", file, re.S
    )
    parts = [zlib.decompress(a85decode(stream.strip().removesuffix(b"~>"))) for stream in streams]
    return b"".join(part for part in parts if b"Tj" in part)


def test_the_same_facts_give_the_same_bytes_and_others_do_not() -> None:
    assert paper.draw(top_up_facts()) == paper.draw(top_up_facts())
    assert paper.draw(top_up_facts()) != paper.draw(top_up_facts(amount=Amount("11.26", "USDT")))


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_leaves_its_line_or_its_page(name: str) -> None:
    file = paper.draw(top_up_facts(holder=Holder(name, "asha@example.org")))
    assert _pages(file) == 1
    structure = re.sub(rb"\bstream\r?\n.*?endstream", b"", file, flags=re.S)
    assert b"/MediaBox" in structure
    assert not re.search(rb"/(Launch|JavaScript|JS|OpenAction|AA|EmbeddedFile)\b|evil", structure)
    assert file.count(b"%%EOF") == 1
    assert len(plain_text(name)) <= MAX_NAME
    assert not re.search(
        "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]", plain_text(name)
    )


def test_a_name_of_marks_alone_stays_in_its_line() -> None:
    assert len(plain_text("a" + "\u0300" * 500)) <= 3


def test_every_value_at_its_longest_still_makes_one_page_above_the_code() -> None:
    facts = top_up_facts(
        environment=Environment.SIMULATOR.value,
        amount=Amount("1" * 20 + "." + "9" * 18, "USDT"),
        paid=Amount("9" * 20 + ".99", "INR"),
        asked=Amount("9" * 20 + ".99", "INR"),
        method="M" * 64,
        network="n" * 32,
        provider_order="1" * 64,
        transaction_hash="h" * 256,
        belongs_to="f" * 32,
        holder=Holder("W" * 80, f"{'w' * 240}@example.org"),
    )
    file = paper.draw(facts)
    assert _pages(file) == 1
    heights = [float(y) for y in re.findall(rb"1 0 0 1 56 ([\d.]+) Tm", _drawn(file))]
    assert min(heights) > paper._MARGIN + paper._CODE_SIDE, heights


def test_only_the_address_of_the_check_can_be_clicked() -> None:
    facts = top_up_facts(holder=Holder("https://evil.example", "asha@example.org"))
    assert re.findall(rb"/URI \((.*?)\)", paper.draw(facts)) == [paper.check_address(facts).encode()]


@pytest.mark.parametrize("kind", sorted(LISTED))
def test_every_kind_of_transfer_that_is_listed_has_a_receipt(kind: str) -> None:
    for number in ("-11.25", "11.25"):
        facts = transfer_facts(kind, number)
        assert _pages(paper.draw(facts)) == 1
        exactly = number.replace("-", "\N{MINUS SIGN}")
        assert Line("Exactly", f"{exactly} USDT") in paper_lines(facts)


def test_money_that_is_not_real_is_marked() -> None:
    real, simulated = (paper.draw(top_up_facts(environment=word)) for word in ("live", "simulator"))
    assert len(_drawn(simulated)) > len(_drawn(real))
