"""Reflex's configuration of the bare application: the defaults, with states in memory."""

import reflex as rx

config = rx.Config(
    app_name="bare_app",
    state_manager_mode=rx.constants.StateManagerMode.MEMORY,
    telemetry_enabled=False,
    disable_plugins=[rx.plugins.SitemapPlugin],
)
