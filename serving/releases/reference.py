"""What a release is watched by: the profile of its training rows, and the promise, what it was worth on its test rows.

The profile travels in the release (`profile.json` in the version folder of `ctr`). The promise is made when the release comes
into the store, of the evaluation that was made of the same export, and lies beside the models: `promises/<release>.json`.
Releases of before there were such files have neither.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from contracts.files import write_whole
from contracts.lifecycle.champion import CHAMPION
from contracts.serving.releases import PUBLIC, model_of

PROFILE, PROMISES = "profile.json", "promises"
FORMAT = 1  # of a promise
MODEL = "model"  # what an evaluation calls the exported model
EVALUATIONS = (Path("reports/evaluation.json"), CHAMPION / "evaluation.json")  # of the newest export, of the champion


def read_profile(store: Path, release: int) -> dict[str, Any] | None:
    """How each column, the hours and the images were distributed in training; None if the release has no profile.

    Raises ValueError if the file is no JSON object.
    """
    return _object(store / PUBLIC / str(release) / PROFILE)


def read_promise(store: Path, release: int) -> dict[str, Any] | None:
    """What the release was worth on its test rows; None if nobody said so when it came into the store.

    `observed` and `predicted` are means over rows: click rate and prediction; `expected_log_loss` is what the log-loss would be
    if the predictions were the true probabilities. `slices` has the same of the values of columns, and `creative_age` of
    "unknown", "known" and "missing" creatives and of "quintile 1" (known ones with the fewest training rows) to "quintile 5",
    with `train_rows` [least, most] and, where the journal has ids of creatives, `ids` [first, last] of the class.
    Raises ValueError if the file is no JSON object.
    """
    found = _object(store / PROMISES / f"{release}.json")
    return found if found is not None and found.get("model") == model_of(store, str(release)) else None


def keep_promise(store: Path, release: int, evaluations: Sequence[Path] = EVALUATIONS) -> str | None:
    """Write the release's promise, unless it has one, from the first evaluation that is about its export.

    Returns None, or what a person should know if there is no such evaluation.
    """
    with suppress(ValueError):  # a broken one is written anew
        if read_promise(store, release) is not None:
            return None
    model, reasons = model_of(store, str(release)), []
    for path in (path for path in evaluations if path.is_file()):
        try:
            evaluation = _object(path) or {}
            if model is not None and evaluation.get("export") == model:
                _write(store / PROMISES / f"{release}.json", promise_of(evaluation))
                return None
            reasons.append(f"{path} is about another export")
        except ValueError as error:
            reasons.append(str(error))
        except (KeyError, TypeError):
            reasons.append(f"{path} is not what stage evaluate writes")
    why = "; ".join(reasons) or f"{evaluations[0]} is missing"
    return f"nothing is known that version {release} could be held against ({why}); `dvc repro evaluate`, then deploy it again"


def drop_promises(store: Path, releases: Sequence[int]) -> None:
    """Remove the promises of releases that are no more."""
    for release in releases:
        (store / PROMISES / f"{release}.json").unlink(missing_ok=True)


def promise_of(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """What `reports/evaluation.json` says of the exported model, as far as served rows can be held against it."""
    model, ages = evaluation["models"][MODEL], evaluation["creative_age"]
    return {
        "format": FORMAT,
        "model": evaluation["export"],
        "rows": evaluation["rows"],
        "observed": evaluation["ctr"]["value"],
        "predicted": model["mean_prediction"],
        "expected_log_loss": model["predicted_log_loss"],
        **{name: model[name]["value"] for name in ("log_loss", "normalised_entropy", "auc")},
        "intervals": {name: _interval(model[name]) for name in ("log_loss", "normalised_entropy", "auc")},
        "confidence": evaluation["settings"]["confidence"],
        "slices": {name: {one["value"]: _slice(one) for one in values} for name, values in evaluation["slices"].items()},
        "creative_age": None if ages is None else {name: _renamed(one) for name, one in ages.items()},
    }


def _renamed(one: Mapping[str, Any]) -> dict[str, Any]:
    return {"expected_log_loss" if name == "predicted_log_loss" else name: value for name, value in one.items()}


def _write(path: Path, promise: Mapping[str, Any]) -> None:
    write_whole(path, f"{json.dumps(promise, indent=1, sort_keys=True)}\n".encode(), synced=True)


def _interval(estimate: Mapping[str, Any]) -> list[float] | None:
    return None if estimate.get("low") is None else [estimate["low"], estimate["high"]]


def _slice(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "rows": one["rows"],
        "log_loss": one["log_loss"],
        "observed": one["ctr"]["value"],
        "predicted": one["mean_prediction"],
        "expected_log_loss": one["predicted_log_loss"],
    }


def _object(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file; None if there is no file."""
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no JSON object; remove it, or bring it back from where it was copied to")
    return found
