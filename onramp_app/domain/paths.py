"""Where a browser may be sent after signing in: within this site, whatever the address asked for."""

from urllib.parse import unquote

HOME = "/home"
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
    """Return `wanted` when it can only be an address on this site, otherwise `/home`.

    Browsers read `//host`, `/\\host` and `/<tab>/host` as another site (WHATWG URL, relative slash
    state), so these are refused, quoted ones too (OWASP: unvalidated redirects).
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
