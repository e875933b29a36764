"""What is particular to Replit: its preview is an iframe, and one kind of its deployments sleeps.

https://docs.replit.com/cloud-services/deployments/about-deployments
"""

import tomllib
from pathlib import Path

from onramp_app.config import PROJECT_DIR, Settings

# The deployment target whose machines are stopped while no requests arrive: its current and its former name.
_SLEEPING_TARGETS = ("autoscale", "cloudrun")
SLEEPS = (
    "The deployment sleeps while nobody asks (autoscale): open pages lose their connection, and nobody reads"
    " the provider meanwhile, so payments are credited late. Use a reserved VM (deploymentTarget in .replit)."
)
OPEN_A_TAB = "Open it in a tab of its own: the preview is a frame, and our pages are shown in none."


def sleeps(settings: Settings, folder: Path = PROJECT_DIR) -> bool:
    """Return whether this is a Replit deployment that is stopped while no requests arrive."""
    if settings.replit_deployment != "1":
        return False
    try:
        deployment = tomllib.loads((folder / ".replit").read_text())["deployment"]
    except (OSError, ValueError, KeyError):
        return False
    return deployment.get("deploymentTarget") in _SLEEPING_TARGETS
