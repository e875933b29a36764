"""How one instance claims the database in production."""

import asyncio
import signal

import psycopg
import pytest
from pydantic import SecretStr

from onramp_app.config import AppEnv, ConfigurationError, Settings, get_settings
from onramp_app.running import lifecycle
from onramp_app.running.claim import claim


def _production(*, redis: bool) -> Settings:
    url = {"redis_url": SecretStr("redis://localhost:6379/0")} if redis else {}
    return get_settings().model_copy(update={"app_env": AppEnv.PRODUCTION, **url})


@pytest.mark.usefixtures("database")
async def test_a_second_instance_without_redis_is_refused_in_production() -> None:
    alone = _production(redis=False)
    async with lifecycle.web_instance(alone):
        with pytest.raises(ConfigurationError, match="set REDIS_URL for all of them"):
            async with claim(alone, handover_seconds=1):
                pytest.fail("two instances run without Redis")
    async with claim(alone, handover_seconds=1):
        pass  # The first instance has left, so the next may start.


@pytest.mark.usefixtures("database")
async def test_a_new_release_waits_for_the_old_one_to_leave() -> None:
    alone = _production(redis=False)
    running = asyncio.Event()

    async def old() -> None:
        async with claim(alone):
            running.set()
            await asyncio.sleep(0.3)

    leaving = asyncio.create_task(old())
    await running.wait()
    async with claim(alone, handover_seconds=10):
        assert leaving.done()


@pytest.mark.usefixtures("database")
async def test_instances_with_redis_share_a_database_and_one_without_is_refused() -> None:
    shared = _production(redis=True)
    async with claim(shared), claim(shared):
        with pytest.raises(ConfigurationError, match="all of them"):
            async with claim(_production(redis=False), handover_seconds=1):
                pytest.fail("an instance without Redis joined others")


END_CLAIMS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE application_name = 'onramp_app instance' AND datname = current_database()"
)
UNTIL = "SELECT until FROM leases WHERE name = 'instance'"


async def test_a_claim_whose_connection_was_lost_is_renewed_on_another(database: str) -> None:
    alone = _production(redis=False)
    async with claim(alone, renew_seconds=0.1):
        with psycopg.connect(database, autocommit=True) as owner:
            async with asyncio.timeout(20):
                while len(owner.execute(END_CLAIMS).fetchall()) == 0:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
                was = owner.execute(UNTIL).fetchone()
                while owner.execute(UNTIL).fetchone() == was:  # noqa: ASYNC110  # a database has nothing to await
                    await asyncio.sleep(0.05)
        with pytest.raises(ConfigurationError, match="set REDIS_URL for all of them"):
            async with claim(alone, handover_seconds=1):
                pytest.fail("two instances run without Redis")
    with psycopg.connect(database) as owner:
        assert owner.execute("SELECT until <= now() FROM leases WHERE name = 'instance'").fetchone() == (
            True,
        )


async def test_an_instance_whose_claim_went_to_another_ends_itself(database: str) -> None:
    terminated = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminated.set)
    try:
        async with claim(_production(redis=False), renew_seconds=0.1):
            with psycopg.connect(database, autocommit=True) as other:
                other.execute("UPDATE leases SET holder = 'another', until = now() + interval '1 hour'")
                await asyncio.wait_for(terminated.wait(), 10)
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)


async def test_an_instance_brings_the_schema_up_to_date(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database)
    get_settings.cache_clear()
    async with lifecycle.web_instance(get_settings()):
        with psycopg.connect(empty_database) as connection:
            assert connection.execute("SELECT count(*) FROM users").fetchone() == (0,)
