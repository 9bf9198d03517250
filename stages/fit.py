"""Stage fit: reads the training split, the creatives' ids and, where training starts from the champion's weights, its columns
and scales, which stay; writes `artifacts/encoder.onnx`,
`artifacts/features.json` (what the encoder's columns mean), `artifacts/reference_profile.json` and the selection
report `reports/selection.json`.
"""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import polars as pl
from tqdm import tqdm

from contracts.dataset.columns import Column
from contracts.dataset.declaration import Declaration
from stages.entry import run_stage
from stages.features.computed import described_computed, fit_computed, taken, with_parts_of_crosses
from stages.features.config import FeaturesConfig
from stages.features.graph import build_encoder, dense_names
from stages.features.lists import JudgedColumns, Part, described_lists, fit_slots, names_of_parts, slots
from stages.features.looks import looks_profile
from stages.features.profile import profile
from stages.features.selection import LEAK, Score, report, select
from stages.features.vocabulary import Scale, Vocabulary, fit_scale, fit_vocabulary, ids_of
from stages.files import atomic_path, write_json
from stages.row_weights import row_weights, spread_out, weight_names
from stages.settings import load_params, load_section
from stages.warm_start.columns import ChampionColumns, scale_to_json
from stages.warm_start.inherited import read_inherited

TRAIN_PATH = Path("data/split/train.parquet")
CLEAN_DIR = Path("data/clean")
ENCODER_PATH = Path("artifacts/encoder.onnx")
FEATURES_PATH = Path("artifacts/features.json")
PROFILE_PATH = Path("artifacts/reference_profile.json")
SELECTION_PATH = Path("reports/selection.json")
MOST_IMPRESSIONS = 1 << 21  # of rows that stand for many, that selection and profile look at
SHOWN_NAMES = 8  # dropped columns that the summary names; the report has them all


def main() -> None:
    declaration = load_section("data", Declaration)
    config = load_section("features", FeaturesConfig)
    seed = int(load_params()["seed"])
    champion = read_champion_columns(declaration)
    creatives = image_ids(CLEAN_DIR) if declaration.images else None
    names = [column.name for column in declaration.columns if is_read(column)]
    train = pl.read_parquet(TRAIN_PATH, columns=[*names, *weight_names(declaration)])
    weights = row_weights(train, declaration)
    parts = fit_parts(declaration, train, weights.count_N, {} if champion is None else champion.scales, config)
    ids = {part.name: ids_of(part, train[part.name]) for part in parts}
    rows = spread_out(weights, MOST_IMPRESSIONS)
    if rows is not None:
        train, ids = train[rows], {name: ids_N[rows] for name, ids_N in ids.items()}
    scores = judge(declaration, parts, train, ids, config, seed)
    if champion is None:
        kept = kept_parts(declaration, parts, scores)
    else:
        scores, kept = champion.scores(scores), champion.kept(parts)
    encoder = build_encoder(kept, (declaration.creative.name, creatives) if creatives is not None else None)
    with atomic_path(ENCODER_PATH) as partial:
        onnx.save(encoder, partial)
    write_json(FEATURES_PATH, describe(declaration, kept, creatives, config.image_size))
    images = looks_profile(CLEAN_DIR, train[declaration.creative.name], seed) if declaration.images else None
    write_json(PROFILE_PATH, profile(profiled(declaration, parts), ids, train, declaration, images))
    write_json(SELECTION_PATH, report(scores))
    tell(scores, weights.impressions())


def fit_parts(
    declaration: Declaration, train: pl.DataFrame, count_N: np.ndarray | None, known: dict[str, Scale], config: FeaturesConfig
) -> list[Part]:
    """What is learned of each feature, in the order of the declaration; `known` are scales that stay as they are."""
    single = [column for column in declaration.features if column.slot_of is None]
    columns = tqdm([column for column in single if not column.made_of], desc="fit", disable=None)
    fitted: dict[str, Part] = {
        column.name: known.get(column.name) or fit_column(column, train[column.name], config, count_N) for column in columns
    }
    fitted |= {column.name: fit_computed(column, train, fitted, config, count_N) for column in single if column.made_of}
    fitted |= fit_slots(declaration, train, fitted, config, count_N)
    return [fitted[column.name] for column in declaration.features]


def judge(
    declaration: Declaration,
    parts: list[Part],
    train: pl.DataFrame,
    ids: dict[str, np.ndarray],
    config: FeaturesConfig,
    seed: int,
) -> list[Score]:
    """What the selection says of each column."""
    missing = {part.name: train[part.name].null_count() / len(train) for part in parts}
    label_N = train[declaration.label.name].to_numpy()
    judged = JudgedColumns.of(declaration, ids, missing, label_N, config.selection, seed)
    return with_parts_of_crosses(declaration, select(judged.columns, judged.ids, judged.missing, label_N, config.selection, seed))


