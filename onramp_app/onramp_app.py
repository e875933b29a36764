"""Composition root: puts the settings, the API, the pages and the lifespan tasks together. No logic."""

import reflex as rx

from onramp_app.api.application import before_pages, create_api
from onramp_app.config import get_settings
from onramp_app.logs import configure_logs
from onramp_app.services.instance import running_instance

settings = get_settings()
configure_logs(
    level=settings.log_level, style=settings.log_format or ("json" if settings.is_production else "console")
)


def index() -> rx.Component:
    """Show that the application runs."""
    return rx.el.main(rx.el.h1(settings.app_name))


app = rx.App(
    api_transformer=[before_pages(create_api(settings.app_name))], enable_state=True, app_wraps={}, theme=None
)
app.register_lifespan_task(running_instance)
app.add_page(index, route="/", title=settings.app_name)
