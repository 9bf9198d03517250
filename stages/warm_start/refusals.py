"""When a training cannot start from the champion: one sentence for each reason."""

from datetime import datetime
from typing import Any

OTHERWISE = "or train with train.start=scratch"
FREE = {"dropout"}  # keys of section model that say nothing about the weights' shapes


def refuse_other_network(model: dict[str, Any], champions: dict[str, Any]) -> None:
    """Raise ValueError unless section `model` describes the network that the champion is."""
    if model["name"] != champions["name"]:
        keys = ["name"]
    else:
        keys = sorted(key for key in {*model, *champions} - FREE if model.get(key) != champions.get(key))
    if keys:
        key = keys[0]
        raise ValueError(
            f"train.start is champion, whose model.{key} is {champions.get(key)}, but here model.{key} is {model.get(key)}: the "
            f"weights do not fit; set it to {champions.get(key)}, {OTHERWISE}"
        )


def refuse_other_images(has_images: bool, image_size: int, champions: dict[str, Any]) -> None:
    """Raise ValueError unless the champion looks at images, and at such ones, as the new model will."""
    if has_images != bool(champions["creative"]):
        looks, other = ("looks at images", "declares none") if champions["creative"] else ("looks at no images", "declares some")
        raise ValueError(f"train.start is champion, which {looks}, but section data {other}; train with train.start=scratch")
    if has_images and image_size != champions["image_size"]:
        raise ValueError(
            f"train.start is champion, which looks at images of {champions['image_size']} pixels a side, but features.image_size "
            f"is {image_size}; set it to {champions['image_size']}, {OTHERWISE}"
        )


def refuse_known_rows(splits: dict[str, Any], learned_until: str) -> None:
    """Raise ValueError if val or test may hold rows that the champion was fitted to: it would know their clicks by heart, so that
    training would stop too late, and comparing would favour the new model.
    """
    begins = [splits[name]["from"] for name in ("val", "test")]
    if None in begins:
        raise ValueError(
            "train.start is champion needs rows with times: without them nothing tells that val and test hold no row that the "
            "champion has learnt; train with train.start=scratch"
        )
    first = min(begins, key=_instant)
    if _instant(first) <= _instant(learned_until):
        raise ValueError(
            f"train.start is champion, which was fitted to rows up to {learned_until}, but val or test begin at {first}: they "
            f"may hold rows that it has learnt; take later data, split by time, {OTHERWISE}"
        )


def learned_until(splits: dict[str, Any], started_from: dict[str, Any] | None) -> str:
    """Time of the latest row that a model, or one that it was started from, was fitted to. Raises ValueError without times."""
    times = [splits["train"]["to"], *([] if started_from is None else [started_from["learned_until"]])]
    if None in times:
        raise ValueError(
            "train.start is champion, but the champion's rows had no times: nothing tells which rows it has learnt; train with "
            "train.start=scratch"
        )
    return str(max(times, key=_instant))


def _instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
