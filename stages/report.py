"""Stage `report`: writes reports/model_card.html, one self-contained page about the model.

Reads the reports of the other stages, reports/plots/, the training curves, artifacts/model/model.json and
artifacts/export/manifest.json.
"""

from __future__ import annotations

if __name__ == "__main__":  # before matplotlib is imported, and all that takes its time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

    from contracts.local_libraries import keep_matplotlib_here

    keep_matplotlib_here()

import tempfile
from pathlib import Path
from typing import Any

from contracts.dataset.declaration import Declaration
from stages.entry import run_stage
from stages.files import atomic_path, read_json
from stages.reporting.card import card_context, data_uri, render
from stages.reporting.run_record import write_record
from stages.reporting.training_curves import best_step, plot_training, read_curves
from stages.settings import load_section

REPORTS_DIR = Path("reports")
CURVES_DIR = REPORTS_DIR / "train" / "plots" / "metrics"
PLOTS_DIR = REPORTS_DIR / "plots"
MODEL_PATH, MANIFEST_PATH = Path("artifacts/model/model.json"), Path("artifacts/export/manifest.json")
CARD_PATH = REPORTS_DIR / "model_card.html"
WRITERS = {
    "validation": "validate",
    "split": "split",
    "selection": "fit",
    "parity": "export",
    "baselines": "baselines",
    "evaluation": "evaluate",
}


def main() -> None:
    declaration = load_section("data", Declaration)
    curves = read_curves(CURVES_DIR)
    reports: dict[str, Any] = {name: read_required(REPORTS_DIR / f"{name}.json", stage) for name, stage in WRITERS.items()}
    reports |= {"model": read_required(MODEL_PATH, "train"), "best_step": best_step(curves)}
    manifest = read_required(MANIFEST_PATH, "export")
    figures = {name: data_uri(require(PLOTS_DIR / f"{name}.png", "evaluate")) for name in ("calibration", "ranking", "slices")}
    figures["training"] = training_figure(curves, reports["best_step"])
    page = render(card_context(declaration, reports, manifest, figures))
    with atomic_path(CARD_PATH) as partial:
        partial.write_text(page, encoding="utf-8")
    write_record(CARD_PATH)  # beside the outputs, and none of DVC's
    print(f"report: {CARD_PATH}, {len(page.encode()) / 1024:,.0f} KiB")
    if reports["evaluation"]["shortfall"] is not None:
        print(f"report: {reports['evaluation']['shortfall']}")


def training_figure(curves: dict[str, Any], kept_step: int | None) -> str | None:
    """The training curves as a data: URI, None if there are none."""
    if not curves:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "training.png"
        plot_training(curves, kept_step, path)
        return data_uri(path)


def read_required(path: Path, stage: str) -> Any:
    return read_json(require(path, stage))


def require(path: Path, stage: str) -> Path:
    """`path`, or ValueError that names the stage which writes it."""
    if not path.is_file():
        raise ValueError(f"{path} is missing; run stage {stage} first (`dvc repro report` runs all that is needed)")
    return path


if __name__ == "__main__":
    run_stage(main)
