"""Reflex's configuration. Imported by every reflex command and again in each worker."""

import os

os.environ.setdefault("REFLEX_USE_NPM", "1")  # Node and npm come from PyPI; Reflex would download Bun

import reflex as rx

config = rx.Config(
    app_name="onramp_app",
    telemetry_enabled=False,
    show_built_with_reflex=False,
    plugins=[rx.plugins.TailwindV4Plugin()],
    frontend_compression_formats=["brotli", "gzip"],
)
