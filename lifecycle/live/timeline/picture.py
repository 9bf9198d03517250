"""The timeline's drawings as one SVG file, for README: the months side by side, with their own colours in light and dark."""

import re
from pathlib import Path

from contracts.files import write_whole
from lifecycle.live.timeline.drawing import HEIGHT, WIDTH, drawn_months
from lifecycle.live.timeline.page import style_text
from lifecycle.live.timeline.story import Story

GAP, TOP = 16, 18
RULES = re.compile(r"^(:root|@media \(prefers-color-scheme|svg (text|\.|rect))")  # of the page's style, that drawings need


def write_picture(story: Story, path: Path) -> None:
    """Replace `path`."""
    write_whole(path, picture(story).encode())


def picture(story: Story) -> str:
    """Of the months that have page views for a week at least: days after the last one draw nothing."""
    months = [month for month in drawn_months(story) if sum(day.day.startswith(month.name) for day in story.days) >= 7]
    width, height = len(months) * (WIDTH + GAP) - GAP, HEIGHT + TOP
    body = "".join(
        f'<text x="{number * (WIDTH + GAP) + 4}" y="12">{month.name}</text>'
        + str(month.svg).replace("<svg ", f'<svg x="{number * (WIDTH + GAP)}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" ', 1)
        for number, month in enumerate(months)
    )
    back = f'<rect fill="var(--back)" width="{width}" height="{height}"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
        f"<style>{rules(style_text())}</style>{back}{body}</svg>\n"
    )


def rules(style: str) -> str:
    """Those of a style that drawings need; a rule of several lines ends where its braces do."""
    found, depth = [], 0
    for line in style.splitlines():
        if depth > 0 or RULES.match(line):
            found.append(line)
            depth += line.count("{") - line.count("}")
    return "\n".join(found)
