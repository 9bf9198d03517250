"""Writes `reports/rollout.html`: one file, no script, no other host."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from contracts.files import write_whole
from lifecycle.monitor.page import wording
from lifecycle.monitor.page import write as monitor_page
from lifecycle.monitor.page.drawing import WIDE, drawn_series
from lifecycle.rollout.control.files import Decision, Remembered
from lifecycle.rollout.page.band import drawn_steps
from lifecycle.rollout.page.content import MetricSeries, page_of

TEMPLATE = "rollout.html.j2"


def write_rollout_page(remembered: Remembered, decisions: Sequence[Decision], path: Path, now_ns: int) -> None:
    """Replace `path` with the page of one rollout."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, rendered(remembered, decisions, now_ns).encode("utf-8", "backslashreplace"))


def rendered(remembered: Remembered, decisions: Sequence[Decision], now_ns: int) -> str:
    """The page. A value that the template needs and is not there is an error, never an empty place."""
    env = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {"moment": wording.moment, "plain_text": wording.plain_text}
    style = Path(monitor_page.__file__).with_name(monitor_page.STYLE).read_text(encoding="utf-8")
    content: dict[str, Any] = page_of(remembered, decisions)
    content["metrics"] = [_drawn(one, number) for number, one in enumerate(content["metrics"])]
    band = drawn_steps(remembered.rollout, now_ns)
    return env.get_template(TEMPLATE).render(content, style=Markup(style), band=band)


def _drawn(one: MetricSeries, number: int) -> dict[str, Any]:
    views = [(view, meaning, drawn_series(trend, f"m{number}-{view}", WIDE)) for view, meaning, trend in one.views]
    return {"title": one.title, "last": one.last, "views": views}