def kept_parts(declaration: Declaration, parts: list[Part], scores: list[Score]) -> list[Part]:
    names = names_of_parts(declaration, (score.name for score in scores if score.kept))
    return [part for part in parts if part.name in names]


def profiled(declaration: Declaration, parts: list[Part]) -> list[Part]:
    """Of a column with several values the first slot; the others go as it does."""
    later = {name for column in declaration.lists for name in slots(column)[1:]}
    return [part for part in parts if part.name not in later]


def tell(scores: list[Score], num_rows: int) -> None:
    """Say what is left out."""
    for score in scores:
        if not score.kept and score.reason.startswith(LEAK):
            print(f"fit: '{score.name}' is left out: it {score.reason}", file=sys.stderr)
    dropped = [score.name for score in scores if not score.kept]
    more = f" and {len(dropped) - SHOWN_NAMES} more" if len(dropped) > SHOWN_NAMES else ""
    shown = ", ".join(dropped[:SHOWN_NAMES]) + more or "none"
    print(f"fit: {len(scores) - len(dropped)} of {len(scores)} columns kept on {num_rows} rows, dropped: {shown}")


def read_champion_columns(declaration: Declaration) -> ChampionColumns | None:
    """The columns and scales to keep where the training starts from the champion. Raises ValueError if one is not there now."""
    inherited = read_inherited(load_params()["train"]["start"])
    if inherited is None:
        return None
    refuse_computed(declaration, inherited.features())
    champion = ChampionColumns.from_features(inherited.features())
    champion.refuse_other_columns(declaration.features)
    if declaration.lists:
        raise ValueError(
            f"train.start is champion, but column '{declaration.lists[0].name}' holds several values in a cell, "
            "whose vectors are not taken over; train with train.start=scratch"
        )
    return champion


def refuse_computed(declaration: Declaration, champion: dict[str, Any]) -> None:
    """Raise ValueError if the champion's encoder, or the one that is to be, computes columns: their ids are not taken over."""
    name = next((column.name for column in declaration.columns if column.made_of), None)
    name = next((entry["name"] for entry in champion.get("computed", [])), name)
    if name is not None:
        raise ValueError(
            f"train.start is champion, but column '{name}' is computed inside the model (ratio, difference or cross), "
            "whose values are not taken over; train with train.start=scratch"
        )


def is_read(column: Column) -> bool:
    """What the model sees, the label, and what says which rows belong together."""
    return column.is_feature or column.role in ("label", "clicks", "entity", "time", "creative")


def fit_column(column: Any, values: pl.Series, config: FeaturesConfig, count_N: np.ndarray | None) -> Vocabulary | Scale:
    fitted = fit_vocabulary if column.is_categorical else fit_scale
    return fitted(column, values, config, count_N)


def image_ids(clean_dir: Path) -> tuple[str, ...]:
    """Creatives that have an image, sorted. An image is known before its first impression, so this leaks no click."""
    files = sorted(clean_dir.glob("*/creatives.parquet"))
    return tuple(pl.concat([pl.read_parquet(path, columns=["creative_id"]) for path in files])["creative_id"].unique().sort())


def describe(
    declaration: Declaration, parts: list[Vocabulary | Scale], creatives: tuple[str, ...] | None, image_size: int
) -> dict[str, Any]:
    """What stands in which column of the encoder's outputs. The digest says which declaration it belongs to."""
    fields = [{"name": p.name if isinstance(p, Vocabulary) else f"{p.name}__bucket", "num_ids": p.num_ids} for p in parts]
    inputs = [{"name": name, "kind": kind} for name, kind in taken(parts).items()]
    if creatives is not None and declaration.creative.name not in taken(parts):
        inputs.append({"name": declaration.creative.name, "kind": "categorical"})
    creative = None if creatives is None else declaration.creative.name
    creative_field = creative if creative in {part.name for part in parts} else None
    lists, computed = described_lists(declaration, parts), described_computed(parts)
    return {
        "declaration": declaration.digest,
        "inputs": inputs,
        "categorical": fields,
        "dense": dense_names(parts),
        "numbers": [{"name": part.name, "knots": list(part.knots)} for part in parts if isinstance(part, Scale)],
        "scales": [scale_to_json(part) for part in parts if isinstance(part, Scale)],
        "creative": creatives is not None,
        "creative_field": creative_field,
        "num_creatives": len(creatives or ()),
        "image_size": image_size,
        **({"lists": lists} if lists else {}),
        **({"computed": computed} if computed else {}),
    }


if __name__ == "__main__":
    run_stage(main)
