"""The champion and the candidate beside each other, as lines for a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from lifecycle.deploy.evidence import Report

HEAD = ("", "champion", "candidate", "difference")


def side_by_side(reports: Sequence[Report]) -> list[str]:
    """A line for each figure that the reports have of both models, and one for each report's verdict."""
    rows = [row for report in reports if report.content is not None for row in _figures(report.content)]
    lines = _table([HEAD, *rows]) if rows else []
    return lines + [f"{report.name}: {_verdict(report)}" for report in reports]


def _figures(content: Mapping[str, Any]) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    if "overall" in content:
        overall = content["overall"]
        before, now, apart = overall["champion"], overall["candidate"], overall["relative"]
        found.append(("log-loss", f"{before['log_loss']:.5f}", f"{now['log_loss']:.5f}", _relative(apart)))
        ratios = [f"{one['observed_over_predicted']:.3f}" for one in (before, now)]
        found.append(("observed / predicted", *ratios, ""))
    return found + [row for check in content.get("checks", []) if (row := _measured(check)) is not None]


def _measured(check: Mapping[str, Any]) -> tuple[str, ...] | None:
    """A figure of the gate that it knows of both models; of a check that has none: None."""
    figures = check["figures"]
    if not {"champion", "candidate", "unit"} <= set(figures) or None in (figures["champion"], figures["candidate"]):
        return None
    scale, unit = (1e3, "ms") if figures["unit"] == "s" and figures["champion"] < 1 else (1, figures["unit"])
    shown = [f"{figures[name] * scale:,.4g} {unit}" for name in ("champion", "candidate")]
    apart = figures.get("growth", figures["candidate"] / figures["champion"] - 1)  # by pairs, where there are some
    return (check["name"], *shown, f"{apart:+.1%}")


def _relative(estimate: Mapping[str, Any]) -> str:
    if estimate["low"] is None:
        return f"{estimate['value']:+.2%}"
    return f"{estimate['value']:+.2%} [{estimate['low']:+.2%}, {estimate['high']:+.2%}]"


def _verdict(report: Report) -> str:
    if report.content is None:
        return report.missing
    return f"{report.content['verdict']}, {'passes' if report.passes else 'does not pass'}: {report.content['reasons'][0]}"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(HEAD))]
    aligned = [[row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in rows]
    return ["  ".join(cells).rstrip() for cells in aligned]
