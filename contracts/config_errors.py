"""One sentence out of a pydantic error: which key, what came, what is allowed."""

from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError


class ConfigError(ValueError):
    """A key of the configuration is misspelt, missing or impossible; the text is one sentence for the user."""


def describe(error: ValidationError, section: str, config_class: type) -> str:
    """One sentence for the first thing pydantic found wrong in `section`, naming key, value and what is allowed."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in (section, *_shown(first["loc"])) if str(part))
    more = f" ({error.error_count() - 1} more to fix)" if error.error_count() > 1 else ""
    if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        allowed = _field_names(config_class, first["loc"][:-1])
        return f"{key} is not a known key; {_hint(str(first['loc'][-1]), allowed)}{more}"
    if first["type"] in ("missing", "missing_argument", "missing_keyword_only_argument"):
        return f"{key} is required and was not given; set it in conf/{more}"
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error":
        return f"{key}: {message}{more}"
    return f"{key}: got {_short(first['input'])}; {message[0].lower()}{message[1:]}{more}"


def _shown(loc: tuple[Any, ...]) -> list[Any]:
    """The path without pydantic's own labels of union members, which mean nothing to a user."""
    return [part for part in loc if not (isinstance(part, str) and ("[" in part or part in ("int", "float", "str")))]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _hint(name: str, allowed: list[str]) -> str:
    close = get_close_matches(name, allowed, n=1)
    meant = f"did you mean '{close[0]}'? " if close else ""
    return f"{meant}allowed: {', '.join(allowed)}"


def _field_names(config_class: type, loc: tuple[Any, ...]) -> list[str]:
    """Names of the fields of the (nested) class that `loc` leads to."""
    current: Any = config_class
    for part in loc:
        if isinstance(part, str) and is_dataclass(current):
            by_name = {field.name: field.type for field in fields(current)}
            current = _dataclass_in(by_name.get(part))
    return [field.name for field in fields(current)] if is_dataclass(current) else []


def _dataclass_in(annotation: Any) -> Any:
    """The dataclass inside an annotation such as `tuple[Column, ...]` or `Shock | None`."""
    if is_dataclass(annotation):
        return annotation
    return next((found for arg in getattr(annotation, "__args__", ()) if (found := _dataclass_in(arg))), None)
