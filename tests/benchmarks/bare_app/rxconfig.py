"""Reflex's configuration for the bare application: the defaults, with states in memory.

When page weights are compared, it is compressed and includes Tailwind's styles, as ours is.
"""

import os

import reflex as rx

_is_compressed = "BARE_IS_COMPRESSED" in os.environ

config = rx.Config(
    app_name="bare_app",
    state_manager_mode=rx.constants.StateManagerMode.MEMORY,
    telemetry_enabled=False,
    plugins=[rx.plugins.TailwindV4Plugin()] if _is_compressed else [],
    frontend_compression_formats=["brotli", "gzip"] if _is_compressed else [],
    disable_plugins=[rx.plugins.SitemapPlugin],
)
