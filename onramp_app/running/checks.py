"""The checks of `python -m onramp_app check`: one function for each part, answering with a plain sentence."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

import psycopg
from sqlalchemy import text

from onramp_app.config import Settings
from onramp_app.db.direct import APPLICATION_ROLE, arguments
from onramp_app.db.engine import execute, transaction
from onramp_app.db.migrate import Schema, latest_revision, schema_is_current, schema_of
from onramp_app.db.outages import AWAY
from onramp_app.domain import clock
from onramp_app.domain.errors import ApplicationError, DatabaseUnavailable
from onramp_app.links import links
from onramp_app.local import replit
from onramp_app.local.reachable import MIN_POSTGRES, why_no_database
from onramp_app.local.server import max_connections, raise_open_files
from onramp_app.mail.delivery import ServerAway, smtp_server_of
from onramp_app.providers.errors import ProviderCredentialsRefused, Suspect
from onramp_app.providers.onramp.client import api_url, client_from, transport_from
from onramp_app.providers.onramp.http.endpoints import CURRENT_TIMESTAMP
from onramp_app.providers.onramp.http.transport import Transport
from onramp_app.providers.onramp.wire import int_or_none
from onramp_app.running import chain_checks, connection_checks, provider_checks
from onramp_app.running.parts import CheckedPart, UnwellError
from onramp_app.treasury import changes
from onramp_app.treasury.address_forms import UnusableAddress, check_address, is_known

_TIMEOUT_SECONDS = 5
ENOUGH_FILES = 4_096
# Longer than any round trip to the provider takes, so a greater difference is the clock's.
MAX_CLOCK_SECONDS = 5
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_REFUSED = {
    Suspect.KEY: "ONRAMP_API_KEY is wrong: the provider does not know this key.",
    Suspect.SECRET: "ONRAMP_API_SECRET is wrong: the provider refuses what is signed with it.",
    Suspect.EITHER: "ONRAMP_API_KEY or ONRAMP_API_SECRET is wrong: the provider refuses them.",
}


async def _database(settings: Settings) -> str:
    if settings.database_url is None:
        return "DATABASE_URL is not set: `reflex run` starts an embedded PostgreSQL."
    try:
        connection = await psycopg.AsyncConnection.connect(
            settings.database_url.get_secret_value(), **arguments("check")
        )
    except psycopg.Error as error:
        url = settings.database_url.get_secret_value()
        raise UnwellError(why_no_database("DATABASE_URL", url, str(error))) from error
    version = connection.info.server_version
    await connection.close()
    major, minor = divmod(version, 10_000)
    if major < MIN_POSTGRES:
        raise UnwellError(f"PostgreSQL {major} is too old: {MIN_POSTGRES} or newer is needed.")
    return f"PostgreSQL {major}.{minor} answers."


async def _migrations(settings: Settings) -> str:
    if settings.database_url is None:
        return "They run at the start of the embedded PostgreSQL."
    async with transaction() as db:
        schema = await schema_of(db)
    match schema:
        case Schema.CURRENT:
            return f"The schema is at {latest_revision()}, the newest."
        case Schema.NEWER:
            return "The schema is of a newer release, and this one can use it."
        case Schema.TOO_NEW:
            raise UnwellError("The schema is of a newer release, and this one cannot use it. Run that one.")
    raise UnwellError("The schema is another release's. Run `python -m onramp_app migrate`.")


_ACCESS_QUERY = text(
    "SELECT CASE WHEN grantee = 0 THEN '' ELSE pg_get_userbyid(grantee) END FROM pg_database,"
    " aclexplode(coalesce(datacl, acldefault('d', datdba)))"
    " WHERE datname = current_database() AND privilege_type = 'CONNECT' ORDER BY 1"
)
_MAKES_TEMPORARY = text("SELECT has_database_privilege(current_database(), 'TEMPORARY')")


async def _database_access(settings: Settings) -> str:
    if settings.database_url is None:
        return f"The embedded PostgreSQL lets in its owner and {APPLICATION_ROLE}."
    async with transaction() as db:
        admitted = list((await execute(db, _ACCESS_QUERY)).scalars())
        makes_temporary = bool((await execute(db, _MAKES_TEMPORARY)).scalar())
    if "" in admitted:
        who = (
            "Every login of the server may connect. Its owner can change that: GRANT CONNECT to those who"
            " should, then REVOKE CONNECT ON DATABASE … FROM PUBLIC."
        )
    else:
        who = (
            f"{', '.join(admitted)} may connect. Any other login, such as one for backups, needs"
            " GRANT CONNECT."
        )
    if makes_temporary:
        who += (
            f" {APPLICATION_ROLE} may make temporary tables, which it never needs. The owner of the database"
            f" can change that: REVOKE TEMPORARY ON DATABASE … FROM PUBLIC, {APPLICATION_ROLE}."
        )
    return who


async def _redis(settings: Settings) -> str:
    if settings.redis_url is None:
        return "REDIS_URL is not set: one instance at most."
    await connection_checks.ask_redis(settings.redis_url.get_secret_value(), seconds=_TIMEOUT_SECONDS)
    return "Redis answers."


async def _mail(settings: Settings) -> str:
    """Log in to the mail server without sending anything."""
    server = smtp_server_of(settings)
    if server is None:
        return "SMTP_URL is not set: emails go to the page /outbox."
    for setting in ("mail_from", "support_email"):
        if getattr(settings, setting) is None:
            raise UnwellError(f"SMTP_URL is set and {setting.upper()} is not.")
    try:
        async with server.opened():
            pass
    except ServerAway as error:
        raise UnwellError(f"The mail server of SMTP_URL cannot be used: {error}.") from error
    return f"The mail server lets us in. Emails come from {settings.mail_from}."


async def _proxies(settings: Settings) -> str:
    hops = settings.trusted_proxy_hops
    if settings.is_production and hops == 0:
        raise UnwellError(
            "TRUSTED_PROXY_HOPS is 0, so everybody has the address of the proxy that serves https for us, "
            "and one person's failed attempts count against all. Set how many proxies there are."
        )
    if hops == 0:
        return "TRUSTED_PROXY_HOPS is 0: no proxies are expected, and nobody's word about an address counts."
    if settings.trusted_proxies == Settings.model_fields["trusted_proxies"].default:
        names = "loopback and private networks"
    else:
        names = ", ".join(map(str, settings.trusted_proxies))
    return (
        f"Up to {hops} proxies (TRUSTED_PROXY_HOPS) in {names} (TRUSTED_PROXIES) are believed about"
        " addresses. Behind a proxy that is not named, or one more of them, all people would have one"
        " address, and together what it may do, such as open 200 pages."
    )


async def _returns(settings: Settings) -> str:
    """Compare the return addresses of links that still work with the allowed `RETURN_ORIGINS`."""
    if settings.database_url is not None:
        async with transaction() as db:
            if not await schema_is_current(db):
                return "Links are looked at once the schema is up to date."
        lost = await links.origins_not_returned_to()
        if lost:
            raise UnwellError(
                f"Links that work lead back to {', '.join(lost)}, which RETURN_ORIGINS does not name: people"
                " who add money by them are not led back."
            )
    if not settings.return_origins:
        return "RETURN_ORIGINS is not set: add-money links lead back nowhere."
    return f"Add-money links may lead back to {', '.join(settings.return_origins)}."


async def _sleep(settings: Settings) -> str:
    if replit.sleeps(settings):
        raise UnwellError(replit.SLEEPS)
    return "Nothing is known that would stop this process while nobody asks."


async def _open_files(_: Settings) -> str:
    files = raise_open_files()
    if files < ENOUGH_FILES:
        raise UnwellError(
            f"This process may open {files} files, enough for {max_connections()} connections. Raise it to"
            f" {ENOUGH_FILES} or more (`ulimit -n`, LimitNOFILE of systemd, ulimits of a container)."
        )
    return f"This process may open {files} files, enough for {max_connections()} connections."


async def _audit(settings: Settings) -> str:
    if not settings.sealing_keys:
        return (
            "AUDIT_KEY is not set: whoever owns the database can rewrite the books and compute their chain"
            " again, and verify-ledger does not find it."
        )
    if settings.audit_head_to is None:
        return (
            "The books are sealed. AUDIT_HEAD_TO is not set: whoever owns the database can still cut off the"
            " newest links together with their seals."
        )
    return "The books are sealed, and their head is kept outside."


async def _treasury_changes(settings: Settings) -> str:
    if settings.database_url is None:
        return "They are recorded at the start of the embedded PostgreSQL."
    async with transaction() as db:
        if not await schema_is_current(db):
            return "They are recorded once the schema is up to date."
        changed = await changes.changed_since_recorded(db, settings)
        recorded_at = await changes.last_recorded_at(db)
    if changed:
        raise UnwellError(
            f"TREASURY_ADDRESSES differs for {', '.join(changed)} from what the last start recorded. If"
            " nobody changed it on purpose, stop and find out who did: deliveries would go there."
        )
    if recorded_at is None:
        return "The first start will record them."
    return f"As recorded; last recorded on {recorded_at:%Y-%m-%d %H:%M} UTC."


def _who(settings: Settings) -> str:
    parts = urlsplit(api_url(settings))
    host = f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
    return f"{'The simulator' if settings.uses_simulator else 'The provider'} at {host}"


@asynccontextmanager
async def _connected(settings: Settings) -> AsyncIterator[Transport]:
    transport = transport_from(settings)
    try:
        yield transport
    except ProviderCredentialsRefused as error:
        raise UnwellError(_REFUSED[error.suspect]) from error
    except ApplicationError as error:
        starts_with_the_app = settings.uses_simulator and settings.onramp_api_url is None
        hint = "it runs while `reflex run` does" if starts_with_the_app else "look at ONRAMP_API_URL"
        raise UnwellError(f"{_who(settings)} does not answer ({hint}): {error.detail}") from error
    finally:
        await transport.close()


async def _provider(settings: Settings) -> str:
    """Make an unsigned request to the provider."""
    async with _connected(settings) as transport:
        await transport.call(CURRENT_TIMESTAMP)
    return f"{_who(settings)} answers."


async def _provider_clock(settings: Settings) -> str:
    """Compare our clock with the provider's; the provider refuses requests signed ahead of its own time."""
    async with _connected(settings) as transport:
        provider_ms = int_or_none((await transport.call(CURRENT_TIMESTAMP)).data)
    if provider_ms is None:
        raise UnwellError("The provider answers with no time that can be read.")
    ahead_seconds = (clock.now() - _EPOCH).total_seconds() - provider_ms / 1000
    where = "ahead of" if ahead_seconds > 0 else "behind"
    if abs(ahead_seconds) > MAX_CLOCK_SECONDS:
        raise UnwellError(
            f"This machine's clock is {abs(ahead_seconds):.0f} s {where} the provider's. Set it by a time"
            " server; until then requests are signed with the provider's time."
        )
    return (
        f"This machine's clock is {abs(ahead_seconds):.1f} s {where} the provider's, the way of its answer"
        " included: they agree."
    )


