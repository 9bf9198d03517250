"""Are the served probabilities those that were evaluated: the server's answers against data/predictions, over both protocols."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from contracts.serving.request import RequestSpec, strings
from lifecycle.gate.checks import PARITY, GateCheck
from lifecycle.gate.measuring.served import FAILURES, Served
from lifecycle.gate.models import GatedModel
from loadtests.requests.traffic import RAW, TEST, TRAIN, new_images
from serving.client import CtrClient

PREDICTIONS, PROBABILITY = Path("data/predictions/test.parquet"), "p_click"
PLACES = 8  # of the test split, from which rows are taken
DEADLINE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class EvaluatedRows:
    """Rows of the test split, and what evaluation gave for them."""

    rows: pl.DataFrame  # columns of the requests
    probability_N: np.ndarray  # float32
    images: dict[str, bytes]  # of creatives that training has not seen
    left_out: int  # rows whose images are not here


def parity_check(candidate: Served, evaluated: EvaluatedRows, max_difference: float) -> GateCheck:
    apart: dict[str, float] = {}
    figures = {"rows": len(evaluated.rows), "left_out": evaluated.left_out, "difference": apart}
    limit = max_difference
    for protocol in ("grpc", "http"):
        try:
            with CtrClient(candidate.address(protocol).host_port, protocol, deadline_s=DEADLINE_S) as client:
                answer_N = client.predict(evaluated.rows, evaluated.images or None, check=False).probability
        except FAILURES as error:
            sentence = f"parity: rows of the test split are not answered over {protocol}: {error}"
            return GateCheck(name=PARITY, passed=False, sentence=sentence, limit=limit, figures=figures)
        difference_N = np.abs(answer_N - evaluated.probability_N)
        apart[protocol] = float(difference_N.max()) if np.isfinite(difference_N).all() else 1.0
    worst = max(apart, key=lambda protocol: apart[protocol])
    sentence = (
        f"served probabilities differ by up to {apart[worst]:.1e} from those that were evaluated, on {len(answer_N):,} test rows"
    )
    if evaluated.left_out:
        sentence += f" ({evaluated.left_out:,} left out, whose images are not in {RAW}/)"
    passed = apart[worst] <= limit
    return GateCheck(
        name=PARITY,
        passed=passed,
        sentence=sentence if passed else f"parity: {sentence} over {worst}; {limit:.1e} is allowed (gate.max_difference)",
        limit=limit,
        figures=figures,
    )


def read_evaluated(model: GatedModel, num_rows: int) -> EvaluatedRows:
    """Rows from PLACES of the test split. Raises ValueError if evaluation was of other rows."""
    total = pq.read_metadata(TEST).num_rows if TEST.is_file() else 0
    if not PREDICTIONS.is_file() or not total or pq.read_metadata(PREDICTIONS).num_rows != total:
        raise ValueError(f"{PREDICTIONS} does not hold a probability for each row of {TEST}; run `dvc repro evaluate` first")
    places = spread_places(total, num_rows)
    rows = read_rows(TEST, [column.name for column in model.request.columns], places)
    probability = read_rows(PREDICTIONS, [PROBABILITY], places)[PROBABILITY]
    images, unseen = images_of(model, model.request, rows)
    kept = ~unseen
    return EvaluatedRows(
        rows=rows.filter(kept),
        probability_N=probability.filter(kept).to_numpy(),
        images=images,
        left_out=int(unseen.sum()),
    )


def spread_places(total: int, wanted: int) -> list[tuple[int, int]]:
    """First row and number of rows of at most PLACES pieces, evenly over `total` rows."""
    if wanted >= total:
        return [(0, total)]
    length = max(1, wanted // PLACES)
    return [(round(i * (total - length) / max(1, PLACES - 1)), length) for i in range(PLACES)]


def read_rows(path: Path, columns: list[str], places: list[tuple[int, int]]) -> pl.DataFrame:
    table = pl.scan_parquet(path).select([*dict.fromkeys(columns)])
    return pl.concat([table.slice(start, length).collect() for start, length in places])


def images_of(model: GatedModel, spec: RequestSpec, rows: pl.DataFrame) -> tuple[dict[str, bytes], pl.Series]:
    """Images of the rows' new creatives, and which rows (bool) have a new creative whose image cannot be told: no raw files."""
    none = pl.Series("unseen", [False]).new_from_index(0, len(rows))
    if spec.creative is None:
        return {}, none
    creatives = strings(rows[spec.creative])
    if RAW.is_dir() and TRAIN.is_file():
        return new_images(Path(), model.declaration, creatives), none
    if not TRAIN.is_file():
        return {}, ~none
    seen = strings(pl.read_parquet(TRAIN, columns=[spec.creative])[spec.creative]).unique()
    return {}, ~creatives.is_in(seen.implode())
