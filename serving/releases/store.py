"""The store of released models, which is Triton's model repository: numbered versions that never change.

A release is a version folder of the same number in every model. Who answers is said by the route (`routing.py`), and where there
is none by `config.pbtxt` beside the version folders, which follows it; each version keeps the config it was released with, so an
older one can be served again.
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

from contracts.files import write_whole
from contracts.serving.releases import EXPORTED_VERSION, PUBLIC, release_number, releases
from contracts.serving.route import NAME, Route
from serving.releases.configs import DOORS, Opened, config_of, version_before, versions_of, write_config
from serving.releases.reference import drop_promises
from serving.releases.routing import fuse_of, refuse_during_rollout, remove_route, route_of, write_route
from serving.triton.package import check_package


@dataclass(frozen=True)
class Store:
    """A folder with released models."""

    folder: Path

    def versions(self) -> list[int]:
        """Numbers of the complete releases, ascending."""
        return releases(self.folder)

    def active(self) -> int | None:
        """The version that is served: the route's champion. None if nothing was ever released.

        Where there is no route, or it is broken, it is what `ctr`'s config says, which followed the route before.
        """
        route = self.readable_route()
        return self.configured() if route is None else route.champion

    def configured(self) -> int | None:
        """The version of `ctr` that Triton is told to open; None if nothing was ever released."""
        return max(versions_of(self.folder / PUBLIC), default=None)

    def route(self) -> Route | None:
        """Who answers; None if no file says so. Raises ValueError if it is broken."""
        try:
            return route_of(self.folder)
        except ValueError as error:
            raise ValueError(f"{error}; `make route SET=off` writes it anew, with version {self.configured()}") from None

    def readable_route(self) -> Route | None:
        """None also if it is broken: then the one before it goes on."""
        try:
            return route_of(self.folder)
        except ValueError:
            return None

    def arms(self) -> list[int]:
        """The active version and, while its fuse is whole, the release that the route tries beside it; none if none is served."""
        active, route = self.active(), self.readable_route()
        if active is None:
            return []
        if route is None or route.trial is None or fuse_of(self.folder, route) is not None:
            return [active]
        return [active, route.trial.challenger]

    def answering(self) -> list[tuple[str, int]]:
        """The models that answers are made by, with their versions: what clients call in the active version alone."""
        arms = self.arms()
        return [(model, number) for number in arms for model in self.models(number) if model not in DOORS or number == arms[0]]

    def opened(self) -> Opened | None:
        """The releases that Triton has to have open, as far as they are here; None if nothing was ever released."""
        arms, released = self.arms(), self.versions()
        if not arms:
            return None
        tried = [number for number in arms[1:] if number in released]
        return Opened(champion=arms[0], challenger=tried[0] if tried else None, before=self.before())

    def before(self) -> int | None:
        """The version that was served before the active one, to which a deployment can go back; None if there is none.

        `ctr`'s config says it; where it does not, it is the newest that is older.
        """
        active, configured, released = self.active(), self.configured(), self.versions()
        if active is None:
            return None
        said = version_before(self.folder / PUBLIC) if configured == active else configured  # which has yet to follow the route
        if said in released:
            return said
        older = max((number for number in released if number < active), default=None)
        if said is not None:
            return older
        beside = {number for name in self.models(active) for number in versions_of(self.folder / name)} - {active}
        return max((number for number in released if number in beside), default=older)  # so stores of before there was a route

    def models(self, *versions: int) -> list[str]:
        """The models of these releases; those that `ctr` calls come first."""
        found = {path.parent.name for version in versions for path in self.folder.glob(f"*/{version}") if path.is_dir()}
        return sorted(sorted(found), key=lambda name: (name in DOORS, len(name)))

    def retired(self, *versions: int) -> list[str]:
        """Models that none of these versions has."""
        used = {name for version in versions for name in self.models(version)}
        return sorted({path.parent.name for path in self.folder.glob("*/config.pbtxt")} - used)

    def require(self, version: int) -> None:
        """Raise ValueError if it is not here."""
        if version not in self.versions():
            raise ValueError(f"{self.folder} has no version {version}; it has {self.versions()}")

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
        """Have `version` served by the next server: the route, if there is one, and the configs.

        Of the models that `ctr` calls the version before stays too, if not told otherwise. Raises ValueError during a rollout.
        """
        self.require(version)
        route, active = self.route(), self.active()
        before = self.before() if active == version else active
        if route is not None and route.champion != version:
            refuse_during_rollout(route, f"version {version} cannot be served now")
            self.replace_route(route, Route(champion=version))
        self.configure(Opened(champion=version, before=before if beside_before else None))

    def configure(self, opened: Opened, doors: bool = True) -> None:
        """Write the configs that make Triton open these releases, when it is told to load the models."""
        with self._locked():
            for name in self.models(*opened.arms):
                if doors or name not in DOORS:
                    write_config(self.folder / name, opened)

    def replace_route(self, expected: Route | None, route: Route) -> None:
        """Put a route in force. Raises ValueError if another one than `expected` is there, because somebody wrote one meanwhile.

        A broken one counts as none.
        """
        with self._locked():
            found = self.readable_route()
            if (found and found.digest) != (expected and expected.digest):
                raise ValueError(f"{self.folder / NAME} was changed meanwhile; look at it (`make route`) and begin anew")
            for number in (route.champion, *([] if route.trial is None else [route.trial.challenger])):
                self.require(number)
            write_route(self.folder, route)

    def restore_route(self, route: Route | None) -> None:
        """Have the file as it was before."""
        with self._locked():
            remove_route(self.folder) if route is None else write_route(self.folder, route)

    def prune(self, keep: int) -> list[int]:
        """Remove all releases but the newest `keep`, the active one and the one before it. Returns the removed, ascending.

        What a killed release or removal left goes as well. Raises ValueError if `keep` is less than 1, and during a rollout.
        """
        if keep < 1:
            raise ValueError(f"expected to keep at least 1 release, got {keep}")
        if not self.folder.is_dir():
            return []
        with self._locked():
            refuse_during_rollout(self.route(), "nothing was removed")
            released = self.versions()
            kept = {*released[-keep:], self.active(), self.before()}
            removed = [number for number in released if number not in kept]
            for number in removed:
                self._remove(number)
            drop_promises(self.folder, removed)
            for path in self.folder.glob("*/[0-9]*"):
                if path.name.isdigit() and int(path.name) not in kept:
                    shutil.rmtree(path)
            for model in {path.parent for path in self.folder.glob("*/config.pbtxt")}:
                if not any(path.name.isdigit() for path in model.iterdir()):  # one that is called after its version
                    shutil.rmtree(model)
        return removed

    def instances(self, model: str) -> int:
        """Processes that a version of the model has: only Python models have some of their own."""
        config = config_of(self.folder / model)
        return sum(group.count for group in config.instance_group) if config is not None and config.backend == "python" else 0

    def mark_changed(self, model: str) -> None:
        """Make Triton reload the model when asked to: it leaves alone what has not changed since it was loaded."""
        write_whole(self.folder / model / "reloads", f"{time.time_ns()}\n".encode())

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
