"""The security headers of each answer: content policy, framing, sniffing, caching.

Plain ASGI around everything else, so that redirects, refusals and faults carry them too. A header that an
answer sets itself is left alone. In development another server (Vite) serves the pages without these headers,
so only a production build can be judged.

Sources: Content Security Policy 3, the OWASP HTTP Headers cheat sheet, OWASP ASVS 5.0 chapter V3.4.
"""

import base64
import hashlib
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onramp_app.config import Settings
from onramp_app.domain.places import is_private
from onramp_app.top_ups.widget_frame import WIDGET_FEATURES, widget_origin
from onramp_app.verification.frame import KYC_FEATURES, kyc_origin

_Headers = tuple[tuple[bytes, bytes], ...]

_KEEP_NOWHERE = (b"cache-control", b"no-store")
# Without this header browsers guess, and a document from before a release names files that are gone.
_ASK_BEFORE_USE = (b"cache-control", b"no-cache")
_KEEP_FOR_EVER = (b"cache-control", b"public, max-age=31536000, immutable")
# Files that the build names after their content: other content gets another name.
_HASHED = re.compile(r"/assets/.+-[A-Za-z0-9_-]{8}\.[a-z0-9]+")
_FOUND = frozenset((200, 206, 304))
_NO_CONTENT = "default-src 'none'; frame-ancestors 'none'"
_CLOSED_FEATURES = (
    "accelerometer",
    "autoplay",
    "display-capture",
    "encrypted-media",
    "fullscreen",
    "geolocation",
    "gyroscope",
    "hid",
    "idle-detection",
    "local-fonts",
    "magnetometer",
    "midi",
    "payment",
    "picture-in-picture",
    "screen-wake-lock",
    "serial",
    "storage-access",
    "usb",
    "xr-spatial-tracking",
)
# Passkeys are made and shown on our own pages; the payment page in its frame gets none of ours.
_OWN_FEATURES = ("publickey-credentials-create", "publickey-credentials-get")
_TWO_YEARS_SECONDS = 63_072_000


def with_headers(app: ASGIApp, settings: Settings, *, pages_folder: Path | None) -> ASGIApp:
    """Return `app` with the headers on every answer.

    Args:
        app: everything that this server answers.
        settings: names the widget, the origin of the pages, and whether this is production.
        pages_folder: the built pages; None where another server serves them.

    Raises:
        FileNotFoundError: `pages_folder` holds no built pages.
    """
    headers = _HeadersByPath(settings, pages_folder)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        added = headers.of(scope["path"])

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message.get("headers", ())
                names = {name.lower() for name, _ in given}
                every = (
                    added if message["status"] not in _FOUND else (*added, *headers.on_success(scope["path"]))
                )
                rest = every if names.isdisjoint(headers.names) else [h for h in every if h[0] not in names]
                message = {**message, "headers": [*given, *rest]}
            await send(message)

        await app(scope, receive, send_with_headers)

    return serve


class _HeadersByPath:
    """The headers of each address, all made once."""

    def __init__(self, settings: Settings, pages_folder: Path | None) -> None:
        self._common = _common_headers(settings)
        self._nothing = self._with(_NO_CONTENT)
        self._api = (*self._nothing, _KEEP_NOWHERE)
        self.names = frozenset(name for name, _ in self._api)
        self._documents: Mapping[str, _Headers] = {}
        self._files: frozenset[str] = frozenset()
        self._fallback = self._nothing
        if pages_folder is not None:
            self._read_pages(pages_folder, settings)

    def _with(self, policy: str) -> _Headers:
        return (*self._common, (b"content-security-policy", policy.encode()))

    def _read_pages(self, folder: Path, settings: Settings) -> None:
        # The hashes differ by page and build, so they are read from the built pages.
        files = {f"/{path.relative_to(folder).as_posix()}": path for path in folder.rglob("*")}
        self._files = frozenset(name for name in files if not name.endswith(".html"))
        self._documents = {
            address: self._with(
                page_policy(path.read_bytes().decode(), settings, frames_mails=_is_outbox(name))
            )
            for name, path in files.items()
            if name.endswith(".html")
            for address in _addresses(name)
        }
        # Starlette serves this document for files that it does not have, and Reflex for pages with a variable
        # address.
        if (fallback := self._documents.get("/404.html")) is None:
            raise FileNotFoundError(f"{folder} holds no built pages.")
        self._fallback = fallback

    def of(self, path: str) -> _Headers:
        """Return the headers for every answer at `path`, as decoded by the server."""
        if is_api_path(path):
            return self._api
        place = _place(path)
        if (document := self._documents.get(place)) is None:
            document = self._nothing if place in self._files else self._fallback
        if _LINK.match(place):
            document = tuple(
                (name, _ORIGIN_ONLY if name == b"referrer-policy" else of) for name, of in document
            )
        return (*document, _KEEP_NOWHERE) if is_private(place) else document

    def on_success(self, path: str) -> _Headers:
        """Return further headers for a successful answer at `path`: how long browsers may keep it."""
        place = _place(path)
        if is_api_path(path) or is_private(place):
            return ()
        return (_KEEP_FOR_EVER if place in self._files and _HASHED.fullmatch(place) else _ASK_BEFORE_USE,)


