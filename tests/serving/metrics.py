"""Reads what Prometheus would read."""

import re
from dataclasses import dataclass

import urllib3

from serving.server.server import TritonServer

LINE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)",?')


@dataclass(frozen=True)
class Metrics:
    """A scrape: values by name and labels, and what is said of each family."""

    values: dict[tuple[str, frozenset[tuple[str, str]]], float]
    types: dict[str, str]
    helps: dict[str, str]


def scrape(server: TritonServer) -> Metrics:
    with urllib3.PoolManager() as pool:
        text = pool.request("GET", server.metrics_url, headers={"Connection": "close"}).data.decode()
    values, said = {}, {"TYPE": {}, "HELP": {}}
    for line in text.splitlines():
        if line.startswith("# "):
            _, kind, name, rest = line.split(" ", 3)
            said[kind][name] = rest
            continue
        name, labels, value = LINE.fullmatch(line).groups()
        series = name, frozenset(LABEL.findall(labels or ""))
        assert series not in values
        values[series] = float(value)
    return Metrics(values, said["TYPE"], said["HELP"])


def total(metrics: Metrics, name: str, **labels: str) -> float:
    """Sum over all series of `name` that have these labels."""
    return sum(value for (key, found), value in metrics.values.items() if key == name and labels.items() <= dict(found).items())
