"""dj-stripe's webhook view: verifies and stores; the processing of events is left to a queue.

Run as a program, it creates its tables and the endpoint.
"""

import os
from typing import Any
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.urls import include, path

SECRET = "whsec_of_the_benchmark"
ENDPOINT = "5a0f8b1e-2f0f-4a53-9f6a-3f0d7c4f2a10"
PATH = f"/stripe/webhook/{ENDPOINT}"

_parts = urlsplit(os.environ["DATABASE_URL"])
_database = {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": _parts.path[1:],
    "USER": _parts.username,
    "PASSWORD": _parts.password,
    "HOST": _parts.hostname,
    "PORT": _parts.port,
    "OPTIONS": {"pool": {"min_size": 8, "max_size": 8}},
}
settings.configure(
    SECRET_KEY="a key for the benchmark",
    ALLOWED_HOSTS=["*"],
    APPEND_SLASH=False,
    DATABASES={"default": _database},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DJSTRIPE_FOREIGN_KEY_TO_FIELD="id",
    DJSTRIPE_WEBHOOK_EVENT_CALLBACK=f"{__name__}.leave_to_the_queue",
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "djstripe"],
    ROOT_URLCONF=__name__,
    STRIPE_TEST_SECRET_KEY="sk_test_benchmark",
    USE_TZ=True,
)
django.setup()
urlpatterns = [path("stripe/", include("djstripe.urls", namespace="djstripe"))]
application = get_wsgi_application()


def leave_to_the_queue(trigger: Any, api_key: str | None = None) -> None:
    """Do nothing more: the row is the queue."""


if __name__ == "__main__":
    from djstripe.models import WebhookEndpoint

    call_command("migrate", verbosity=0)
    WebhookEndpoint.objects.create(
        id="we_benchmark",
        djstripe_uuid=ENDPOINT,
        secret=SECRET,
        url=f"https://wallet.example{PATH}",
        enabled_events=["*"],
        status="enabled",
        livemode=False,
    )
