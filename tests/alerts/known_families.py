"""Which metrics there are: those of the server and of the commands, from their code, and others' that are scraped in tests."""

import ast
import re
from typing import Any

import yaml

from lifecycle.alerts.dashboard.panels import ROWS
from lifecycle.alerts.metrics import MonitorMetrics
from lifecycle.journal.metrics import JournalMetrics
from tests.alerts.prometheus_world import DEPLOY
from tests.project.imports import ROOT

NAME = re.compile(r"\b(adclick_\w+|nv_\w+|node_\w+|DCGM_\w+)\b")
DCGM = {"DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_DEV_GPU_TEMP", "DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_FB_FREE", "DCGM_FI_DEV_XID_ERRORS"}
TRITON = {
    "nv_inference_request_success", "nv_inference_request_duration_us", "nv_inference_queue_duration_us",
    "nv_inference_pending_request_count",
}  # fmt: skip
NODE = {
    "node_filesystem_avail_bytes", "node_filesystem_size_bytes", "node_memory_MemAvailable_bytes", "node_memory_MemTotal_bytes",
    "node_cpu_seconds_total", "node_network_receive_bytes_total", "node_network_transmit_bytes_total",
}  # fmt: skip


def served_families() -> set[str]:
    """What `serving/triton/counters.py` says that the server has; the module itself needs Triton."""
    tree = ast.parse((ROOT / "serving/triton/counters.py").read_text())
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in ("FAMILIES", "GAUGES"):
            found |= ast.literal_eval(node.value)
    return set(found)


def own_families() -> set[str]:
    """Of the commands that follow the server."""
    registries = (JournalMetrics().registry, MonitorMetrics().registry)
    families = [family for registry in registries for family in registry.collect()]
    return {f"{family.name}_total" if family.type == "counter" else family.name for family in families}


def known_families() -> set[str]:
    return served_families() | own_families() | DCGM | TRITON | NODE


def rules() -> dict[str, list[dict[str, Any]]]:
    """Of each file of deploy/prometheus/rules, by its name."""
    return {
        path.name: [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]
        for path in sorted((DEPLOY / "rules").glob("*.yml"))
    }


def alerts() -> dict[str, dict[str, Any]]:
    """By name, those of all files."""
    return {rule["alert"]: rule for found in rules().values() for rule in found if "alert" in rule}


def panel_expressions() -> list[str]:
    return [ask.expr for row in ROWS for panel in row.panels for ask in panel.asks]
