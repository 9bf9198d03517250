"""Sections `baselines` and `evaluate` of the configuration. Defaults: conf/baselines/ and conf/evaluate/."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from contracts.dataset.columns import check_slices
from contracts.dataset.declaration import Declaration

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
Threads = Annotated[int, Field(ge=1, le=1024)]
Positive = Annotated[float, Field(gt=0)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class BaselinesConfig:
    """Reference models on the rows and columns of the model, without pixels. Lists are tried on val, the best is kept."""

    seed: int = Field(ge=0)
    num_threads: Threads  # models fitted side by side, one thread each
    prior_impressions: tuple[Positive, ...] = Field(min_length=1)  # strength of the prior of a rate, in impressions
    logistic_c: tuple[Positive, ...] = Field(min_length=1)  # inverse regularisation of the logistic regression, ascending
    logistic_max_iter: int = Field(ge=1)
    lightgbm_learning_rate: float = Field(gt=0, le=1)
    lightgbm_num_leaves: tuple[Annotated[int, Field(ge=2, le=131072)], ...] = Field(min_length=1)
    lightgbm_max_trees: int = Field(ge=1)  # early stopping on val usually ends before
    lightgbm_patience_trees: int = Field(ge=1)  # trees without a better val log-loss before stopping
    lightgbm_min_rows_in_leaf: int = Field(ge=1)
    native_max_ids: int = Field(ge=2)  # columns with more ids reach LightGBM as smoothed rates instead of categories


@dataclass(frozen=True, kw_only=True, config=STRICT)
class EvaluateConfig:
    """How the model's test predictions are judged."""

    seed: int = Field(ge=0)
    num_threads: Threads
    num_resamples: int = Field(ge=100)  # bootstrap replicates; a 95 % interval needs a few hundred
    confidence: float = Field(ge=0.5, lt=1)  # coverage of every interval
    resample_by: Literal["row", "entity", "creative"]  # what is drawn as a whole; entity: all rows of a user together
    num_bins: int = Field(ge=2, le=1000)  # equal-mass bins of the calibration curve and error
    slices: Literal["auto"] | tuple[str, ...]  # columns, or cold_start; auto: categorical columns with few values
    max_slice_values: int = Field(ge=2)  # values of a column shown one by one; the rest becomes one slice


def check_evaluation(config: EvaluateConfig, declaration: Declaration) -> None:
    """Raise ValueError where the configuration asks for what the data set does not have."""
    if config.slices != "auto":
        check_slices("evaluate.slices", config.slices, declaration.columns)
    if config.resample_by != "row" and not declaration.by_role(config.resample_by):
        raise ValueError(
            f"evaluate.resample_by is {config.resample_by}, but no column of data set {declaration.name} has that role; "
            "set evaluate.resample_by: row"
        )
