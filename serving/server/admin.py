"""Triton's control and health APIs over HTTP: is it ready, load this model. The closed ones need the secret."""

import json
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError

from serving.server.secret import http_headers


class AdminApi:
    """The APIs of the server at `url` (http://host:port)."""

    def __init__(self, url: str, secret: str | None = None, timeout_s: float = 60.0) -> None:
        self._url, self._headers = url, {"Connection": "close"}  # Triton waits for open connections when it ends
        self._closed_headers = self._headers if secret is None else self._headers | http_headers(secret)
        self._pool = urllib3.PoolManager(timeout=timeout_s, retries=False, maxsize=4)

    def ready(self) -> bool:
        """Is the server up with all its models."""
        return self._status("/v2/health/ready") == 200

    def live(self) -> bool:
        return self._status("/v2/health/live") == 200

    def load(self, model: str) -> None:
        """Load or reload a model as its folder says. Raises ValueError with Triton's reason; the old one then stays."""
        self._control(model, "load")

    def unload(self, model: str) -> None:
        """End a model; requests under way are answered. Raises ValueError with Triton's reason."""
        self._control(model, "unload")

    def _control(self, model: str, action: str) -> None:
        url = f"{self._url}/v2/repository/models/{model}/{action}"
        try:
            answer = self._pool.request("POST", url, headers=self._closed_headers)
        except HTTPError as error:
            raise ValueError(
                f"model '{model}' was not {action}ed: {self._url} does not answer ({type(error).__name__})"
            ) from None
        if answer.status != 200:
            raise ValueError(f"model '{model}' was not {action}ed: {reason(answer.data)}")

    def versions(self, model: str) -> list[int]:
        """Versions of the model that are ready."""
        try:
            answer = self._pool.request("GET", f"{self._url}/v2/models/{model}", headers=self._headers)
        except HTTPError:
            return []
        return [int(version) for version in json.loads(answer.data)["versions"]] if answer.status == 200 else []

    def settled(self) -> bool:
        """Have all versions ended that were replaced. Raises ValueError if the server does not say."""
        models = self._answer("POST", "/v2/repository/index", "list its models")
        return all(model.get("state") != "UNLOADING" for model in models)

    def answered(self, model: str) -> int:
        """Requests to the model that ended, well or not, since it was loaded. Raises ValueError if the server does not say."""
        statistics = self._answer("GET", f"/v2/models/{model}/stats", f"tell the statistics of '{model}'")
        ends = [version["inference_stats"] for version in statistics["model_stats"]]
        return sum(int(end[kind]["count"]) for end in ends for kind in ("success", "fail"))

    def _answer(self, method: str, path: str, what: str) -> Any:
        try:
            answer = self._pool.request(method, self._url + path, headers=self._closed_headers)
        except HTTPError as error:
            raise ValueError(f"{self._url} does not answer ({type(error).__name__})") from None
        if answer.status != 200:
            raise ValueError(f"{self._url} does not {what}: {reason(answer.data)}")
        return json.loads(answer.data)

    def _status(self, path: str) -> int:
        try:
            return self._pool.request("GET", self._url + path, headers=self._headers).status
        except HTTPError:
            return 0


def reason(body: bytes) -> str:
    """The first line of Triton's error."""
    try:
        text = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        text = body.decode("utf-8", "replace")
    return text.split("\n")[0].strip()
