"""The dashboard's file is what its panels say, and has Grafana's shape."""

import json

from lifecycle.alerts.dashboard.__main__ import PATH, text
from lifecycle.alerts.dashboard.panels import ROWS
from tests.project.imports import ROOT


def test_the_file_is_up_to_date():
    assert (ROOT / PATH).read_text() == text(), "run `make dashboard`"


def test_panels_do_not_overlap_and_have_numbers_of_their_own():
    panels = json.loads(text())["panels"]
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken and place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells
    assert [panel["id"] for panel in panels] == [*range(1, len(panels) + 1)]
    titles = [panel.title for row in ROWS for panel in row.panels]
    assert [panel["title"] for panel in panels if panel["type"] != "row"] == titles and len({*titles}) == len(titles)


def test_each_panel_asks_the_chosen_prometheus_and_says_what_it_shows():
    values = json.loads(text())
    assert values["templating"]["list"][0]["name"] == "datasource"
    for panel in values["panels"]:
        if panel["type"] == "row":
            continue
        assert panel["datasource"]["uid"] == "${datasource}" and panel["description"]
        assert [target["refId"] for target in panel["targets"]] == ["A", "B", "C"][: len(panel["targets"])]
        assert all(target["instant"] == (panel["type"] == "table") for target in panel["targets"])
