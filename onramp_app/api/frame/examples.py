"""Gives every JSON body of the OpenAPI document an example, made of examples of its fields.

A field that means the same in several bodies has one example, by its name. What a body says of its own wins.
"""

from typing import Any

_ID = "0197c4b2f3a47d11a2c07d1c5f1b1d10"
_AT = "2026-01-31T09:00:00Z"

# Nobody's: what looks like a secret opens nothing.
_BY_NAME: dict[str, Any] = {
    "access_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.…",  # nosec B105
    "action": "start",
    "address": "203.0.113.7",
    "amount": "1000",
    "as_of": _AT,
    "asset": "USDT",
    "at": _AT,
    "available": "11.25",
    "base": "INR",
    "charged": "yes",
    "client": "0",
    "code": "UPI",
    "country": "IN",
    "created_at": _AT,
    "credential": {"id": "AZfEsvOkfRGiwH0cXxsdEA", "type": "public-key"},
    "currency": "INR",
    "current_password": "quiet harbour lantern 42",  # nosec B105
    "decimals": 6,
    "description": None,
    "detail": "",
    "device": "Firefox on Linux",
    "display_currency": "INR",
    "display_name": "Ada King",
    "email": "ada@example.com",
    "expected_amount": "11.25",
    "expires_at": "2026-01-31T09:00:30Z",
    "expires_in": 600,
    "external_id": "customer-4711",
    "fiat_amount": "1000",
    "fiat_currency": "INR",
    "field": "amount",
    "gateway": "2.5",
    "held": "0",
    "id": _ID,
    "language": "en",
    "last_seen_at": _AT,
    "last_settled_at": _AT,
    "last_used_at": _AT,
    "left": "499000",
    "max": "500000",
    "message": "Enter a valid amount, such as 1,000.",
    "min": "500",
    "name": "Phone",
    "network": "matic20",
    "new_password": "brass kettle morning 17",  # nosec B105
    "next_cursor": None,
    "order_id": "313800940",
    "otp": "492039",
    "owed": "0",
    "password": "quiet harbour lantern 42",  # nosec B105
    "payment_method": "UPI",
    "pending": "0",
    "problem": None,
    "provider_order_id": "313800940",
    "published_time": "instant",
    "rate": "88",
    "reason": None,
    "received_amount": "11.25",
    "received_asset": "USDT",
    "recovery_codes": ["7K2QM-9D4XA"],
    "recovery_codes_left": 10,
    "reference": "order-4711",
    "refresh_token": "rt_AZfEsvOkfRGiwH0cXxsdEA",  # nosec B105
    "return_secret": "5f" * 32,
    "return_url": "https://shop.example.com/paid?order=4711",
    "secret": "JBSWY3DPEHPK3PXP",  # nosec B105
    "settled_at": "2026-01-31T09:03:10Z",
    "since": None,
    "source": "poll",
    "status": "settled",
    "tier": "basic",
    "token": "AZfEsvOkfRGiwH0cXxsdEA",  # nosec B105
    "token_type": "bearer",  # nosec B105
    "top_up_id": _ID,
    "top_up_status": "settled",
    "transaction_hash": "0x" + "9f" * 32,
    "type": "about:blank",
    "updated_at": _AT,
    "uri": "otpauth://totp/Wallet:ada%40example.com?secret=JBSWY3DPEHPK3PXP&issuer=Wallet",
    "url": "https://onramp.money/main/buy/?appId=1000",
    "used": "1000",
    "user_id": _ID,
    "widget_url": "https://onramp.money/main/buy/?appId=1000",
}
# Where the same name means something else.
_BY_PLACE: dict[str, Any] = {
    "AttemptAnswer.status": 204,
    "AttemptAnswer.answer": "",
    "AttemptAnswer.took_ms": 84,
    "AssetAnswer.min": "500",
    "CurrencyAnswer.active": True,
    "CurrencyAnswer.code": "INR",
    "CurrencyAnswer.decimals": 2,
    "CurrencyAnswer.name": "Indian rupee",
    "DisplayAnswer.amount": "990",
    "FeesAnswer.network": "12",
    "FeesAnswer.provider": "7.5",
    "Health.checks": {"database": {"status": "ok", "reason": ""}},
    "Health.status": "ok",
    "Kyc.status": "approved",
    "KycAnswer.status": "approved",
    "LinkAnswer.expires_at": "2026-02-01T09:00:00Z",
    "LinkAnswer.status": "used",
    "LinkAnswer.url": "https://wallet.example.com/link/AZfEsvOkfRGiwH0cXxsdEA",
    "LowBalanceAnswer.amount": "5",
    "NextStepAnswer.url": "https://wallet.example.com/verify",
    "PartState.reason": "",
    "Problem.code": "amount_out_of_limits",
    "Problem.detail": "The amount is outside the limits.",
    "Problem.status": 422,
    "Problem.title": "Unprocessable Content",
    "ProviderOrderAnswer.amount": "11.25",
    "RatesAnswer.rates": {"USDT": "0.01136", "USD": "0.01138"},
    "RatesAnswer.source": "onramp",
    "StartAnswer.url": "https://kyc.example.com/start",
    "StatusAnswer.text": "",
    "TransactionAnswer.amount": "11.25",
    "TransactionAnswer.provider": "onramp",
}
# Bodies of no described form, by the path of their route.
_BY_PATH: dict[str, Any] = {
    "/api/auth/email": None,
    "/api/auth/email/confirmation": None,
    "/api/auth/password/forgot": None,
    "/api/auth/factors/passkeys/options": {
        "challenge": "AZfEsvOkfRGiwH0cXxsdEA",
        "rp": {"id": "wallet.example.com", "name": "Wallet"},
    },
    "/api/auth/me/export": {"account": {"id": _ID, "email": "ada@example.com"}},
    "/api/transactions/{transaction_id}/support.json": {"id": _ID, "reference": "1D10", "status": "settled"},
    "/api/webhooks/onramp": {"orderId": 313800940, "status": 4, "merchantRecognitionId": "9f2c"},
}


