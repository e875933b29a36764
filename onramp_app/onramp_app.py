"""Composition root: puts the settings, the API, the pages and the life of the process together. No logic."""

import onramp_app.telemetry.garbage  # isort: skip -- before everything that takes time
import onramp_app.telemetry.light  # isort: skip -- before anything imports redis

import atexit
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import reflex as rx
from reflex.constants import Dirs
from reflex.utils.prerequisites import get_web_dir
from reflex_base.environment import environment
from starlette.types import ASGIApp

from onramp_app.api.frame.connections import watched_connections
from onramp_app.api.frame.ending import Ending
from onramp_app.api.frame.gate import before_private_pages
from onramp_app.api.frame.headers import with_headers
from onramp_app.api.frame.sockets import before_sockets
from onramp_app.config import get_settings
from onramp_app.fleet.watch import background_tasks
from onramp_app.logs import configure_logs
from onramp_app.running.lifecycle import web_instance
from onramp_app.running.retention import purge_daily
from onramp_app.texts import DEFAULT_LANGUAGE
from onramp_app.web.parts.layout import failure_boundary
from onramp_app.web.routes import add_pages, head_components
from onramp_app.web.tabs.admission import SessionMiddleware
from onramp_app.web.tabs.push import keep_tabs_current
from onramp_app.web.tabs.session import log_frontend_problem, show_backend_problem
from onramp_app.web.tabs.socket import guard_socket

settings = get_settings()


def _configure_logs() -> None:
    configure_logs(level=settings.log_level, style=settings.log_style)


_configure_logs()


ending = Ending()


class _Application(rx.App):
    def __call__(self) -> ASGIApp:
        _configure_logs()  # again, now that the server has set up its loggers
        # Reflex puts layers of its own around every `api_transformer`; their answers need the headers too.
        has_pages = environment.REFLEX_MOUNT_FRONTEND_COMPILED_APP.get()
        pages_folder = get_web_dir() / Dirs.STATIC if has_pages else None
        served = ending.around(with_headers(super().__call__(), settings, pages_folder=pages_folder))
        # What the start has built stays until the end. Looking through all of it for garbage, as Python does
        # now and then, keeps everybody waiting for a fifth of a second or more.
        gc.collect()
        gc.freeze()
        return served


@asynccontextmanager
async def _life(app: rx.App) -> AsyncIterator[None]:
    async with (
        web_instance(settings),
        ending.heard(),
        watched_connections(),
        background_tasks(purge_daily(), keep_tabs_current(app)),
    ):
        yield


def _with_api(pages: ASGIApp) -> ASGIApp:
    # Only what serves needs the API. A process that compiles pages would wait for it for most of a second.
    from onramp_app.api.build import before_pages, create_api

    return before_pages(create_api(settings.app_name))(pages)


app = _Application(
    api_transformer=[before_private_pages, before_sockets, _with_api],
    app_wraps={(55, "ErrorBoundary"): failure_boundary},
    toaster=None,
    backend_exception_handler=show_backend_problem,
    frontend_exception_handler=log_frontend_problem,
    html_lang=DEFAULT_LANGUAGE,
    head_components=head_components(),
    stylesheets=["/theme.css", "/top-up.css", "/wallet.css", "/wizard.css"],
)
guard_socket(app)
app.add_middleware(SessionMiddleware())
app.register_lifespan_task(_life)
add_pages(app)
onramp_app.telemetry.garbage.look_again()
# At its end Python looks once more, while everything is still there. What was left aside then would end after
# the modules that it needs: a build of the pages closed with errors of Reflex's variables.
atexit.register(gc.unfreeze)
