"""The p99 of arriving requests, of two servers in turn."""

from math import inf
from types import SimpleNamespace

import numpy as np
import pytest

from bench.served.arriving import p99_ms, p99_ratios
from loadtests.perf_analyzer.process import QueueFull


def refused(*_: object) -> None:
    raise QueueFull("too many requests are waiting")


def test_a_run_in_which_a_request_was_refused_has_no_end():
    assert p99_ms(SimpleNamespace(open=refused), 100.0, 1.0, 0.1, np.random.default_rng(0)) == inf


def test_ratios_are_of_pairs_that_say_something():
    assert p99_ratios([(3.0, 2.0), (inf, 2.0), (2.0, inf), (inf, inf)]) == [1.5, inf, 0.0]
    with pytest.raises(ValueError, match="refused in all of 4 runs"):
        p99_ratios([(inf, inf), (inf, inf)])