def add_examples(document: dict[str, Any]) -> None:
    """Give every JSON body one example, where it has none.

    Raises:
        KeyError: a field has no example of its own, and none by its name: add one here.
    """
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        for example in schema.get("examples", ()):
            _fill(example, schema, schemas)
        _example_of(name, schemas)
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for body in (operation.get("requestBody", {}), *operation["responses"].values()):
                for kind, content in body.get("content", {}).items():
                    if kind == "application/json":
                        _add_example(content, path, schemas)


def _add_example(content: dict[str, Any], path: str, schemas: dict[str, Any]) -> None:
    schema = content["schema"]
    if "properties" in schema:  # It stands here and has no name.
        content["example"] = {
            name: _value("", name, of, schemas) for name, of in schema["properties"].items()
        }
    elif "anyOf" in schema:
        content["example"] = _value("", "", schema, schemas)
    elif "$ref" not in schema:
        content["example"] = _BY_PATH[path]


def _fill(example: Any, schema: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Write the nulls again, which the framework leaves out of examples, where a field has to be there."""
    schema = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    if isinstance(example, list):
        for one in example:
            _fill(one, schema.get("items", {}), schemas)
    elif isinstance(example, dict):
        properties = schema.get("properties", {})
        for field in schema.get("required", ()):
            example.setdefault(field, None)
        for field, of in properties.items():
            if example.get(field) is not None:
                _fill(example[field], of, schemas)


def _example_of(name: str, schemas: dict[str, Any]) -> Any:
    schema = schemas[name]
    if "properties" not in schema:
        return _value(name, "", schema, schemas)
    if "examples" not in schema:
        found = {field: _value(name, field, of, schemas) for field, of in schema["properties"].items()}
        schema["examples"] = [found]
    return schema["examples"][0]


def _value(of: str, field: str, schema: dict[str, Any], schemas: dict[str, Any]) -> Any:  # noqa: PLR0911 - a table
    if f"{of}.{field}" in _BY_PLACE:
        return _BY_PLACE[f"{of}.{field}"]
    if "examples" in schema:
        return schema["examples"][0]
    if "$ref" in schema:
        return _example_of(schema["$ref"].rpartition("/")[2], schemas)
    if schema.get("type") == "array":
        return [_value(of, field, schema["items"], schemas)] if "$ref" in schema["items"] else _BY_NAME[field]
    variants = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    if variants and (
        "$ref" in variants[0] or "examples" in variants[0] or variants[0].get("type") == "array"
    ):
        return _value(of, field, variants[0], schemas)
    allowed = next((one["enum"] for one in (schema, *variants) if "enum" in one), None)
    if allowed is not None:
        return _BY_NAME[field] if _BY_NAME.get(field) in allowed else allowed[0]
    if schema.get("type") == "boolean":
        return False
    return _BY_NAME[field]
