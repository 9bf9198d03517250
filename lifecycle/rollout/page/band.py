"""The steps of a rollout as a band over time: how much of the users the challenger had, and when."""

from markupsafe import Markup

from lifecycle.monitor.page.drawing import DrawingSize, svg
from lifecycle.monitor.page.wording import moment
from lifecycle.rollout.rollout import Rollout

SIZE = DrawingSize(width=420, height=96)
LEFT, RIGHT, TOP, BOTTOM = 34, 6, 8, 18


def drawn_steps(rollout: Rollout, now_ns: int) -> Markup:
    """An <svg>; empty before the first step."""
    if not rollout.steps:
        return Markup("")
    first, last = rollout.steps[0].from_ns, rollout.steps[-1].until_ns or max(now_ns, rollout.steps[-1].from_ns + 1)
    right, bottom = SIZE.width - RIGHT, SIZE.height - BOTTOM

    def across(ns: int) -> float:
        return LEFT + (right - LEFT) * (ns - first) / max(last - first, 1)

    parts = [f'<path class="axis" d="M{LEFT} {TOP}V{bottom}H{right}"/>']
    for percent in (50, 100):
        y = bottom - (bottom - TOP) * percent / 100
        parts.append(
            f'<path class="grid" d="M{LEFT} {y:.1f}H{right}"/><text class="y" x="{LEFT - 4}" y="{y + 3:.1f}">{percent} %</text>'
        )
    for step in rollout.steps:
        start, end = across(step.from_ns), across(step.until_ns or last)
        height = (bottom - TOP) * step.share_ppm / 1_000_000
        tall, wide = max(height, 1.5), max(end - start, 1.0)
        parts.append(f'<rect class="band" x="{start:.1f}" y="{bottom - tall:.1f}" width="{wide:.1f}" height="{tall:.1f}"/>')
        parts.append(f'<path class="grid" d="M{start:.1f} {TOP}V{bottom}"/>')
    if rollout.outcome == "promoted":
        parts.append(f'<path class="line" d="M{across(last):.1f} {bottom}V{TOP}"/>')
    parts.append(f'<text x="{LEFT}" y="{SIZE.height - 5}">{moment(first)[:10]}</text>')
    parts.append(f'<text class="end" x="{right}" y="{SIZE.height - 5}">{moment(last)[5:10]}</text>')
    told = "; ".join(f"{step.mode} {step.share_ppm / 10_000:g} % from {moment(step.from_ns)}" for step in rollout.steps)
    return svg("".join(parts), SIZE, "steps-band", "Share of the users that the challenger answered", told)
