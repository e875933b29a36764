"""Typed settings: every environment variable the application reads, checked once.

What belongs to other programs, such as proxies, is read by `proxies` and `local.environment`; nothing else
reads the environment. A value that cannot be used becomes a `ConfigurationError`, whose text is one sentence
that names the variable and never its value.
"""

import json
import re
import string
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticUseDefault
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from onramp_app import development_key, production
from onramp_app.setting_forms import (
    PRIVATE_NETWORKS,
    Asset,
    FourEyesAbove,
    HeadsTarget,
    HttpUrl,
    Limits,
    Network,
    PostgresUrl,
    ProxyNetwork,
    PublicUrl,
    RedisUrl,
    ReturnOrigin,
    RpcUrl,
    SetVariables,
    SmtpUrl,
    TreasuryAddress,
    json_without_floats,
    simulated_address,
)

PROJECT_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = PROJECT_DIR / ".data"

_OWN_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
LIVE_API_URL = "https://api.onramp.money"
MIN_DATABASE_CONNECTIONS = 8
_BLANKS = string.whitespace + "\u00a0\u200b\ufeff"  # and what a browser or an editor copies along
_MIN_SECRET_BYTES = 32  # RFC 7518 section 3.2: an HS256 key is at least as long as the hash.


class ConfigurationError(Exception):
    """Settings are missing or unusable; the text is a sentence on each, for whoever starts the program."""


class AppEnv(StrEnum):
    """Where the application runs (`APP_ENV`)."""

    DEVELOPMENT = "development"
    TEST = "test"
    PRODUCTION = "production"


def _is_production(app_env: AppEnv | None, replit_deployment: str | None) -> bool:
    return app_env is AppEnv.PRODUCTION or replit_deployment == "1"


def _text_of(value: object) -> str:
    return str(value.get_secret_value() if isinstance(value, SecretStr) else value).strip(_BLANKS)


