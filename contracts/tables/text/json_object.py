"""A line of JSON as an object, and what a cell of it says: texts as they are, numbers with all their digits."""

import json
import re
from typing import Any

HALF_A_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")  # may be one alone, which no text can hold


class NoObject(ValueError):
    """A line is no JSON object whose names are all different."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise NoObject("a name twice")
    return found


OBJECTS = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_once)


def parsed_object(line: str) -> dict[str, Any]:
    """The object of a line, numbers as they are written. Raises NoObject."""
    try:
        found = OBJECTS.decode(line)
        if HALF_A_CHARACTER.search(line):
            json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise NoObject(str(error)) from None
    if not isinstance(found, dict):
        raise NoObject("no object")
    return found


def cell_text(value: Any) -> str | None:
    """What a cell without other cells in it says, None where it is missing. Raises NoObject for lists and objects."""
    if isinstance(value, dict | list):
        raise NoObject("a list or an object")
    return value if value is None or isinstance(value, str) else "true" if value else "false"
