"""A last step between a network's logit and the probability, by which predictions fit the click rates that were seen.

Shape letters: B rows, K knots.
"""

import torch
from torch import Tensor, nn


def calibrated_probability(logit_B: Tensor, calibration: nn.Module | None) -> Tensor:
    """float32 [B], after the step if there is one."""
    return torch.sigmoid(logit_B if calibration is None else calibration(logit_B))


class Temperature(nn.Module):
    """The logit times a number above 0: 1 / temperature. (Guo, Pleiss, Sun, Weinberger: On calibration of modern neural networks,
    ICML 2017.)
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.register_buffer("rate", torch.tensor(rate, dtype=torch.float32))

    def forward(self, logit_B: Tensor) -> Tensor:
        return logit_B * self.rate


class Monotone(nn.Module):
    """A rising line through the knots (x, y), straight between them, and at slope 1 outside: the order of rows stays."""

    def __init__(self, x: tuple[float, ...], y: tuple[float, ...]) -> None:
        super().__init__()
        x_K, y_K = torch.tensor(x, dtype=torch.float64), torch.tensor(y, dtype=torch.float64)
        one = torch.ones(1, dtype=torch.float64)
        slope = torch.cat([one, y_K.diff() / x_K.diff(), one])
        start = torch.cat([torch.zeros(1, dtype=torch.int64), torch.arange(len(x))])  # the knot that each piece goes through
        self.register_buffer("x_K", x_K.float())
        self.register_buffer("slope_P", slope.float())
        self.register_buffer("from_P", x_K[start].float())
        self.register_buffer("to_P", y_K[start].float())

    def forward(self, logit_B: Tensor) -> Tensor:
        piece_B = (logit_B[:, None] >= self.x_K).sum(dim=1)
        return self.to_P[piece_B] + self.slope_P[piece_B] * (logit_B - self.from_P[piece_B])