class Settings(BaseSettings):
    """All settings, immutable. Names are the environment variables in lower case.

    Built directly it raises `ConfigurationError`, as `load_settings` does.
    """

    model_config = SettingsConfigDict(
        env_file=PROJECT_DIR / ".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    app_env: AppEnv = AppEnv.DEVELOPMENT
    replit_deployment: str | None = None
    replit_domains: str | None = None
    # Without a value the first name under which Replit serves this.
    public_url: PublicUrl | None = Field(default=None, validate_default=True)
    host: str | None = None
    port: int | None = Field(default=None, ge=1, le=65535)
    reflex_backend_port: int = Field(default=8000, ge=1, le=65535)
    # Without a value 1 in production, where we serve no TLS ourselves and so are behind a proxy; else 0.
    trusted_proxy_hops: int = Field(default=None, validate_default=True, ge=0, le=10)
    trusted_proxies: Annotated[tuple[ProxyNetwork, ...], NoDecode] = PRIVATE_NETWORKS

    database_url: PostgresUrl | None = None
    database_owner_url: PostgresUrl | None = None
    database_direct_url: PostgresUrl | None = None
    # Two instances, and something for commands beside them, fit the 20 of a small plan.
    database_connections: int = Field(default=9, le=1000)
    redis_url: RedisUrl | None = None
    secret_key: SecretStr = SecretStr("")
    secret_key_previous: SecretStr | None = None
    audit_key: SecretStr | None = None
    audit_key_previous: SecretStr | None = None
    audit_head_to: HeadsTarget | None = None

    onramp_app_id: int = Field(default=1000, ge=1)
    onramp_api_key: SecretStr = SecretStr("simulator-key")
    onramp_api_secret: SecretStr = SecretStr("simulator-secret")
    onramp_api_secret_previous: SecretStr | None = None
    onramp_api_url: HttpUrl | None = None
    pwned_passwords_url: HttpUrl | None = None
    mid_market_url: HttpUrl | None = None
    onramp_widget_url: HttpUrl | None = None
    onramp_widget_session: Literal["local", "remote", "signed"] = "local"
    onramp_delivered_rule: Literal["actual_minus_gas", "actual"] = "actual_minus_gas"
    onramp_settlement: Literal["auto", "review"] = "auto"
    onramp_tolerance_percent: Decimal = Field(default=Decimal(2), ge=0, le=100)
    onramp_poll_seconds: int = Field(default=6, ge=1, le=3600)
    onramp_requests_per_minute: int = Field(default=120, ge=1, le=10_000)
    onramp_webhook_max_age_seconds: int | None = Field(default=None, ge=1)
    onramp_history_days: int = Field(default=30, ge=1, le=365)
    onramp_white_label: bool = False
    onramp_white_label_headers: Literal["x-onramp", "plain"] = "x-onramp"
    onramp_kyc_origin: PublicUrl | None = None

    assets: Annotated[
        dict[Asset, Annotated[tuple[Network, ...], Field(min_length=1)]], NoDecode, Field(min_length=1)
    ] = {
        "USDT": ("matic20", "bep20"),
        "USDC": ("matic20",),
        "ETH": ("arbitrum",),
    }
    treasury_addresses: Annotated[
        dict[Network, Annotated[tuple[TreasuryAddress, ...], Field(min_length=1)]], NoDecode
    ] = {
        "matic20": simulated_address(1),
        "bep20": simulated_address(2),
        "arbitrum": simulated_address(3),
        "erc20": simulated_address(4),
    }
    limits: Annotated[Limits, NoDecode] = Limits()
    four_eyes_above: Annotated[FourEyesAbove | None, NoDecode] = None

    # Which of these networks can be read, `chain.networks.refuse_unreadable` says at the start.
    chain_rpc: Annotated[
        dict[Network, Annotated[tuple[RpcUrl, ...], Field(min_length=1, max_length=8)]],
        NoDecode,
        Field(max_length=16),
    ] = {}
    chain_confirmations: Annotated[
        dict[Network, Annotated[int, Field(ge=1, le=10_000)]], NoDecode, Field(max_length=16)
    ] = {}

    smtp_url: SmtpUrl | None = None
    mail_from: str | None = Field(default=None, pattern=r"^[^@\s]+@[^@\s]+$|^[^<>]+<[^@\s]+@[^@\s]+>$")
    # Without a value on in production, else off.
    require_confirmed_email: bool = Field(default=None, validate_default=True)
    return_origins: Annotated[tuple[ReturnOrigin, ...], NoDecode, Field(max_length=50)] = ()
    require_operator_factor: bool = Field(default=None, validate_default=True)
    support_email: str | None = Field(default=None, pattern=r"^[^@\s]+@[^@\s]+$")

    background_work: Literal["on", "off"] = "on"
    metrics_token: SecretStr | None = None
    worker_port: int | None = Field(default=None, ge=1, le=65535)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] | None = None
    otel_exporter_otlp_endpoint: HttpUrl | None = None
    retention_days: int = Field(default=90, ge=1)
    app_name: str = Field(default="Wallet", min_length=1, max_length=40)
    provider_name: str = Field(default="Onramp", min_length=1, max_length=40)
    terms_url: HttpUrl | None = None
    privacy_url: HttpUrl | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _take_blanks_off(cls, value: object) -> object:
        """Strip the blanks that a copied line or a mounted file leaves; an empty value counts as not set."""
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if not isinstance(text, str) or not text:
            return value
        text = text.strip(_BLANKS)
        if not text:
            raise PydanticUseDefault
        if text[0] not in "{[" and not text.isprintable():
            raise ValueError("it holds a line break or another character that cannot be seen")
        return text

    @field_validator("host")
    @classmethod
    def _check_host(cls, value: str | None) -> str | None:
        # conda sets HOST to the kind of machine it builds for, as in x86_64-conda-linux-gnu.
        if value and (not re.fullmatch(r"[A-Za-z0-9.:-]+", value) or re.search(r"-(conda|apple)-", value)):
            raise ValueError(
                "it is an address to listen on, such as 0.0.0.0; conda sets it to something else, so unset it"
            )
        return value

    @field_validator("public_url", mode="before")
    @classmethod
    def _find_replits_name(cls, value: object, before: ValidationInfo) -> object:
        names = before.data.get("replit_domains")
        return f"https://{names.split(',')[0].strip()}" if value is None and names else value

    @field_validator("database_connections")
    @classmethod
    def _check_connections(cls, value: int) -> int:
        if value < MIN_DATABASE_CONNECTIONS:
            raise ValueError(
                f"a process needs {MIN_DATABASE_CONNECTIONS} connections at least: five that it holds"
                " and three that requests share"
            )
        return value

    @field_validator("trusted_proxy_hops", mode="before")
    @classmethod
    def _expect_a_proxy(cls, value: object, before: ValidationInfo) -> object:
        if value is not None:
            return value
        is_production = _is_production(before.data.get("app_env"), before.data.get("replit_deployment"))
        return 1 if is_production else 0

    @field_validator("require_confirmed_email", "require_operator_factor", mode="before")
    @classmethod
    def _require_in_production(cls, value: object, before: ValidationInfo) -> object:
        if value is not None:
            return value
        return _is_production(before.data.get("app_env"), before.data.get("replit_deployment"))

    @field_validator("trusted_proxies", "return_origins", mode="before")
    @classmethod
    def _split_at_commas(cls, value: object) -> object:
        return [part.strip() for part in value.split(",")] if isinstance(value, str) else value

    @field_validator("return_origins")
    @classmethod
    def _refuse_plain_returns(cls, value: tuple[str, ...], before: ValidationInfo) -> tuple[str, ...]:
        is_production = _is_production(before.data.get("app_env"), before.data.get("replit_deployment"))
        if is_production and any(not origin.startswith("https://") for origin in value):
            raise ValueError("each must begin with https://, so that nobody on the way changes a result")
        return value

    @field_validator(
        *("assets", "treasury_addresses", "limits", "four_eyes_above", "chain_rpc", "chain_confirmations"),
        mode="before",
    )
    @classmethod
    def _parse_json(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return json_without_floats(value)
        except json.JSONDecodeError as error:
            raise ValueError("it must be JSON") from error

    @field_validator("secret_key", "secret_key_previous", "audit_key", "audit_key_previous")
    @classmethod
    def _check_length(cls, value: SecretStr | None) -> SecretStr | None:
        if value and len(value.get_secret_value().encode()) < _MIN_SECRET_BYTES:
            raise ValueError(f"it is shorter than {_MIN_SECRET_BYTES} bytes")
        return value

    @property
    def sealing_keys(self) -> tuple[SecretStr, ...]:
        """`AUDIT_KEY` and the one before, possibly none; outside production the secret key stands in."""
        if self.audit_key is None:
            return () if self.is_production else (self.secret_key,)
        return tuple(key for key in (self.audit_key, self.audit_key_previous) if key is not None)

    @property
    def log_style(self) -> Literal["console", "json"]:
        """How log lines look: `LOG_FORMAT`, or in production JSON, which a collector reads."""
        return self.log_format or ("json" if self.is_production else "console")

    @property
    def is_production(self) -> bool:
        """Real money: `APP_ENV=production`, or a Replit deployment."""
        return _is_production(self.app_env, self.replit_deployment)

    @property
    def ui_origin(self) -> str:
        """The origin of the pages (RFC 6454), as a browser writes it."""
        return self.public_url or "http://localhost:3000"

    @property
    def ui_origins(self) -> tuple[str, ...]:
        """The origins that browsers may call from: that of the pages; outside production also its twin.

        `localhost` and `127.0.0.1` are two origins with cookies of their own, and people type either.
        """
        twins = {"localhost": "127.0.0.1", "127.0.0.1": "localhost"}
        host = urlsplit(self.ui_origin).hostname or ""
        if self.is_production or host not in twins:
            return (self.ui_origin,)
        return self.ui_origin, self.ui_origin.replace(host, twins[host], 1)

    @property
    def is_on_this_machine(self) -> bool:
        """Whether the pages are opened at an address that means this machine alone."""
        return urlsplit(self.ui_origin).hostname in _OWN_HOSTS

    @property
    def uses_simulator(self) -> bool:
        """Whether the provider is the simulator: not production, and at an address of this machine."""
        host = urlsplit(self.onramp_api_url or "http://localhost").hostname
        return not self.is_production and host in _OWN_HOSTS

    @property
    def mid_market_source(self) -> str | None:
        """Where mid-market rates are read: what is set, else the simulator's, where that is the provider."""
        if self.mid_market_url is not None:
            return str(self.mid_market_url)
        if not self.uses_simulator or self.onramp_api_url is None:
            return None
        return f"{str(self.onramp_api_url).rstrip('/')}/reference-rates"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what is given before the environment, and that before `.env` if anything is there."""
        is_there = isinstance(dotenv_settings, DotEnvSettingsSource) and dotenv_settings.env_vars
        return init_settings, SetVariables(settings_cls), *([dotenv_settings] if is_there else [])

    @property
    def local_api_url(self) -> str:
        """Where a program on this machine, such as the simulator, reaches the API."""
        everywhere = self.listen_host in _OWN_HOSTS or self.listen_host in ("0.0.0.0", "::")  # noqa: S104  # nosec B104
        host = "localhost" if everywhere else self.listen_host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.reflex_backend_port}"

    @property
    def listen_host(self) -> str:
        """The address that servers listen on: loopback outside production, unless `HOST` says otherwise."""
        return self.host or ("0.0.0.0" if self.is_production else "127.0.0.1")  # noqa: S104 -- asked for  # nosec B104

    @model_validator(mode="wrap")
    @classmethod
    def _name_all(cls, given: Any, check: ModelWrapValidatorHandler[Self]) -> Self:
        """Name what is missing beside what cannot be used: what is found one by one costs a start each."""
        try:
            return check(given)
        except ValidationError as error:
            texts = {name: text for name, value in given.items() if (text := _text_of(value))}
            raise ConfigurationError(_sentences(error, texts)) from None

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        names = self.model_fields_set | ({"public_url"} if self.public_url else set())
        given = {name: getattr(self, name) for name in Settings.model_fields if name in names}
        if self.is_production and (why := production.why_unfit(given)) is not None:
            raise ConfigurationError(why)
        now = datetime.now(UTC)
        current = {
            network
            for network, addresses in self.treasury_addresses.items()
            if any(address.until is None or address.until > now for address in addresses)
        }
        without = sorted({network for networks in self.assets.values() for network in networks} - current)
        if without:
            raise ConfigurationError(
                f"TREASURY_ADDRESSES has no current address for {', '.join(without)}, which ASSETS offers."
            )
        return self


def _sentences(error: ValidationError, given: dict[str, str]) -> str:
    """Return a line for each setting that cannot be used, and one for all that production misses."""
    lines = {}
    if given.get("replit_deployment") == "1" or given.get("app_env") == AppEnv.PRODUCTION:
        lines[""] = production.missing(given)
    for one in error.errors(include_url=False, include_input=False):
        # One value may break several rules: that of its own form comes first.
        lines.setdefault(str(one["loc"][0]), _sentence(dict(one)))
    return "\n".join(line for line in lines.values() if line)


def _sentence(error: dict[str, Any]) -> str:
    variable, *inner = (str(part) for part in error["loc"])
    place = f" ({', '.join(inner)})" if inner else ""
    message = error["msg"].removeprefix("Value error, ").rstrip(".")
    if error["type"] == "string_pattern_mismatch":  # a regular expression helps nobody who starts a program
        message = "it does not have the form that .env.example shows"
    return f"{variable.upper()}{place} cannot be used: {message[0].lower()}{message[1:]}."


def load_settings(data_dir: Path = DATA_DIR, **overrides: Any) -> Settings:
    """Read and check the environment (and `.env`).

    Args:
        data_dir: where development keeps its own secret key.
        overrides: settings by name, taken before the environment (tests).

    Raises:
        ConfigurationError: a sentence on each variable at fault.
    """
    try:
        settings = Settings(**overrides)
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError("The file .env cannot be read.") from None
    if not settings.secret_key.get_secret_value():
        key = development_key.kept_key(data_dir / "secret_key", min_length=_MIN_SECRET_BYTES)
        if key is None:
            raise ConfigurationError(
                f"The development key {data_dir / 'secret_key'} cannot be read or made; set SECRET_KEY, or"
                " delete that file and start as the user who owns the folder."
            )
        settings = settings.model_copy(update={"secret_key": SecretStr(key)})
    return settings


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the process's settings, read once. Raises `ConfigurationError` as `load_settings` does."""
    return load_settings()
