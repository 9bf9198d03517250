"""How much of the shadow work is taken on, so that what is left out is left out by key, not by what happens to be under way."""

STEP_S = 0.1  # between two changes
FULL, EMPTY = 0.5, 0.05  # parts of the queue: above it the level sinks, below it rises
DOWN, UP = 0.8, 1.1
LEAST = 0.01


class ShadowLevel:
    """A share of the keys, 0.01 to 1, that follows how full the queue is."""

    def __init__(self, now_s: float) -> None:
        self.share, self._changed = 1.0, now_s

    def follow(self, fill: float, now_s: float) -> None:
        """`fill`: how full the queue is, 0 to 1."""
        if now_s - self._changed < STEP_S:
            return
        self._changed = now_s
        if fill > FULL:
            self.share = max(self.share * DOWN, LEAST)
        elif fill < EMPTY:
            self.share = min(self.share * UP, 1.0)

    def takes(self, shadow_bucket: int, wanted_ppm: int) -> bool:
        """Is a key of this bucket computed, where `wanted_ppm` of them shall be: a lower level takes some of the same keys."""
        return shadow_bucket < round(wanted_ppm * self.share)
