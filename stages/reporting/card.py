"""The model card: gathers what the template shows, and renders it to one self-contained HTML page."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from contracts.dataset.declaration import Declaration
from stages.evaluation.style import UNITS, title_of
from stages.reporting import wording
from stages.reporting.findings import cautions, verdicts
from stages.reporting.headline import headline
from stages.reporting.run_record import SHOWN
from stages.reporting.tiles import tiles

TEMPLATE = "model_card.html.j2"
ORDER = ("model", "lightgbm", "logistic", "creative_rate", "constant", "oracle")
CHAPTERS = (
    ("summary", "Summary"),
    ("data", "Data"),
    ("selection", "Variable selection"),
    ("training", "Training"),
    ("evaluation", "Evaluation"),
    ("slices", "Slices"),
    ("limits", "Limits"),
    ("lineage", "Lineage"),
)
BAR_PX = 110  # width of the longest bar of the selection table
MODEL_SECTIONS = ("model", "train", "trainer", "features")


def render(context: Mapping[str, Any]) -> str:
    """The page. A value that the template needs and `context` lacks is an error, never an empty place."""
    loader = FileSystemLoader(Path(__file__).parent)
    env = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    env.filters |= {
        "count": wording.count,
        "percent": wording.percent,
        "estimate": wording.estimate,
        "signed": partial(wording.estimate, signed=True),
    }
    return env.get_template(TEMPLATE).render(context)


def card_context(
    declaration: Declaration, reports: Mapping[str, Any], manifest: Mapping[str, Any], figures: Mapping[str, str | None]
) -> dict[str, Any]:
    """What the template shows. `reports` needs validation, split, selection, parity, evaluation, baselines, model."""
    evaluation = reports["evaluation"]
    params = manifest["params"]
    return {
        "chapters": CHAPTERS,
        "data": {
            "name": declaration.name,
            "description": declaration.description.rstrip("."),
            "label": declaration.label.name,
        },
        "subject": "an impression" if declaration.creative is not None else "a row",
        "features": [column for column in reports["selection"]["columns"] if column["kept"]],
        "images": declaration.images is not None,
        "creatives": declaration.creative is not None,
        "model": {"name": params["model"]["name"]},
        "num_parameters": reports["model"].get("num_parameters"),
        "tiles": tiles(evaluation),
        "shortfall": evaluation["shortfall"],
        "headline": headline(evaluation),
        "run_page": SHOWN,
        "verdicts": verdicts(evaluation),
        "cautions": cautions(evaluation, reports["validation"]),
        "left_out": declaration.leave_out,
        **data_context(reports["validation"], reports["split"]),
        "selection": selection_rows(reports["selection"]["columns"]),
        "best_step": reports["best_step"],
        "averaged": wording.percent(params["train"]["average_frac"], 0) if params["train"]["average_frac"] else None,
        "sampled": reports["model"].get("sampled_negatives"),
        "figures": figures,
        "hyperparameters": wording.flat({name: params[name] for name in MODEL_SECTIONS if name in params}),
        "parity": parity_note(reports["parity"]),
        "evaluation": evaluation,
        "confidence": wording.percent(evaluation["settings"]["confidence"], 0),
        "units": UNITS[evaluation["settings"]["resample_by"]],
        "models": _rows(evaluation["models"]),
        "differences": _rows({name: one for name, one in evaluation["differences"].items() if name != "oracle"}),
        "baselines_note": baselines_note(reports["baselines"]),
        "slices": evaluation["slices"],
        "has_rival": "lightgbm" in evaluation["differences"],
        "lineage": lineage(manifest),
        "parameters": wording.flat(params),
    }


def _rows(by_name: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{"key": name, "title": title_of(name), **by_name[name]} for name in ORDER if name in by_name]


def data_context(validation: Mapping[str, Any], split: Mapping[str, Any]) -> dict[str, Any]:
    months = []
    for name in sorted(validation["months"]):
        month = validation["months"][name]
        worst = max(sorted(month["rules"].items()), key=lambda pair: pair[1], default=None)
        months.append({"name": name, **month, "worst": "–" if worst is None else f"{worst[0]} ({worst[1]:,})"})
    rules = sorted(validation["total"].get("rules", {}).items(), key=lambda pair: (-pair[1], pair[0]))
    splits = [
        {
            **split[name],
            "name": name,
            "from": wording.minute(split[name].get("from")),
            "to": wording.minute(split[name].get("to")),
        }
        for name in ("train", "val", "test")
    ]
    left_out = {name: split.get(name, 0) for name in ("excluded", "out_of_time")}
    return {"total": validation["total"], "months": months, "rules": rules, "splits": splits, **left_out}


def selection_rows(columns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Columns by falling score, with a bar; a column without score comes last."""
    scores = [column["score"] for column in columns if column.get("score") is not None]
    top = max([*scores, 1e-12])
    rows = []
    for column in sorted(columns, key=lambda column: (-(column.get("score") or 0.0), column["name"])):
        score = column.get("score")
        bar = 0 if score is None else round(BAR_PX * max(score, 0.0) / top)
        rows.append({**column, "bar": bar, "shown_score": "–" if score is None else f"{score:.5f}"})
    return rows


def baselines_note(report: Mapping[str, Any]) -> str:
    """What the rivals are, in two or three sentences."""
    rate, trees = report["creative_rate"], report["lightgbm"]
    notes = ["All rivals see the training rows only and none sees pixels; what they can choose is chosen on validation rows."]
    if rate["column"] is not None:
        strength = f"{rate['prior_impressions']:g}"
        notes.append(f"The smoothed rate goes by {rate['column']} ({rate['reason']}; prior of {strength} rows).")
    notes.append(f"LightGBM kept {trees['kept']}; {trees['num_trees']} trees were best.")
    if trees["as_rates"]:
        notes.append(f"It sees {', '.join(sorted(trees['as_rates']))} as smoothed rates.")
    return " ".join(notes)


def parity_note(parity: Mapping[str, Any]) -> str:
    gap = max(parity["max_abs_difference"].values())
    return f"The exported graphs and the trained network differ by at most {gap:.1e} in probability over {parity['rows']:,} rows."


def lineage(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(what, sha-256) pairs: data, artifacts, code."""
    data = [(f"data: {name}", digest) for name, digest in sorted(manifest["data"].items())]
    files = [(f"artifact: {name}", digest) for name, digest in sorted(manifest["files"].items())]
    return [*data, *files, ("code that made the model", manifest["code"])]


def data_uri(png: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(png.read_bytes()).decode('ascii')}"