async def _provider_account(settings: Settings) -> str:
    """Make a signed request, and check that the provider sells everything that `ASSETS` offers."""
    async with _connected(settings) as transport:
        found = await client_from(settings, transport).coins_and_chains()
    for asset, networks in settings.assets.items():
        coin = found.coins.get(asset.lower())
        symbols = (
            {found.chains[chain].symbol for chain in coin.chain_ids if chain in found.chains}
            if coin
            else set()
        )
        for network in networks:
            if network not in symbols:
                raise UnwellError(f"ASSETS offers {asset} on {network}, which the provider does not sell.")
    fit = provider_checks.refuse_addresses(settings, found)
    chains = provider_checks.refuse_other_chains(settings, found)
    return f"The provider accepts key and secret, and sells everything that ASSETS offers. {fit}{chains}"


async def _treasury_addresses(settings: Settings) -> str:
    """Check the form and checksum of every treasury address. Money sent to a wrong address is lost."""
    unknown = set()
    for network, addresses in settings.treasury_addresses.items():
        for number, treasury in enumerate(addresses, start=1):
            try:
                check_address(network, treasury.address, memo=treasury.memo)
            except UnusableAddress as error:
                raise UnwellError(
                    f"TREASURY_ADDRESSES: address {number} of {network} is wrong: {error}."
                ) from None
        if not is_known(network):
            unknown.add(network)
    if unknown:
        names = ", ".join(sorted(unknown))
        return f"Compare those of {names} by hand: their form is not known. All others are right."
    return "Each has the form and, where there is one, the checksum of its network."


