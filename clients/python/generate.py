"""Writes `wallet_client/routes.py` from the application's OpenAPI document: run it after a change of the API.

Run: `python clients/python/generate.py`, where the application's requirements are installed. A generator of
clients from PyPI was tried: it made 46 files with 5,900 lines of these routes.
"""

import asyncio
import keyword
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import httpx

PROJECT = Path(__file__).resolve().parents[2]
TARGET = Path(__file__).with_name("wallet_client") / "routes.py"
# The first part of a path, and the name of its routes in the client.
GROUPS = {
    "users": "users",
    "debits": "debits",
    "add-money-links": "links",
    "webhook-endpoints": "webhook_endpoints",
}
_HEAD = '''"""What the wallet's API offers programs. Written by `generate.py`; change nothing here.

Amounts are decimal texts, times are RFC 3339 in UTC, and ids are texts without a meaning.
"""

from typing import {typing}
from urllib.parse import quote

from wallet_client.calls import OMITTED, Calls

'''
_PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_WIDTH = 110


def document() -> dict[str, Any]:
    """Return the application's OpenAPI document."""
    sys.path.insert(0, str(PROJECT))
    from onramp_app.api.build import create_api

    async def ask() -> Any:
        transport = httpx.ASGITransport(create_api("Wallet"))
        async with httpx.AsyncClient(transport=transport, base_url="http://wallet") as client:
            return (await client.get("/api/openapi.json")).json()

    found: dict[str, Any] = asyncio.run(ask())
    return found


def written(api: dict[str, Any]) -> str:
    """Return the text of the module."""
    groups: dict[str, list[str]] = {name: [] for name in GROUPS.values()}
    used: dict[str, None] = {}
    for path, operations in api["paths"].items():
        for method, operation in operations.items():
            if "programs" in operation.get("tags", ()):
                group = GROUPS[path.split("/")[2]]
                groups[group].append(_method(api, path, method.upper(), operation, used))
    shapes = _shapes(api, list(used))
    classes = [_group(name, methods) for name, methods in groups.items() if methods]
    wallet = _wallet([name for name, of in groups.items() if of])
    body = "\n\n".join([*shapes, *classes, wallet])
    needed = [
        name for name in ("Any", "Literal", "NotRequired", "TypedDict") if re.search(rf"\b{name}\b", body)
    ]
    command = [sys.executable, "-m", "ruff", "format", "--quiet", "--stdin-filename", str(TARGET), "-"]
    text = _HEAD.format(typing=", ".join(needed)) + body
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout  # noqa: S603


def _shapes(api: dict[str, Any], names: list[str]) -> list[str]:
    """Return the TypedDicts of the schemas, and of those that they are made of, each before its use."""
    done: dict[str, str] = {}

    def write(name: str) -> None:
        if name in done:
            return
        schema, used = api["components"]["schemas"][name], dict[str, None]()
        if "properties" not in schema:
            done[name] = f"{name} = {_type(schema, used)}\n"
            return
        lines = [f"class {name}(TypedDict):", _docstring([_sentence(schema.get("description", ""))], 4), ""]
        for field, of in schema["properties"].items():
            word = _type(of, used)
            lines.append(
                f"    {field}: {word if field in schema.get('required', ()) else f'NotRequired[{word}]'}"
            )
        for one in used:
            write(one)
        done[name] = "\n".join(lines) + "\n"

    for name in names:
        write(name)
    return list(done.values())


