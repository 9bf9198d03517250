"""Many entries of a declaration written as one: `{name: "I{1..13}", ...}` and `{names: [a, b], ...}`."""

import re
from typing import Any

RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


def expand_ranges(entries: list[Any]) -> list[Any]:
    """The entries with `{names: [a, b]}` and `{name: "I{1..3}"}` written out, one a column."""
    expanded: list[Any] = []
    for entry in entries:
        if not isinstance(entry, dict):
            expanded.append(entry)
        elif isinstance(entry.get("names"), list | tuple) and "name" not in entry:
            rest = {key: value for key, value in entry.items() if key != "names"}
            expanded += expand_ranges([{"name": name, **rest} for name in entry["names"]])
        elif (match := RANGE.search(str(entry.get("name", "")))) is not None:
            names = [entry["name"].replace(match[0], str(n)) for n in range(int(match[1]), int(match[2]) + 1)]
            expanded += [{**entry, "name": name} for name in names]
        else:
            expanded.append(entry)
    return expanded
