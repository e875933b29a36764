"""All settings that pages depend on are listed, so that a start detects pages built with other values."""

import pytest

from onramp_app.config import Settings, get_settings
from onramp_app.local.pages import shown_settings
from onramp_app.onramp_app import app

# Another way to set `APP_ENV`.
_SYNONYMS = {"REPLIT_DEPLOYMENT"}


def test_a_page_reads_no_other_setting_while_it_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    read: set[str] = set()
    get = Settings.__getattribute__

    def noted(settings: Settings, name: str) -> object:
        if name in Settings.model_fields:
            read.add(name.upper())
        return get(settings, name)

    settings = get_settings()
    monkeypatch.setattr(Settings, "__getattribute__", noted)
    for page in app._unevaluated_pages.values():
        assert callable(page.component)
        page.component()
    monkeypatch.undo()
    assert read - _SYNONYMS == shown_settings(settings).keys()
