"""Writes `reports/ab.html`: one file, no script, no other host."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from contracts.files import write_whole
from lifecycle.ab.judged import signed
from lifecycle.ab.page.content import AbPage, page_content, trends_of
from lifecycle.monitor.page import wording
from lifecycle.monitor.page import write as monitor_page
from lifecycle.monitor.page.drawing import WIDE, drawn_series

TEMPLATE = "ab.html.j2"


def write_ab_page(page: AbPage, path: Path) -> None:
    """Replace `path` with the page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, rendered(page).encode("utf-8", "backslashreplace"))


def rendered(page: AbPage) -> str:
    """The page. A value that the template needs and is not there is an error, never an empty place."""
    env = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {name: getattr(wording, name) for name in ("count", "moment", "number", "plain_text", "sentence")}
    env.filters |= {"capital": capital, "signed": signed}
    style = Path(monitor_page.__file__).with_name(monitor_page.STYLE).read_text(encoding="utf-8")
    drawings = [(title, drawn_series(trend, f"difference-{place}", WIDE)) for place, (title, trend) in enumerate(trends_of(page))]
    return env.get_template(TEMPLATE).render(page_content(page), style=Markup(style), drawings=drawings)


def capital(text: str) -> str:
    """With a capital at its beginning; all else as it is."""
    return text[:1].upper() + text[1:]