# Anybody who has the address of an add-money link can use it, so the page tells it to nobody with what it
# loads, also not to the log of a proxy.
_LINK = re.compile(r"(/[a-z]{2,3})?/link/")
_ORIGIN_ONLY = b"strict-origin"


def _place(path: str) -> str:
    # The file server normalizes addresses like this, and would find a page at //login too.
    return f"/{posixpath.normpath(path).lstrip('/')}"


def is_api_path(path: str) -> bool:
    """Return whether the API answers at `path`, and not a page."""
    return path in ("/api", "/metrics") or path.startswith("/api/")


def _addresses(name: str) -> Iterator[str]:
    """Yield the addresses at which the file server serves the document `name`."""
    yield name
    if name.endswith("/index.html"):
        yield name.removesuffix("/index.html") or "/"


def _common_headers(settings: Settings) -> _Headers:
    features = [
        *(f"{feature}=()" for feature in _CLOSED_FEATURES),
        *(f"{feature}=(self)" for feature in _OWN_FEATURES),
        *(f"{feature}=({_allowed(feature, settings)})" for feature in WIDGET_FEATURES),
    ]
    headers = {
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        # Not `no-referrer`: browsers would then send `Origin: null` with our own forms, which are refused.
        "referrer-policy": "strict-origin-when-cross-origin",
        "permissions-policy": ", ".join(features),
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
    }
    if settings.is_production:
        headers["strict-transport-security"] = f"max-age={_TWO_YEARS_SECONDS}; includeSubDomains"
    return tuple((name.encode(), value.encode()) for name, value in headers.items())


def _framed(settings: Settings) -> tuple[str, ...]:
    """Return the origins that our pages frame: the payment page's and, where used, the identity page's."""
    identity = kyc_origin(settings)
    return tuple(dict.fromkeys((widget_origin(settings), *([identity] if identity else []))))


def _allowed(feature: str, settings: Settings) -> str:
    identity = kyc_origin(settings) if feature in KYC_FEATURES else None
    origins = dict.fromkeys((widget_origin(settings), *([identity] if identity else [])))
    return " ".join(("self", *(f'"{origin}"' for origin in origins)))


def _is_outbox(name: str) -> bool:
    """Return whether a built file is the page of the outbox, which no production build has."""
    return name.rpartition("/outbox")[2] in (".html", "/index.html") and "/outbox" in name


def page_policy(html: str, settings: Settings, *, frames_mails: bool = False) -> str:
    """Return the content policy of a page. Its inline scripts and styles are allowed by their hashes."""
    inline = _Inline.of(html)
    framed = ("'self'",) if frames_mails else _framed(settings)
    # Safari before 15.4 does not count the page's own socket as 'self'.
    socket_origin = settings.ui_origin.replace("http", "ws", 1)
    return "; ".join(
        (
            _NO_CONTENT,
            "base-uri 'none'",
            "form-action 'self'",
            "img-src 'self' data:",
            "font-src 'self'",
            "manifest-src 'self'",
            f"connect-src 'self' {socket_origin}",
            f"frame-src {' '.join(framed)}",
            f"script-src {_sources(inline.scripts)}",
            # Reflex's style library fills an empty style element rule by rule, which needs no more than this.
            f"style-src {_sources([*inline.styles, ''])}",
        )
    )


def documentation_policy(html: str) -> str:
    """Return the content policy of the API's documentation page."""
    inline = _Inline.of(html)
    return "; ".join(
        (
            _NO_CONTENT,
            "base-uri 'none'",
            "form-action 'none'",
            "img-src 'self' data:",  # its icons stand in its style sheet
            "connect-src 'self'",
            f"script-src {_sources(inline.scripts)}",
            f"style-src {_sources(inline.styles)}",
        )
    )


def _sources(inline: list[str]) -> str:
    digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in inline)
    return " ".join(("'self'", *dict.fromkeys(f"'sha256-{digest}'" for digest in digests)))


@dataclass
class _Inline:
    """The texts of a document's inline scripts and styles, as a browser hashes them."""

    scripts: list[str] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, html: str) -> "_Inline":
        found = cls()
        # A browser reads every line end as \n before it hashes (HTML, preprocessing the input stream).
        reader = _InlineReader(found)
        reader.feed(html.replace("\r\n", "\n").replace("\r", "\n"))
        reader.close()
        return found


class _InlineReader(HTMLParser):
    def __init__(self, found: _Inline) -> None:
        super().__init__(convert_charrefs=False)
        self._found = found
        self._texts: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "style":
            self._texts = self._found.styles
        elif tag == "script" and "src" not in dict(attrs):
            self._texts = self._found.scripts
        if self._texts is not None:
            self._texts.append("")

    def handle_data(self, data: str) -> None:
        if self._texts is not None:
            self._texts[-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._texts = None
