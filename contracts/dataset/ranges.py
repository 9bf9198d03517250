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
            first, last = int(match[1]), int(match[2])
            if first > last:
                raise ValueError(f"the range {match[0]} of '{entry['name']}' is empty; write the smaller number first")
            width = len(match[1]) if match[1].startswith("0") else 0
            before, after = entry["name"][: match.start()], entry["name"][match.end() :]
            expanded += expand_ranges([{**entry, "name": f"{before}{n:0{width}}{after}"} for n in range(first, last + 1)])
        else:
            expanded.append(entry)
    return expanded
