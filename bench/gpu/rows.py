"""Turns what `make gpu-check` has written into rows of the table of figures."""

from pathlib import Path
from statistics import median
from typing import Any

from bench.figures import Compared, Figure, at_least, at_most, spread
from bench.gpu.record import FORMAT
from bench.parts import Measured, Unprepared
from stages.files import read_json

RESULTS = Path("reports/gpu_check.json")
BAR, BAR_PRECISION, BAR_BATCH = 0.9, "bf16-mixed", 65_536
WORSE_AT_MOST = 0.002  # val log-loss on the GPU above that on the CPU
PUBLISHED = {  # rows a second of one A100, other models on other data: facebookresearch/dlrm, NVIDIA/DeepLearningExamples
    "TorchRec's DLRM, batches of 16,384": 740_000,
    "NVIDIA's DLRM with AMP, batches of 65,536": 4_550_000,
}


def measured(path: Path = RESULTS) -> Measured:
    """The rows, and where and when they were measured. Raises Unprepared if there is no file of a GPU at `path`."""
    if not path.is_file():
        raise Unprepared(f"{path} is missing; run `make gpu-check` on a machine with an NVIDIA GPU and bring the file here")
    found = read_json(path)
    if found.get("format") != FORMAT:
        raise Unprepared(f"{path} must have format {FORMAT}, got {found.get('format')}; run `make gpu-check` again")
    if found["accelerator"] != "gpu":
        raise Unprepared(f"{path} was measured on a CPU, which says nothing of a GPU; run `make gpu-check` on a machine with one")
    where = found["machine"] | {"processor": f"{found['gpu']}; {found['machine']['processor']}"}
    failed = [f"{one['name']}: {one['error']}" for one in found["measurements"] if "error" in one]
    return Measured(rows=figures(found), machine=where, date=found["date"], error="; ".join(failed) or None)


def figures(found: dict[str, Any]) -> list[Figure]:
    """A row for each setting, each quality, and the rest; what was left out is said in a row of its own."""
    done = [one for one in found["measurements"] if "value" in one]
    speeds: dict[tuple[str, int, bool], list[dict[str, Any]]] = {}
    for one in done:
        if one["kind"] == "speed":
            speeds.setdefault((one["precision"], one["batch_size"], one["on_device"]), []).append(one["value"])
    rows = [
        row for (precision, batch, on_device), values in speeds.items() for row in speed_rows(precision, batch, on_device, values)
    ]
    rows += quality_rows([one for one in done if one["kind"] == "quality"])
    rows += [
        Figure(what="tests on the GPU", figure=one["value"]["summary"], bar="pass", met=True)
        for one in done
        if one["kind"] == "tests"
    ]
    rows += [row for one in done if one["kind"] == "ranker" for row in ranker_rows(one["value"])]
    rows.append(
        Figure(
            what="published by others, one A100", figure="; ".join(f"{name}: {rate:,} rows/s" for name, rate in PUBLISHED.items())
        )
    )
    skipped = [one["name"] for one in found["measurements"] if "skipped" in one]
    if skipped:
        rows.append(Figure(what="left out of the GPU check, for want of time", figure="; ".join(skipped)))
    return rows


def speed_rows(precision: str, batch_size: int, on_device: bool, values: list[dict[str, Any]]) -> list[Figure]:
    compared = Compared(
        ours=tuple(one["train_rows_per_s"] for one in values), theirs=tuple(one["bare_rows_per_s"] for one in values)
    )
    how = f"{precision}, batches of {batch_size:,}{'' if on_device else ', cut on the CPU and copied'}"
    what, shown = f"training rows/s on the GPU against tensors on it, {how}", compared.shown(3)
    busy = [one["busy_share"] for one in values if one["busy_share"] is not None]
    rate = spread(compared.ours, "rows/s")
    rate += f"; the bare loop {spread(compared.theirs, 'rows/s')}"
    rate += f"; GPU busy {median(busy):.0%} of the time" if busy else ""
    has_bar = (precision, batch_size, on_device) == (BAR_PRECISION, BAR_BATCH, True)
    first = at_least(what, compared.ratio, BAR, shown, f">= {BAR}") if has_bar else Figure(what=what, figure=shown)
    return [first, Figure(what=f"training on the GPU, dcnv2 with creatives, {how}", figure=rate)]


def quality_rows(found: list[dict[str, Any]]) -> list[Figure]:
    """The GPU's log-loss less the CPU's, a row for each precision; beside it what another seed does on the CPU."""
    losses = {(one["accelerator"], one["precision"], one["seed"]): one["value"]["val_log_loss"] for one in found}
    reference, other = losses.get(("cpu", "32-true", 0)), losses.get(("cpu", "32-true", 1))
    if reference is None:
        return []
    chance = "" if other is None else f"; another seed on the CPU {other - reference:+.5f}"
    return [
        at_most(
            f"val log-loss of weights trained on the GPU, {precision}, less that on the CPU",
            loss - reference,
            WORSE_AT_MOST,
            f"{loss - reference:+.5f} of {reference:.5f}{chance}",
            f"<= {WORSE_AT_MOST}",
        )
        for (accelerator, precision, _), loss in losses.items()
        if accelerator == "gpu"
    ]


def ranker_rows(value: dict[str, Any]) -> list[Figure]:
    rates = [
        f"{name.replace('_rows_per_s_', ' at ')} rows a call {rate:,} rows/s"
        for name, rate in value.items()
        if "rows_per_s" in name
    ]
    figure = f"{'; '.join(rates)}; largest difference {value['largest_difference']:.1e}"
    return [Figure(what=f"the ranker alone, in torch on the GPU and in ONNX Runtime ({value['provider']})", figure=figure)]
