"""A Grafana dashboard as values of JSON, from panels that say what they ask: the parts of Grafana's schema that are used here.

The same panels give the same JSON: places, numbers and identifiers follow from their order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

SCHEMA = 39  # version of dashboards' JSON, of Grafana 11; later ones read it
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS, HEIGHT = 24, 8  # of Grafana's grid
Unit = Literal["short", "reqps", "s", "bytes", "Bps", "percentunit", "celsius", "none"]  # names of Grafana


@dataclass(frozen=True, kw_only=True)
class Ask:
    """An expression of Prometheus and what its series are called; `{{label}}` is the label's value."""

    expr: str
    legend: str


@dataclass(frozen=True, kw_only=True)
class GraphPanel:
    """A plot over time, or a table of what is now."""

    title: str
    about: str  # what it shows and what is worth a look
    asks: Sequence[Ask]
    unit: Unit = "short"
    limit: float | None = None  # drawn as a line
    is_table: bool = False
    width: int = 8  # of COLUMNS


@dataclass(frozen=True, kw_only=True)
class PanelRow:
    title: str
    panels: Sequence[GraphPanel]


def dashboard(title: str, uid: str, rows: Sequence[PanelRow]) -> dict[str, Any]:
    """What Grafana imports. Panels stand side by side as far as they fit."""
    panels, number, y = list[dict[str, Any]](), 0, 0
    for row in rows:
        number += 1
        panels.append(_placed({"type": "row", "title": row.title, "collapsed": False, "panels": []}, number, 0, y, COLUMNS, 1))
        x, y = 0, y + 1
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y = 0, y + HEIGHT
            number += 1
            panels.append(_placed(_panel(panel), number, x, y, panel.width, HEIGHT))
            x += panel.width
        y += HEIGHT
    source = {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "hide": 0, "options": []}
    return {
        "title": title,
        "uid": uid,
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,  # the same moment in all panels
        "refresh": "30s",
        "tags": [uid],
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "utc",
        "templating": {"list": [source]},
        "annotations": {"list": []},
        "panels": panels,
    }


def _placed(panel: dict[str, Any], number: int, x: int, y: int, width: int, height: int) -> dict[str, Any]:
    return {"id": number, **panel, "gridPos": {"x": x, "y": y, "w": width, "h": height}}


def _panel(panel: GraphPanel) -> dict[str, Any]:
    return {
        "type": "table" if panel.is_table else "timeseries",
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "targets": [_target(ask, place, panel.is_table) for place, ask in enumerate(panel.asks)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": {}
        if panel.is_table
        else {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
    }


def _target(ask: Ask, place: int, is_table: bool) -> dict[str, Any]:
    now = {"instant": True, "range": False, "format": "table"} if is_table else {"instant": False, "range": True}
    return {"refId": chr(ord("A") + place), "datasource": SOURCE, "expr": ask.expr, "legendFormat": ask.legend, **now}


def _defaults(panel: GraphPanel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    steps += [] if panel.limit is None else [{"color": "red", "value": panel.limit}]
    found: dict[str, Any] = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    if not panel.is_table:
        line = "off" if panel.limit is None else "line"
        found |= {
            "min": 0,
            "custom": {"lineWidth": 1, "fillOpacity": 5, "showPoints": "never", "thresholdsStyle": {"mode": line}},
        }
    return found
