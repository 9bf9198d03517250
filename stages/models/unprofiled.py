"""No profiler, for Lightning, which goes through 64 places of its profiler in a step: its own one makes a new context in each."""

from contextlib import AbstractContextManager, nullcontext

from pytorch_lightning.profilers import PassThroughProfiler


class Unprofiled(PassThroughProfiler):
    """Gives the same empty context every time."""

    nothing = nullcontext()

    def profile(self, action_name: str) -> AbstractContextManager[None]:
        return self.nothing
