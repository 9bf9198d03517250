"""How many users a run has at each moment, as Locust asks for it."""

from typing import ClassVar

from locust import LoadTestShape

from loadtests.settings import LoadConfig

BEYOND_S = 0.5  # after the last stage: processes begin a moment after one another, and all are to be measured to the end


class Stages(LoadTestShape):
    """The stages of the settings. Where requests arrive at a rate, each process has the one user that sends them."""

    config: ClassVar[LoadConfig]

    def tick(self) -> tuple[int, float] | None:
        """Users, and how many of them may begin or end within a second: all; None when the run is over."""
        elapsed_s = self.get_run_time()
        if elapsed_s > self.config.warmup_s + self.config.total_s + BEYOND_S:
            return None
        if self.config.open_loop:
            return self.config.processes, self.config.processes
        stage = self.config.stage_at(elapsed_s) or self.config.stages[-1]
        return stage.users, max(stage.users for stage in self.config.stages)
