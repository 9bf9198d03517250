"""Opens releases of the store beside the one that Triton has loaded, each as a whole, and closes them."""

from pathlib import Path

from serving.triton.counters import Counters
from serving.triton.package import check_package, read_json
from serving.triton.routing.open_release import OpenRelease
from serving.triton.routing.widening import Widening

SETTINGS = "request.json"


class Opener:
    """Of one model; `model` is its folder in the store. For one thread."""

    def __init__(self, own: OpenRelease, name: str, model: Path) -> None:
        self._own, self._name, self._model = own, name, model
        self._open = {own.version: own}
        self._counters: dict[int, Counters] = {own.version: own.counters}

    def release(self, version: int, asks: bool = True) -> OpenRelease:
        """The release, which is opened if it is not. `asks`: it may ask other models of Triton to see whether it works.

        Raises ValueError, with one sentence.
        """
        if version not in self._open:
            try:
                self._open[version] = self._opened(version, asks)
            except Exception as error:  # ONNX Runtime's have no class in common
                reason = str(error).splitlines()[0] if str(error) else repr(error)
                raise ValueError(f"release {version} cannot be opened: {reason}") from None
        return self._open[version]

    def close(self, kept: set[int]) -> list[int]:
        """Close all but these and the own one; which."""
        closed = [version for version in self._open if version not in kept | {self._own.version}]
        for version in closed:
            self._open.pop(version).close()
        return closed

    def close_counters(self) -> None:
        for version, counters in self._counters.items():
            if version != self._own.version:
                counters.close()

    def _opened(self, version: int, asks: bool) -> OpenRelease:
        folder = self._model / str(version)
        if not folder.is_dir():
            raise ValueError(f"there is no {folder}")
        check_package(folder)
        if not (folder / SETTINGS).is_file():
            raise ValueError(f"its `{self._name}` is no Python model, as that of release {self._own.version} is")
        settings = read_json(folder / SETTINGS)
        widening = Widening(self._own.settings, settings)
        if version not in self._counters:
            labels = {"model": self._name, "version": str(version)}
            self._counters[version] = Counters(settings["metrics_interval_s"], settings["fields"], **labels)
        release = OpenRelease(folder, self._name, settings, self._counters[version], widening)
        if asks or release.is_in_process:
            release.warm_up()
        return release
