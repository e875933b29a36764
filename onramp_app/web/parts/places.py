"""Links and addresses in the language of the page that is being built."""

import json

import reflex as rx
from reflex.config import get_config
from reflex.utils.exec import is_prod_mode
from reflex_base.vars import VarData
from reflex_components_core.react_router.dom import ReactRouterLink  # type: ignore[import-untyped]

from onramp_app.texts import current_language, path_in


def path_of(route: str) -> str:
    """Return the address of `route` (such as `/home`) in the current language; English has no prefix."""
    return path_in(current_language(), route)


def link(*children: object, to: str | rx.Var[str], **props: object) -> rx.Component:
    """Return a link to a page of this application that does not reload it. A Var holds a whole route too."""
    address = path_of(to) if isinstance(to, str) else rx.Var.create(path_of("")).to(str) + to.to(str)
    return ReactRouterLink.create(*children, to=address, **props)


def step_link(*children: object, search: str | rx.Var[str], **props: object) -> rx.Component:
    """Return a link to another query of the address that the page has, whichever that is."""
    return ReactRouterLink.create(*children, to=search, **props)


def file_link(
    words: str, *, address: str | rx.Var[str], name: str | rx.Var[str], class_name: str
) -> rx.Component:
    """Return a link by which the browser saves a file of the API under a name."""
    # Otherwise the pages' router follows the link by itself, and finds no page of that address.
    return rx.el.a(words, href=address, reload_document=True, download=name, class_name=class_name)


def api_action(path: str) -> str | rx.Var[str]:
    """Return the address that a plain form posts to.

    In development the API has a port of its own, and the host must be the one that the person typed, because
    a cookie for localhost is not sent to 127.0.0.1. In production the API serves the pages, under any host
    name, so the address is relative.
    """
    if is_prod_mode():
        return path
    address = f"{get_config().api_url.rstrip('/')}{path}"
    return rx.Var(
        f"getBackendURL({json.dumps(address)}).href",
        _var_data=VarData(imports={"$/utils/state": ["getBackendURL"]}),
    ).to(str)
