"""Measurements of the comparison made by hand, and a small traffic of four rows."""

import numpy as np

from contracts.dataset.columns import Column
from contracts.serving.request import RequestSpec
from loadtests.peers.measured import PeerMeasurement, Workload
from loadtests.requests.traffic import Payload, TrafficRows


def four_rows() -> TrafficRows:
    """Two categorical columns and two numeric ones, with text beyond ASCII and a missing number."""
    categorical = tuple(Column(name=name, role="categorical", dtype="string") for name in ("site", "device"))
    numeric = tuple(Column(name=name, role="numeric", dtype="float") for name in ("age", "price"))
    return TrafficRows(
        spec=RequestSpec(categorical=categorical, numeric=numeric, instants=(), creative=None, digest="a-digest"),
        categorical_NC=np.array([["news", "tv"], ["gry é", "tablet"], ["", "tv"], ['say "hi"', "phone"]], dtype=object),
        numeric_NM=np.array([[31.0, 0.052], [np.nan, 1.5], [7.0, 0.7], [18.0, 0.1]], dtype=np.float32),
        creative_N=None,
        images={},
    )


def all_rows() -> Payload:
    return four_rows().payload(np.arange(4))


def measured(door: str, product: str, workload: str, number: int = 1, **values: float) -> PeerMeasurement:
    rows, clients = map(int, workload.split("/"))
    shown = {"requests": 1000, "errors": 0, "requests_per_s": 100.0, "p50_ms": 1.0, "p99_ms": 2.0, "cpu_s": 1.0}
    shown |= {"idle_cores": 0.0, "others_cores": 0.0} | values
    return PeerMeasurement(door=door, product=product, workload=Workload(rows=rows, clients=clients), round=number, **shown)
