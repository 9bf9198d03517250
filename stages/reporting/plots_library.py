"""Writes dvc_plots/vega.js, which draws DVC's plots; `python -m stages.reporting.plots_library`. From package vl-convert-python.

DVC's own page loads Vega, Vega-Lite and vega-embed from another host. .dvc/plots_page.html loads this one file beside it.
"""

from __future__ import annotations

if __name__ == "__main__":
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

from pathlib import Path

from stages.entry import run_stage
from stages.files import atomic_path

LIBRARY_PATH = Path("dvc_plots/vega.js")
VEGA_LITE = "5.21"  # of the versions in the package the last with the number 5, which DVC's templates are written for
# The menu of a plot saves it as a picture; its other entries would open a web service.
SNIPPET = """
const menu = {actions: {export: true, source: false, compiled: false, editor: false}};
window.vegaEmbed = (place, spec) => vegaEmbed(place, spec, menu);
"""


def main() -> None:
    with atomic_path(LIBRARY_PATH) as partial:
        partial.write_text(library(), encoding="utf-8")


def library() -> str:
    """A script that sets `window.vegaEmbed` and no other global name."""
    import vl_convert  # 60 MiB, which no stage needs

    return f"(() => {{\n{vl_convert.javascript_bundle(SNIPPET, vl_version=VEGA_LITE)}\n}})();\n"


if __name__ == "__main__":
    run_stage(main)
