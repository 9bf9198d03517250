"""A store whose releases are made in a moment: configs and manifests as an export has them, and no graphs."""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as triton

from contracts.serving.route import Route, Trial
from serving.releases.store import Store
from tests.route_limits import LIMITS

MODELS = ("ctr", "ctr_by_name", "ctr_careful")


def small_store(folder: Path, releases: int = 2, served: int = 1) -> Store:
    """With so many releases that take the same requests, of which one is served; there is no route."""
    store = Store(folder / "models")
    for number in range(1, releases + 1):
        add_release(store, number)
    store.activate(served)
    return store


def add_release(
    store: Store,
    number: int,
    columns: Sequence[dict] = ({"name": "user"}, {"name": "site"}),
    numeric: Sequence[dict] = (),
    models: Sequence[str] = MODELS,
    backend: str = "adclick",
    creative: str = "",
) -> None:
    for name in models:
        config = triton.ModelConfig(name=name, backend=backend if name == "ctr" else "python", max_batch_size=number)
        config.instance_group.add(count=1)
        if name in ("ctr", "ctr_careful"):
            config.input.add(name="categorical", data_type=triton.TYPE_STRING, dims=[len(columns)])
            config.model_warmup.add(name="one", batch_size=1)
        said = {
            "declaration": json.dumps([[*columns], [*numeric]]),
            "creative_column": creative,
            "columns": json.dumps([*columns, *numeric]),
            "categorical_columns": json.dumps([column["name"] for column in columns]),
            "numeric_columns": json.dumps([column["name"] for column in numeric]),
        }
        for key, value in said.items():
            config.parameters[key].string_value = value
        version = store.folder / name / str(number)
        (version / "release").mkdir(parents=True)
        (version / "release/config.pbtxt").write_text(text_format.MessageToString(config))
        (version / "package.json").write_text(json.dumps({"files": {"manifest.json": f"model-{number}"}}))


def canary(champion: int = 1, challenger: int = 2, share_ppm: int = 50_000, for_s: float = 600, **changes: object) -> Route:
    until_ms = int((time.time() + for_s) * 1000)
    trial = Trial(
        challenger=challenger, share_ppm=share_ppm, shadow_ppm=100_000, salt="00" * 8, valid_until_ms=until_ms, limits=LIMITS
    )
    return Route(champion=champion, mode="canary", trial=replace(trial, **changes))


def opened_versions(store: Store) -> dict[str, list[int]]:
    """What the configs make Triton open."""
    found = {}
    for path in sorted(store.folder.glob("*/config.pbtxt")):
        config = text_format.Parse(path.read_text(), triton.ModelConfig())
        found[path.parent.name] = list(config.version_policy.specific.versions)
    return found


class FakeAdmin:
    """Triton as far as loading goes: what the configs say becomes what is open; `refuses` names models that do not load."""

    def __init__(self, store: Store, die_after: int | None = None) -> None:
        self.store, self.asked = store, list[str]()
        self.open: dict[str, list[int]] = {}
        self.refuses: set[str] = set()
        self._left = None
        for name in MODELS:
            self.load(name)
        self.asked.clear()
        self._left = die_after

    def load(self, model: str) -> None:
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                os._exit(9)
        self.asked.append(f"load {model}")
        if model in self.refuses:
            raise ValueError(f"model '{model}' was not loaded: no reason")
        self.open[model] = opened_versions(self.store)[model]

    def unload(self, model: str) -> None:
        self.asked.append(f"unload {model}")
        self.open.pop(model, None)

    def versions(self, model: str) -> list[int]:
        return self.open.get(model, [])

    def settled(self) -> bool:
        return True
