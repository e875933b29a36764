"""Composition root: puts the settings, the API, the pages and the lifespan tasks together. No logic."""

import reflex as rx

from onramp_app.api.application import create_api
from onramp_app.config import get_settings

settings = get_settings()


def index() -> rx.Component:
    """Show that the application runs."""
    return rx.el.main(rx.el.h1(settings.app_name))


app = rx.App(api_transformer=[create_api()], enable_state=True, app_wraps={}, theme=None)
app.add_page(index, route="/", title=settings.app_name)
