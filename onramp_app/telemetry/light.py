"""Keeps redis-py from importing the OpenTelemetry SDK, which it does wherever the SDK is installed.

It would import it for metrics that nobody uses, at the cost of a tenth of a second at each start. Imported
first by the module that starts a process; `telemetry.collector` reverses this if a collector is set.
"""

import sys
from types import ModuleType
from typing import cast

_SDK = "opentelemetry.sdk.metrics"

sys.modules.setdefault(_SDK, cast("ModuleType", None))


def allow_sdk() -> None:
    """Allow the SDK to be imported from now on."""
    if sys.modules.get(_SDK) is None:
        sys.modules.pop(_SDK, None)
