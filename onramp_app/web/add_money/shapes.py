"""What the state of the wizard holds, with all text and amounts already composed.

Frozen, and made of primitives only. States are pickled between events, so no class may be renamed or moved.
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
    """A currency in one country; `flag` names its flag's picture, `search` is the text that is searched."""

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
    """A round amount to choose with one tap; `amount` is a decimal string."""

    amount: str
    words: str


@dataclass(frozen=True)
class AllowanceLine:
    """What is left of one of our limits, and what percentage of it is used."""

    label: str
    words: str
    used_percent: int


@dataclass(frozen=True)
class MethodCard:
    """A payment method.

    `rail` names its picture and `kind` is the rail in words, empty if `name` says so already; `closed` says
    why the method cannot be used, `time` how long it usually takes.
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
    """Everything that can be chosen with one currency. An empty `currency` means that nothing is known yet.

    `provider_trouble` says that the provider is slow or down, or has paused the asset on some network, and
    `last_settled_at` (RFC 3339) when a payment was last credited; both are empty while all is well.
    """

    currency: str = ""
    country: str = ""
    currency_value: str = ""
    decimals: int = 2
    sign: str = ""  # The currency's sign, which stands before or after the number.
    sign_is_after: bool = False
    currencies: tuple[CurrencyChoice, ...] = ()
    closed_currencies: tuple[ClosedCurrencies, ...] = ()
    closed: str = ""
    limits: str = ""
    quick: tuple[QuickAmount, ...] = ()
    allowances: tuple[AllowanceLine, ...] = ()
    binding: str = ""  # Which limit applies first, and how much it leaves.
    raises: str = ""  # What further verification would allow; empty where it changes nothing.
    published: str = ""  # The provider's published limit, which is no promise.
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
    """A quote as text. `fees` omits the network fee, which is shown beside the choice of the network.

    Without a quote, `fees` still lists the fees to come, so that no line is added later. `cost` is the total
    cost against the mid-market rate, empty while none is fresh. `short` is the whole bill in a sentence.

    `receive` and `receive_decimals` together are the amount that arrives, cut to a readable length;
    `receive_exact` has all of its decimals. `pay_head` and `pay_decimals` together are `pay`.
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
    """Which of the choices an add-money link has fixed."""

    amount: bool = False
    currency: bool = False
    asset: bool = False


@dataclass(frozen=True)
class Blocked:
    """Why a person may not add money; `mail_address` begins a mail to support, which quotes `reference`."""

    title: str = ""
    text: str = ""
    reference: str = ""
    mail_address: str = ""
