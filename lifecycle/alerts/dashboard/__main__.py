"""`python -m lifecycle.alerts.dashboard` (`make dashboard`): writes `deploy/grafana/adclick.json`, which Grafana imports."""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import json
from pathlib import Path

from contracts.files import write_whole
from lifecycle.alerts.dashboard.grafana import dashboard
from lifecycle.alerts.dashboard.panels import ROWS
from serving.entry import run

PATH = Path("deploy/grafana/adclick.json")


def main() -> None:
    write_whole(PATH, text().encode())
    print(f"dashboard: wrote {PATH}, {sum(len(row.panels) for row in ROWS)} panels")


def text() -> str:
    return json.dumps(dashboard("adclick", "adclick", ROWS), indent=1) + "\n"


if __name__ == "__main__":
    run("dashboard", main)
