"""Keeps redis from importing the OpenTelemetry SDK, which it does wherever that is installed.

It has metrics of its own there, which nobody asks for, and a tenth of a second at each start. Imported first
by what starts a process; `telemetry.collector` takes it back where a collector is set.
"""

import sys
from types import ModuleType
from typing import cast

_SDK = "opentelemetry.sdk.metrics"

sys.modules.setdefault(_SDK, cast("ModuleType", None))


def allow_sdk() -> None:
    """Let the SDK be imported from now on."""
    if sys.modules.get(_SDK) is None:
        sys.modules.pop(_SDK, None)