def _type(schema: dict[str, Any], used: dict[str, None]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        used[name] = None
        return str(name)
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_type(one, used) for one in schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        return (
            f"Literal[{', '.join(repr(one) for one in schema.get('enum', [schema.get('const')]))}]".replace(
                "'", '"'
            )
        )
    kind = schema.get("type")
    if kind == "array":
        return f"list[{_type(schema['items'], used)}]"
    if kind == "object":
        named = next(iter(schema.get("patternProperties", {}).values()), {})
        of = schema.get("additionalProperties") or named
        of = of if isinstance(of, dict) else {}
        return f"dict[str, {_type(of, used)}]"
    return _PLAIN.get(str(kind), "Any")


def _method(
    api: dict[str, Any], path: str, method: str, operation: dict[str, Any], used: dict[str, None]
) -> str:
    name = operation["operationId"].partition("_api_")[0]
    in_path = re.findall(r"{(\w+)}", path)
    query = [one for one in operation.get("parameters", ()) if one["in"] == "query"]
    fields, required = dict[str, Any](), set[str]()
    if body := operation.get("requestBody"):
        reference = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        fields = api["components"]["schemas"][reference]["properties"]
        required = set(api["components"]["schemas"][reference].get("required", ()))
    given = {one["name"]: one["schema"] for one in query} | fields
    required |= {one["name"] for one in query if one.get("required")}
    arguments = [f"{_name(one)}: {_type(given[one], used)}" for one in given if one in required]
    # To change something, null says something else than nothing.
    nothing = "OMITTED" if method == "PATCH" else "None"
    arguments += [
        f"{_name(one)}: {_optional(_type(given[one], used))} = {nothing}"
        for one in given
        if one not in required
    ]
    star = ["*"] if arguments else []
    signature = ", ".join(["self", *(f"{one}: str" for one in in_path), *star, *arguments])
    answer = _answer(operation, used)
    address = re.sub(r"{(\w+)}", r'{quote(\1, safe="")}', path)
    call = [repr(method).replace("'", '"'), f'f"{address}"' if in_path else f'"{address}"']
    if query:
        call.append(f"query={_dict([one['name'] for one in query])}")
    if body:
        call.append(f"body={_dict(list(fields))}")
    back = "" if answer == "None" else f"answer: {answer} = "
    lines = [f"    def {name}({signature}) -> {answer}:", _docstring(_about(operation), 8)]
    lines += [f"        {back}self._calls.ask({', '.join(call)})"]
    lines += [] if answer == "None" else ["        return answer"]
    return "\n".join(lines) + "\n"


def _answer(operation: dict[str, Any], used: dict[str, None]) -> str:
    success = next(of for status, of in operation["responses"].items() if status.startswith("2"))
    content = success.get("content", {})
    if "application/json" in content:
        return _type(content["application/json"]["schema"], used)
    return "str" if content else "None"


def _about(operation: dict[str, Any]) -> list[str]:
    (scopes,) = (next(iter(one.values())) for one in operation["security"])
    codes = sorted(
        code
        for status, of in operation["responses"].items()
        if not status.startswith("2")
        for code in re.findall(r"`(\w+)`", of["description"])
    )
    return [
        _sentence(operation["description"]),
        f"Needs the scope `{scopes[0]}`.",
        f"Raises `WalletError`, with one of the codes {', '.join(f'`{code}`' for code in codes)}.",
    ]


def _docstring(sentences: list[str], indent: int) -> str:
    margin, sentences = " " * indent, [one for one in sentences if one]
    first, *more = [textwrap.fill(one, _WIDTH - indent) for one in sentences]
    if not more and len(first) + indent + 6 <= _WIDTH:
        return f'{margin}"""{first}"""'
    return textwrap.indent('"""' + "\n\n".join([first, *more]) + '\n"""', margin, lambda line: line != "\n")


def _group(name: str, methods: list[str]) -> str:
    title = "".join(part.capitalize() for part in name.split("_"))
    head = f'class {title}:\n    """The routes `{_path_of(name)}`."""\n\n'
    head += "    def __init__(self, calls: Calls) -> None:\n        self._calls = calls\n"
    return head + "\n" + "\n".join(methods)


def _path_of(group: str) -> str:
    return next(f"/api/{part}" for part, name in GROUPS.items() if name == group)


def _wallet(groups: list[str]) -> str:
    lines = ["class Wallet(Calls):"]
    lines += ['    """The wallet, by an API key. The arguments are those of `Calls`."""', ""]
    lines += [
        "    def __init__(",
        "        self, url: str, api_key: str, *, timeout_seconds: float = 10, tries: int = 4",
    ]
    lines += [
        "    ) -> None:",
        "        super().__init__(url, api_key, timeout_seconds=timeout_seconds, tries=tries)",
    ]
    for name in groups:
        title = "".join(part.capitalize() for part in name.split("_"))
        lines.append(f"        self.{name} = {title}(self)")
    return "\n".join(lines) + "\n"


def _dict(names: list[str]) -> str:
    return "{" + ", ".join(f'"{one}": {_name(one)}' for one in names) + "}"


def _name(field: str) -> str:
    return f"{field}_" if keyword.iskeyword(field) else field


def _optional(word: str) -> str:
    return word if word.endswith("None") else f"{word} | None"


def _sentence(text: str) -> str:
    return " ".join(text.partition("\n\n")[0].split())


if __name__ == "__main__":
    TARGET.write_text(written(document()))
