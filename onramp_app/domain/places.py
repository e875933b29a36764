"""Paths on this site: which ones need a signed-in person, and where a browser may be redirected."""

from urllib.parse import unquote

from onramp_app.texts import language_of_path

HOME = "/home"
PRIVATE_PLACES = (HOME, "/activity", "/add-money", "/profile", "/verify")
_MAX_LENGTH = 512
_MAX_UNQUOTING = 3


def _is_plain(path: str) -> bool:
    without_query = path.partition("?")[0].partition("#")[0]
    return (
        path.startswith("/")
        and "//" not in without_query
        and "\\" not in path
        and all(character.isprintable() for character in path)
    )


def own_path(wanted: str | None) -> str:
    """Return `wanted` if it can only be a path on this site, otherwise `/home`.

    Browsers read `//host`, `/\\host` and `/<tab>/host` as another site (WHATWG URL, relative slash
    state), so these are refused, also percent-encoded (OWASP: unvalidated redirects).
    """
    if not wanted or len(wanted) > _MAX_LENGTH or not wanted.isascii():
        return HOME
    text = wanted
    for _ in range(_MAX_UNQUOTING):
        if not _is_plain(text):
            return HOME
        if (unquoted := unquote(text)) == text:
            return wanted
        text = unquoted
    return HOME


def is_private(path: str) -> bool:
    """Return whether the document at `path` (without query) is a private place or below one."""
    _language, route = language_of_path(path)
    return any(route == place or route.startswith((f"{place}/", f"{place}.")) for place in PRIVATE_PLACES)
