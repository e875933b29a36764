"""Reflex's configuration. Imported by every reflex command and again in each worker."""

import asyncio
import os
from typing import Any

os.environ.setdefault("REFLEX_USE_NPM", "1")  # Node and npm come from PyPI; Reflex would download Bun
# Where npm found a package is no part of the lock: each build would change the file that is checked in.
os.environ["npm_config_omit_lockfile_registry_resolved"] = "true"  # noqa: SIM112 - npm reads it so
os.environ.setdefault("REFLEX_CHECK_LATEST_VERSION", "false")  # no call to the network at a start
os.environ["REFLEX_USE_GRANIAN"] = "true"  # Reflex takes another server where it finds one installed
os.environ["GRANIAN_WORKERS"] = "1"  # each worker would run all background work; add instances instead
os.environ.pop("GRANIAN_LOG_LEVEL", None)  # an unknown one ends with a traceback; LOG_LEVEL is ours
# The longest message of a page; a form of ours has a tenth of it. Reflex would take a megabyte.
os.environ.setdefault("REFLEX_SOCKET_MAX_HTTP_BUFFER_SIZE", "65536")
# A page answers a ping at once. What answers none within these 30 seconds is gone, or sends a message without
# an end, of which nothing is seen before it is whole.
os.environ.setdefault("REFLEX_SOCKET_INTERVAL", "15")
os.environ.setdefault("REFLEX_SOCKET_TIMEOUT", "15")


import onramp_app.telemetry.light  # noqa: F401  # isort: skip -- before anything imports redis

import httpx
import reflex as rx
from reflex.utils import build, prerequisites, processes
from reflex_base import constants
from reflex_base.constants.installer import PackageJson
from reflex_base.environment import environment
from reflex_base.plugins import Plugin
from reflex_base.plugins.sitemap import SitemapPlugin

from onramp_app.config import ConfigurationError, Settings
from onramp_app.local import pages
from onramp_app.local.environment import restrict_child_environments
from onramp_app.local.manifest import manifest
from onramp_app.local.server import limit_the_server
from onramp_app.local.start import begin
from onramp_app.proxies import usable_proxies
from onramp_app.web.tabs import browser_end


def _serve(built: pages.Build) -> None:
    pages.serve(built, reflex_build=build, reflex_dir=constants.Reflex.DIR)


def _prepare(settings: Settings) -> None:
    # Loaded by the one process that starts: the others would load the tools of migrations for nothing.
    from onramp_app.commands.progress import shown_progress
    from onramp_app.db.migrate import bring_up_to_date
    from onramp_app.domain.errors import ApplicationError

    try:
        with shown_progress():
            asyncio.run(bring_up_to_date(settings))
    except ApplicationError as error:
        raise ConfigurationError(error.detail) from None


def _reuse_compiled(settings: Settings) -> None:
    web = prerequisites.get_web_dir()
    if prerequisites.needs_reinit():
        pages.forget_compiled(web)  # Reflex is about to write files of its own over ours
    pages.reuse_compiled(web, pages.made_of(settings))


settings = begin(_serve, _prepare, _reuse_compiled)
limit_the_server()

# Node and npm would get every secret of the settings with the environment.
restrict_child_environments(processes)
# Reflex asks package registries how near they are; httpx ends with a traceback at a proxy it cannot use.
httpx._utils.get_environment_proxies = httpx._client.get_environment_proxies = usable_proxies

# Reflex's own command listens on every address of the machine and has no setting for it. The line is
# written to .web once, so what may change from start to start comes from the environment.
PackageJson.Commands.DEV = 'react-router dev --host "$ONRAMP_PAGES_HOST"'
os.environ["ONRAMP_PAGES_HOST"] = settings.host or "localhost"


def _our_state_js(state_js: str) -> str:
    return pages.changed(pages.without_time_and_port(state_js), browser_end.CHANGES)


class _OurStateJs(Plugin):
    """Keeps out of built pages when, and for which port, they were built, and lets pages notice an outage."""

    def pre_compile(self, **context: Any) -> None:
        context["add_modify_task"]("utils/state.js", _our_state_js)

    def update_env_json(self, **_: Any) -> dict[str, Any] | None:
        if environment.REFLEX_ENV_MODE.get() != constants.Env.PROD:
            return None  # in development pages and API have a port each
        places = {one.name: f"http://localhost{one}" for one in constants.Endpoint}
        return {**places, "EVENT": places["EVENT"].replace("http", "ws", 1), "ORIGIN": "of the page"}


class _Noted(Plugin):
    """Notes what the pages of development are made of, for the next start."""

    def pre_compile(self, **_: Any) -> None:
        pages.forget_compiled(prerequisites.get_web_dir())

    def post_compile(self, **_: Any) -> None:
        # Reflex calls this only in processes that serve: another one has made the pages before.
        pages.note_compiled(prerequisites.get_web_dir(), lambda: pages.made_of(settings))


class _Installable(Plugin):
    """Puts the manifest of the installed app beside the pages, under the operator's name."""

    def pre_compile(self, **context: Any) -> None:
        place = f"{constants.Dirs.PUBLIC}/manifest.webmanifest"
        context["add_save_task"](lambda: (place, manifest(settings)))


_values = {
    "app_name": "onramp_app",
    "backend_host": settings.listen_host,
    "cors_allowed_origins": list(settings.ui_origins),
    "redis_url": settings.redis_url.get_secret_value() if settings.redis_url else None,
    # Without Redis the default writes states to files that others can read.
    "state_manager_mode": rx.constants.StateManagerMode.REDIS
    if settings.redis_url
    else rx.constants.StateManagerMode.MEMORY,
    "telemetry_enabled": False,
    "show_built_with_reflex": False,
    "plugins": [rx.plugins.TailwindV4Plugin(), _OurStateJs(), _Noted(), _Installable()],
    "disable_plugins": [SitemapPlugin],
    "frontend_compression_formats": ["brotli", "gzip"],  # in the order of preference
}
for name in _values:
    os.environ.pop(f"REFLEX_{name.upper()}", None)  # it would count for more than the settings

config = rx.Config(**_values)
