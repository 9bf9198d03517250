"""What the load report and the terminal say of two arms behind one server."""

from collections.abc import Mapping
from typing import Any

from loadtests.report.wording import DASH, count, number, percent


def arm_rows(facts: Mapping[str, Any]) -> list[dict[str, str]]:
    """A row for each release that answered."""
    total = sum(one["number"] for one in facts["answers"])
    return [
        {
            "arm": arm_name(facts, one["version"]),
            "number": count(one["number"]),
            "share": percent(one["number"] / total),
            "p50": with_interval(one["p50_ms"]),
            "p99": with_interval(one["p99_ms"]),
        }
        for one in facts["answers"]
    ]


def arm_name(facts: Mapping[str, Any], version: int) -> str:
    names = {facts["champion"]: "champion", facts["challenger"]: "challenger"}
    return f"{names.get(version, 'another release')} {version}"


def with_interval(found: list[float | None]) -> str:
    """A percentile in ms with its 95 % interval, a dash where too few answers can claim it."""
    value, low, high = found
    return DASH if value is None else f"{number(value)} ms [{number(low)}, {number(high)}]"


def arm_sentences(facts: Mapping[str, Any]) -> list[str]:
    """Shares against the route's, fallbacks, shadow work, and when the challenger was off."""
    found = []
    for one in facts["shares"]:
        low, high = (percent(end) for end in one["interval"])
        found.append(
            f"of {count(one['answers'])} answers to {count(one['keys'])} keys the challenger's were {percent(one['found'])} "
            f"({low} to {high}); route {one['route']} says {percent(one['expected'])}"
        )
    found.append(
        f"{count(facts['instead'])} keys' answers were the champion's instead of the challenger's; fallbacks counted by the "
        f"server: {listed(facts['fallbacks'])}"
    )
    found.append(f"shadow work: {listed(facts['shadows'])}")
    found += [f"the challenger was off from {one['from_s']:g} s to {one['to_s']:g} s: {one['why']}" for one in facts["off"]]
    return found


def listed(numbers: Mapping[str, int]) -> str:
    """What was counted, and how often; none if nothing was."""
    return ", ".join(f"{count(value)} {name.replace('_', ' ')}" for name, value in numbers.items() if value) or "none"


def arm_lines(facts: Mapping[str, Any]) -> list[str]:
    """The same for the terminal."""
    rows = [
        f"{row['arm']}: {row['number']} answers ({row['share']}), p50 {row['p50']}, p99 {row['p99']}" for row in arm_rows(facts)
    ]
    return [*rows, *arm_sentences(facts)]