# Each returns a sentence about a part that is well, or raises `UnwellError` or `DatabaseUnavailable`.
CHECKS: Mapping[str, Callable[[Settings], Awaitable[str]]] = {
    "database": _database,
    "migrations": _migrations,
    "database role": connection_checks.role,
    "database access": _database_access,
    "database sessions": connection_checks.sessions,
    "database connections": connection_checks.connections,
    "redis": _redis,
    "mail": _mail,
    "treasury addresses": _treasury_addresses,
    "treasury changes": _treasury_changes,
    "audit": _audit,
    "app id": provider_checks.app_id,
    "provider": _provider,
    "provider clock": _provider_clock,
    "provider account": _provider_account,
    "webhooks": provider_checks.webhooks,
    "reading": provider_checks.reading,
    "chain": chain_checks.servers,
    "delivered rule": chain_checks.delivered_rule,
    "proxies": _proxies,
    "returns": _returns,
    "open files": _open_files,
    "sleep": _sleep,
}


async def check_everything(settings: Settings) -> list[CheckedPart]:
    """Return the state of each part, in the order of `CHECKS`. Never raises for a part that is unwell."""
    # Concurrently, so that hosts that drop packets cost one time-out in all, not one for each check.
    parts = await asyncio.gather(*(_checked(name, look_at(settings)) for name, look_at in CHECKS.items()))
    database = next(part for part in parts if part.name == "database")
    if database.is_well:
        return parts
    # A program may read each line alone, so each says which database failed and why, not only that one did.
    return [replace(part, detail=database.detail) if part.detail == AWAY.detail else part for part in parts]


async def _checked(name: str, looking: Awaitable[str]) -> CheckedPart:
    try:
        return CheckedPart(name, is_well=True, detail=await looking)
    except UnwellError as error:
        return CheckedPart(name, is_well=False, detail=str(error))
    except DatabaseUnavailable as error:
        return CheckedPart(name, is_well=False, detail=error.detail)
