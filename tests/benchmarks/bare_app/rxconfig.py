"""Reflex's configuration of the application that ours is compared with: as it comes, in memory."""

import reflex as rx

config = rx.Config(
    app_name="bare_app",
    state_manager_mode=rx.constants.StateManagerMode.MEMORY,
    telemetry_enabled=False,
    disable_plugins=[rx.plugins.SitemapPlugin],
)
