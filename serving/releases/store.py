"""The store of released models, which is Triton's model repository: numbered versions that never change.

A release is a version folder of the same number in every model. What is served is said by `config.pbtxt` beside the
version folders; each version keeps the config it was released with, so an older one can be served again.
"""

import fcntl
import os
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from contracts.files import write_whole
from contracts.serving.releases import EXPORTED_VERSION, PUBLIC, release_number, releases
from serving.triton.package import check_package

DOORS = (PUBLIC, "ctr_by_name")  # what clients call; the other models are called by these


@dataclass(frozen=True)
class Store:
    """A folder with released models."""

    folder: Path

    def versions(self) -> list[int]:
        """Numbers of the complete releases, ascending."""
        return releases(self.folder)

    def active(self) -> int | None:
        """The version that `config.pbtxt` says is served; None if nothing was ever released."""
        path = self.folder / PUBLIC / "config.pbtxt"
        if not path.is_file():
            return None
        return max(text_format.Parse(path.read_text(), ModelConfig()).version_policy.specific.versions, default=None)

    def before(self) -> int | None:
        """The version that was served before the active one, to which a deployment can go back; None if there is none.

        The models that `ctr` calls keep it beside the active one; where nothing does, it is the newest that is older.
        """
        active = self.active()
        if active is None:
            return None
        paths = (self.folder / name / "config.pbtxt" for name in self.models(active))
        configs = (text_format.Parse(path.read_text(), ModelConfig()) for path in paths)
        beside = {number for config in configs for number in config.version_policy.specific.versions}
        released = self.versions()
        known = [number for number in released if number in beside - {active}]
        return max(known, default=max((number for number in released if number < active), default=None))

    def models(self, version: int) -> list[str]:
        """The models of a release; those that `ctr` calls come first."""
        found = sorted(path.parent.name for path in self.folder.glob(f"*/{version}") if path.is_dir())
        return sorted(found, key=lambda name: (name in DOORS, len(name)))

    def retired(self, *versions: int) -> list[str]:
        """Models that none of these versions has."""
        used = {name for version in versions for name in self.models(version)}
        return sorted({path.parent.name for path in self.folder.glob("*/config.pbtxt")} - used)

    def released(self, exported: Path) -> int | None:
        """The number that this export has in the store; None if it was not released yet."""
        return release_number(self.folder, exported)

    def release(self, exported: Path) -> int:
        """Copy an exported repository in as the next version and return its number; the same export has one number.

        Raises ValueError if a file of the export was changed. What it writes appears whole or not at all.
        """
        models = sorted(path.name for path in exported.glob("*") if (path / EXPORTED_VERSION).is_dir())
        if PUBLIC not in models:
            raise ValueError(f"{exported} holds no exported model; run `make repro` first")
        for name in models:
            check_package(exported / name / EXPORTED_VERSION)
        with self._locked():
            known = self.released(exported)
            if known is not None:
                return known
            number = max(self.versions(), default=0) + 1
            self._discard(number)  # what a killed release left
            for name in sorted(models, key=lambda name: name == PUBLIC):  # it makes a release complete
                self._add(exported / name / EXPORTED_VERSION, _released_name(name, number), number)
        return number

    def activate(self, version: int, beside_before: bool = True) -> None:
        """Write the configs that make Triton serve `version`.

        Of the models that `ctr` calls the version before stays as well, for the calls that are under way; not so if it
        did not load.
        """
        with self._locked():
            if version not in self.versions():
                raise ValueError(f"{self.folder} has no version {version}; it has {self.versions()}")
            before = self.active() if beside_before else None
            for name in self.models(version):
                release = self.folder / name / str(version) / "release"
                for path in sorted(p for p in release.rglob("*") if p.is_file() and p.name != "config.pbtxt"):
                    _write(self.folder / name / path.relative_to(release), path.read_bytes())
                config = text_format.Parse((release / "config.pbtxt").read_text(), ModelConfig())
                config.name = name
                for step in config.ensemble_scheduling.step:
                    step.model_version = version
                config.version_policy.Clear()
                kept = before if before is not None and (self.folder / name / str(before)).is_dir() else version
                config.version_policy.specific.versions.extend([version] if name in DOORS else sorted({kept, version}))
                _write(self.folder / name / "config.pbtxt", text_format.MessageToString(config).encode())

    def prune(self, keep: int) -> list[int]:
        """Remove all releases but the newest `keep`, the active one and the one before it. Returns the removed, ascending.

        What a killed release or removal left goes as well. Raises ValueError if `keep` is less than 1.
        """
        if keep < 1:
            raise ValueError(f"expected to keep at least 1 release, got {keep}")
        if not self.folder.is_dir():
            return []
        with self._locked():
            released = self.versions()
            kept = {*released[-keep:], self.active(), self.before()}
            removed = [number for number in released if number not in kept]
            for number in removed:
                self._remove(number)
            for path in self.folder.glob("*/[0-9]*"):
                if path.name.isdigit() and int(path.name) not in kept:
                    shutil.rmtree(path)
            for model in {path.parent for path in self.folder.glob("*/config.pbtxt")}:
                if not any(path.name.isdigit() for path in model.iterdir()):  # one that is called after its version
                    shutil.rmtree(model)
        return removed

    def instances(self, model: str) -> int:
        """Processes that a version of the model has: only Python models have some of their own."""
        config = text_format.Parse((self.folder / model / "config.pbtxt").read_text(), ModelConfig())
        return sum(group.count for group in config.instance_group) if config.backend == "python" else 0

    def mark_changed(self, model: str) -> None:
        """Make Triton reload the model when asked to: it leaves alone what has not changed since it was loaded."""
        _write(self.folder / model / "reloads", f"{time.time_ns()}\n".encode())

    def _add(self, exported: Path, name: str, number: int) -> None:
        target = self.folder / name / str(number)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{number}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(exported, partial, ignore=shutil.ignore_patterns("__pycache__"))
        check_package(partial)
        for path in (*partial.rglob("*"), partial):
            path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH) if path.is_file() else 0o755)
        os.rename(partial, target)

    def _remove(self, number: int) -> None:
        """`ctr` first, in one step: half a release is none."""
        public = self.folder / PUBLIC / str(number)
        partial = public.with_name(f".{number}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        os.rename(public, partial)
        shutil.rmtree(partial)
        self._discard(number)

    def _discard(self, number: int) -> None:
        for path in self.folder.glob(f"*/{number}"):
            shutil.rmtree(path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One release at a time, also among processes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _released_name(exported: str, number: int) -> str:
    """A model that is called after its version, as an ensemble is, is a model of its own in every release."""
    own = f"_{EXPORTED_VERSION}"
    return f"{exported.removesuffix(own)}_{number}" if exported.endswith(own) else exported


def _write(path: Path, content: bytes) -> None:
    if path.is_file() and path.read_bytes() == content:
        return
    write_whole(path, content)
