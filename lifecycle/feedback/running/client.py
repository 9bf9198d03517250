"""How the endpoint is asked: events are sent to it, and the command hands its work over where it runs."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError

from lifecycle.feedback.running.work import FeedbackOrder
from serving.secret_file import secret_of

SECRET_HEADER, BATCH_HEADER = "adclick-feedback", "adclick-batch"
TIMEOUT_S, ORDER_TIMEOUT_S = 60.0, 24 * 3600.0


def send_events(url: str, secret: str, lines: bytes, batch: str, timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
    """What the endpoint answers to JSON lines. Sent again with the same `batch`, they count once. Raises ValueError."""
    return _post(f"{url}/feedback", {SECRET_HEADER: secret, BATCH_HEADER: batch}, lines, timeout_s)


def hand_over(url: str, secret_file: Path, order: FeedbackOrder) -> list[str]:
    """What the endpoint says when it has done what the command was to do. Raises ValueError."""
    headers = {SECRET_HEADER: secret_of(secret_file), "Content-Type": "application/json"}
    lines: list[str] = _post(f"{url}/order", headers, json.dumps(asdict(order)).encode(), ORDER_TIMEOUT_S)["lines"]
    return lines


def _post(url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> dict[str, Any]:
    try:
        answer = urllib3.request("POST", url, headers=dict(headers), body=body, timeout=timeout_s, retries=False)
    except HTTPError as error:
        raise ValueError(f"the endpoint at {url} does not answer ({type(error).__name__}); start it again, and repeat") from None
    try:
        found: dict[str, Any] = json.loads(answer.data)
    except ValueError:
        found = {"error": f"{url} answered {answer.status} without words"}
    if answer.status != 200:
        raise ValueError(str(found.get("error")))
    return found
