"""What the wizard remembers, all words and amounts already made.

Frozen and of primitives only: states are pickled between events, so the names here never move.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Choice:
    """One entry of a list to choose from."""

    value: str
    words: str


@dataclass(frozen=True)
class ClosedChoices:
    """Entries that cannot be chosen now, and why."""

    reason: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True)
class CurrencyChoice:
    """A currency in one country; `flag` names the picture of its flag, `search` is what finds it."""

    value: str
    code: str
    name: str
    flag: str
    search: str


@dataclass(frozen=True)
class ClosedCurrencies:
    """Currencies that cannot be chosen now, and why."""

    reason: str
    choices: tuple[CurrencyChoice, ...]


@dataclass(frozen=True)
class QuickAmount:
    """A round amount to choose with one touch; `amount` is a decimal string."""

    amount: str
    words: str


@dataclass(frozen=True)
class AllowanceLine:
    """What is left of one of our limits, and how many percent of it are used."""

    label: str
    words: str
    used_percent: int


@dataclass(frozen=True)
class MethodCard:
    """A payment method.

    `rail` names its picture and `kind` says it in words, unless `name` does so already; `closed` says why it
    cannot be used, `time` how long it usually takes.
    """

    code: str
    name: str
    rail: str
    kind: str
    limits: str
    time: str
    closed: str


@dataclass(frozen=True)
class OfferShown:
    """Everything that can be chosen with one currency. Without a currency nothing is known yet.

    `provider_trouble` says that the provider is slow, away or has paused the asset somewhere, and
    `last_settled_at` (RFC 3339) when a payment was last credited; both are empty while nothing is to be said.
    """

    currency: str = ""
    country: str = ""
    currency_value: str = ""
    decimals: int = 2
    sign: str = ""  # That of the currency, which stands in the field before or after its number.
    sign_is_after: bool = False
    currencies: tuple[CurrencyChoice, ...] = ()
    closed_currencies: tuple[ClosedCurrencies, ...] = ()
    closed: str = ""
    limits: str = ""
    quick: tuple[QuickAmount, ...] = ()
    allowances: tuple[AllowanceLine, ...] = ()
    binding: str = ""  # Which limit applies first, and how much it leaves.
    raises: str = ""  # What being verified further would allow; empty where it changes nothing.
    published: str = ""  # What the provider publishes as its limit, which is no promise.
    assets: tuple[Choice, ...] = ()
    closed_assets: tuple[ClosedChoices, ...] = ()
    networks: tuple[Choice, ...] = ()
    closed_networks: tuple[ClosedChoices, ...] = ()
    methods: tuple[MethodCard, ...] = ()
    provider_trouble: str = ""
    last_settled_at: str = ""


@dataclass(frozen=True)
class BillLine:
    """One line of a bill."""

    label: str
    amount: str


@dataclass(frozen=True)
class Bill:
    """A quote in words. `fees` leaves the network fee out, which stands beside the choice of a network.

    Where there is no quote, `fees` still names what there will be, so that no line appears later. `cost` is
    the total cost against the mid-market rate, empty while none is fresh. `short` is the whole in a sentence.

    `receive` and `receive_decimals` together are about the amount that arrives; `pay_head` and `pay_decimals`
    together are `pay`.
    """

    pay: str = ""
    pay_head: str = ""
    pay_decimals: str = ""
    fees: tuple[BillLine, ...] = ()
    network_fee: str = ""
    all_fees: str = ""
    rate: str = ""
    receive: str = ""
    receive_decimals: str = ""
    receive_words: str = ""
    receive_exact: str = ""
    cost: str = ""
    short: str = ""


@dataclass(frozen=True)
class OpenTopUp:
    """An open top-up. `tone` is that of the tag; `created_at` is RFC 3339."""

    id: str
    title: str
    tag: str
    tone: str
    charged: str
    next: str
    created_at: str
    action: str
    can_cancel: bool


@dataclass(frozen=True)
class Fixed:
    """What cannot be chosen, because an add-money link has chosen it."""

    amount: bool = False
    currency: bool = False
    asset: bool = False


@dataclass(frozen=True)
class Blocked:
    """Why a person may not add money; `reference` is what to quote in the mail that `mail_address` begins."""

    title: str = ""
    text: str = ""
    reference: str = ""
    mail_address: str = ""
