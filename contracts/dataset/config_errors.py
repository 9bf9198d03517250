"""One sentence out of a pydantic error: which key, what came, what is allowed."""

from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import ValidationError

from contracts.dataset.ranges import expand_ranges

UNKNOWN = ("unexpected_keyword_argument", "extra_forbidden")  # what pydantic calls a key that is not declared


class ConfigError(ValueError):
    """A key of the configuration is misspelt, missing or impossible; the text is one sentence for the user."""


def describe(error: ValidationError, section: str, config_class: Any, values: Any = None) -> str:
    """One sentence for the first thing pydantic found wrong in `section`, naming key, value and what is allowed.

    With the `values` that were checked, an entry of a list is named by its `name` instead of its position.
    """
    everything = error.errors(include_url=False)
    found = [one for one in everything if one["type"] != "too_short" or not one["input"]] or everything  # all entries were bad
    first = next((one for one in found if one["type"] in UNKNOWN), found[0])  # a misspelt key is also a missing one
    key = ".".join(str(part) for part in (section, *_shown(first["loc"], values)) if str(part))
    more = f" ({len(found) - 1} more to fix)" if len(found) > 1 else ""
    if first["type"] in UNKNOWN:
        allowed = _field_names(config_class, first["loc"][:-1])
        return f"{key} is not a known key; {hint(str(first['loc'][-1]), allowed)}{more}"
    if first["type"] in ("missing", "missing_argument", "missing_keyword_only_argument"):
        return f"{key} is required and was not given; set it in conf/{more}"
    if first["type"] == "tuple_type" and not isinstance(first["input"], dict):
        return f"{key}: got {_short(first['input'])}; write a list: [{_short(first['input'])}]{more}"
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error":
        return f"{key}: {message}{more}"
    misread = first["type"] == "string_type" and _is_plain(first["input"])
    quotes = " (YAML reads it as such; write it in quotes)" if misread else ""
    return f"{key}: got {_short(first['input'])}; {message[0].lower()}{message[1:]}{quotes}{more}"


def _is_plain(value: Any) -> bool:
    """Was it a word or number in the file that YAML took for something else, such as null, yes or 012."""
    return value is None or isinstance(value, bool | int | float)


def _shown(loc: tuple[Any, ...], values: Any) -> list[Any]:
    """The path as a user wrote it: without pydantic's labels of union members, entries of lists by their names."""
    shown, current = [], values
    for part in loc:
        is_tag = isinstance(current, dict) and part not in current and part == current.get("name")
        if is_tag or (isinstance(part, str) and ("[" in part or part in ("int", "float", "str"))):
            continue
        if isinstance(current, list) and isinstance(part, int):
            current = expand_ranges(current)[part]
            shown.append(current.get("name", part) if isinstance(current, dict) else part)
            continue
        shown.append(part)
        current = current.get(part) if isinstance(current, dict) else None
    return shown


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def hint(name: str, allowed: list[str]) -> str:
    """What may have been meant by `name`, and what is allowed."""
    close = get_close_matches(name, allowed, n=1)
    meant = f"did you mean '{close[0]}'? " if close else ""
    return f"{meant}allowed: {', '.join(allowed)}"


def _field_names(config_class: Any, loc: tuple[Any, ...]) -> list[str]:
    """Names of the fields of the (nested) class that `loc` leads to."""
    current: Any = config_class
    for part in loc:
        if not is_dataclass(current):
            current = _tagged(current, part)
        elif isinstance(part, str):
            by_name = {field.name: field.type for field in fields(current)}
            current = _dataclass_in(by_name.get(part))
    return [field.name for field in fields(current)] if is_dataclass(current) else []


def _tagged(annotation: Any, tag: Any) -> Any:
    """The member of a union of dataclasses whose field `name` is the literal `tag`."""
    if is_dataclass(annotation):
        names = [field.type for field in fields(annotation) if field.name == "name"]
        return annotation if names and tag in get_args(names[0]) else None
    return next((found for arg in get_args(annotation) if (found := _tagged(arg, tag))), None)


def _dataclass_in(annotation: Any) -> Any:
    """The dataclass inside an annotation such as `tuple[Column, ...]` or `Shock | None`."""
    if is_dataclass(annotation):
        return annotation
    return next((found for arg in get_args(annotation) if (found := _dataclass_in(arg))), None)
