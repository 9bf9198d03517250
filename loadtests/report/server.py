"""What was seen of the server and of the processes while the load ran, from the observer's tables."""

from dataclasses import dataclass

import polars as pl

from loadtests.observation.observed import Observations
from loadtests.observation.processes import CLIENT

COUNTS = {
    "success": "nv_inference_request_success",
    "failure": "nv_inference_request_failure",
    "rows": "nv_inference_count",
    "executions": "nv_inference_exec_count",
    "request_us": "nv_inference_request_duration_us",
    "queue_us": "nv_inference_queue_duration_us",
    "input_us": "nv_inference_compute_input_duration_us",
    "infer_us": "nv_inference_compute_infer_duration_us",
    "output_us": "nv_inference_compute_output_duration_us",
}
PENDING = "nv_inference_pending_request_count"
TIMES = ("request", "queue", "input", "infer", "output")
SATURATED_CORES = 0.9  # of one client process: it had no time left to read answers when they came


def during(observations: Observations, start_s: float, end_s: float) -> Observations:
    """The observations whose time since the look before lies in the run by half or more."""
    inside = (pl.col("at_s") - pl.col("elapsed_s").fill_null(0.0) / 2).is_between(start_s, end_s)
    return Observations(
        metrics=observations.metrics.filter(inside),
        processes=observations.processes.filter(inside),
        machine=observations.machine.filter(inside),
        missing=observations.missing.filter(pl.col("at_s").is_between(start_s, end_s)),
    )


def models(metrics: pl.DataFrame) -> pl.DataFrame:
    """One row a model and version that was asked, the busiest first: counts, rows an execution, mean ms a request.

    Columns: model, version, success, failure, rows, executions, rows_an_execution, requests_an_execution, request_ms,
    queue_ms, input_ms, infer_ms, output_ms, pending (most that waited at a look).
    """
    pending = metrics.filter(pl.col("name") == PENDING).group_by("model", "version").agg(pending=pl.col("value").max())
    return (
        metrics.filter(pl.col("model").is_not_null())
        .group_by("model", "version")
        .agg(_sums())
        .filter(pl.col("success") + pl.col("failure") > 0)
        .with_columns(_means())
        .join(pending, on=["model", "version"], how="left")
        .drop(f"{name}_us" for name in TIMES)
        .sort("success", "model", descending=[True, False])
    )


def model_over_time(metrics: pl.DataFrame, model: str, start_s: float, step_s: float) -> pl.DataFrame:
    """The same figures of one model, all versions, in steps of at least `step_s`; column `seconds` since `start_s`."""
    return (
        metrics.filter(pl.col("model") == model)
        .group_by(seconds=((pl.col("at_s") - start_s) / step_s).floor() * step_s)
        .agg(*_sums(), pending=pl.col("value").filter(pl.col("name") == PENDING).max())
        .with_columns(_means())
        .sort("seconds")
    )


def _sums() -> list[pl.Expr]:
    return [pl.col("gain").filter(pl.col("name") == metric).sum().alias(name) for name, metric in COUNTS.items()]


def _means() -> list[pl.Expr]:
    requests, executions = pl.col("success"), pl.col("executions")
    per_execution = {"rows_an_execution": pl.col("rows"), "requests_an_execution": requests}
    return [
        *(pl.when(executions > 0).then(value / executions).alias(name) for name, value in per_execution.items()),
        *(pl.when(requests > 0).then(pl.col(f"{name}_us") / requests / 1e3).alias(f"{name}_ms") for name in TIMES),
    ]


def counted(metrics: pl.DataFrame) -> pl.DataFrame:
    """What the models counted themselves: name, labels (without the version), total; what did not grow is left out."""
    labels = pl.col("labels").str.replace(r",?version=[^,]*", "").str.strip_prefix(",")
    return (
        metrics.filter(pl.col("name").str.starts_with("adclick_"))
        .group_by("name", labels=labels)
        .agg(total=pl.col("gain").sum())
        .filter(pl.col("total") > 0)
        .sort("name", "labels")
    )


def groups_over_time(processes: pl.DataFrame, start_s: float, step_s: float) -> pl.DataFrame:
    """Columns group, seconds since `start_s`, cores (mean of the step), memory_mib (largest in it); processes added up."""
    by_look = processes.group_by("group", "at_s").agg(
        gain_s=pl.col("gain_s").sum(), elapsed_s=pl.col("elapsed_s").max(), memory_mib=memory().sum()
    )
    return (
        by_look.group_by("group", seconds=((pl.col("at_s") - start_s) / step_s).floor() * step_s)
        .agg(cores=_mean_cores(), memory_mib=pl.col("memory_mib").max())
        .sort("group", "seconds")
    )


def groups(processes: pl.DataFrame) -> pl.DataFrame:
    """One row a group: processes (most at once), mean_cores, peak_cores, cpu_s, start_mib, end_mib, peak_mib."""
    by_look = processes.group_by("group", "at_s").agg(
        processes=pl.len(), gain_s=pl.col("gain_s").sum(), elapsed_s=pl.col("elapsed_s").max(), memory_mib=memory().sum()
    )
    return (
        by_look.sort("at_s")
        .group_by("group", maintain_order=True)
        .agg(
            processes=pl.col("processes").max(),
            mean_cores=_mean_cores(),
            peak_cores=(pl.col("gain_s") / pl.col("elapsed_s")).max(),
            cpu_s=pl.col("gain_s").sum(),
            start_mib=pl.col("memory_mib").first(),
            end_mib=pl.col("memory_mib").last(),
            peak_mib=pl.col("memory_mib").max(),
        )
        .sort(pl.col("group") == CLIENT, "mean_cores", descending=[False, True])
    )


def _mean_cores() -> pl.Expr:
    """Null where no time has passed: of the first look."""
    return pl.when(pl.col("elapsed_s").sum() > 0).then(pl.col("gain_s").sum() / pl.col("elapsed_s").sum())


def memory() -> pl.Expr:
    """What a process takes: its share of common pages (PSS) where that may be read, else all that is resident (RSS)."""
    return pl.coalesce("pss_mib", "rss_mib")


@dataclass(frozen=True, kw_only=True)
class Saturation:
    """How busy the busiest process of the load generator was."""

    looks: int
    saturated: int  # looks at which a client process used SATURATED_CORES or more
    peak_cores: float | None


def client_saturation(processes: pl.DataFrame) -> Saturation:
    busiest = processes.filter(pl.col("group") == CLIENT).group_by("at_s").agg(pl.col("cores").max()).drop_nulls()
    return Saturation(
        looks=len(busiest),
        saturated=len(busiest.filter(pl.col("cores") >= SATURATED_CORES)),
        peak_cores=busiest["cores"].max(),
    )
