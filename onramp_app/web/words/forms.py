"""Reads what forms send: anybody may have sent it, and anything may stand in it."""

_MAX_FIELD_LENGTH = 1024


def text_of(form: object, name: str) -> str:
    """Return a text of bearable length from a form, or ""."""
    value = form.get(name) if isinstance(form, dict) else None
    if not isinstance(value, str) or len(value) > _MAX_FIELD_LENGTH:
        return ""
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can hold and no database takes
        return ""
    return value
