"""Triton model `ctr_by_name`: one tensor a column, for requests written by hand. Packs the columns and asks `ctr`.

A column with several values comes as a tensor of them, or as one for each of its slots.
"""

import asyncio
import json
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from contracts.serving.list_cells import slots_of_values
from serving.triton.backlog import Backlog
from serving.triton.counters import Counters
from serving.triton.journal.model import ModelJournal, unanswered
from serving.triton.package import open_version
from serving.triton.packed_request import CATEGORICAL, IMAGE, KEY, NUMERIC
from serving.triton.refusal import BUSY, INNER, INNER_CALL, UNWRITTEN, Refused

LISTS = "lists"  # parameter of the model's configuration: its columns with several values, if it has any
OUTPUTS = ["probability", "model_version", "prediction_id"]


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        _, settings = open_version(args)
        config = json.loads(args["model_config"])
        name, version = config["name"], args["model_version"]
        self._backlog = Backlog(name, version, settings["max_queue_size"])
        self._counters = Counters(settings["metrics_interval_s"], [], model=name, version=version)
        self._journal = ModelJournal(name, int(version), settings, self._counters, pb_utils.Logger.log_error)
        names = {column["name"] for pack in (CATEGORICAL, NUMERIC) for column in settings[pack]}
        self._passed_on = [name for name in (IMAGE, KEY) if name not in names]
        said = config["parameters"].get(LISTS)
        lists = json.loads(said["string_value"]) if said is not None else []
        self._lists = {f"{column['name']}[{place}]": (column, place) for column in lists for place in range(column["longest"])}
        self._packs = [(name, settings[name]) for name in (CATEGORICAL, NUMERIC) if settings[name]]

    async def execute(self, requests: list[Any]) -> list[Any]:
        if self._backlog.too_long():
            self._counters.count("adclick_requests_total", len(requests), outcome="overloaded")
            self._journal.refusals(unanswered(request, "overloaded") for request in requests)
            busy = pb_utils.TritonError(str(self._backlog.refusal()), pb_utils.TritonError.UNAVAILABLE)
            return [pb_utils.InferenceResponse(error=busy) for _ in requests]
        return await asyncio.gather(*(self._answer(request) for request in requests))

    def finalize(self) -> None:
        self._journal.close()
        self._counters.close()

    async def _answer(self, request: Any) -> Any:
        try:
            packed = [pb_utils.Tensor(name, self._packed(request, name, columns)) for name, columns in self._packs]
        except Refused as refusal:
            self._counters.refused(refusal.rule)
            self._journal.refusals([unanswered(request, refusal.rule)])
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(refusal), pb_utils.TritonError.INVALID_ARG))
        others = [pb_utils.get_input_tensor_by_name(request, name) for name in self._passed_on]
        sent = request.parameters()
        response = await pb_utils.InferenceRequest(
            model_name="ctr",
            request_id=request.request_id(),
            inputs=[*packed, *(tensor for tensor in others if tensor is not None)],
            requested_output_names=OUTPUTS,
            parameters={**(json.loads(sent) if sent else {}), INNER_CALL: True},
        ).async_exec()
        if response.has_error():
            return pb_utils.InferenceResponse(error=_error(response.error().message()))
        return pb_utils.InferenceResponse(response.output_tensors())

    def _packed(self, request: Any, pack: str, columns: list[dict[str, Any]]) -> np.ndarray:
        """The columns side by side. A column that the model does not use may be left out."""
        parts, absent = [], "" if pack == CATEGORICAL else np.nan
        whole: dict[str, np.ndarray | None] = {}
        for column in columns:
            name = column["name"]
            values = self._slot(request, name, whole)
            tensor = pb_utils.get_input_tensor_by_name(request, name) if values is None else None
            if values is None and tensor is None and column["used"]:
                kind = "BYTES" if pack == CATEGORICAL else "FP32"
                raise Refused("missing_tensor", f"input '{name}' is missing; send {kind} [rows, 1]{self._or_whole(name)}")
            if tensor is not None:
                values = tensor.as_numpy()
                if values.ndim != 2 or values.shape[1] != 1:
                    raise Refused("shape", f"input '{name}' has shape {list(values.shape)}, expected [rows, 1]")
            parts.append(values)
        rows = len(request.inputs()[0].as_numpy())
        dtype = object if pack == CATEGORICAL else np.float32
        return np.hstack([np.full((rows, 1), absent, dtype=dtype) if part is None else part for part in parts])

    def _slot(self, request: Any, name: str, whole: dict[str, np.ndarray | None]) -> np.ndarray | None:
        """A slot of a column that was sent whole, [rows, 1]; None for other columns. `whole` is filled in place."""
        if name not in self._lists:
            return None
        column, place = self._lists[name]
        list_name = column["name"]
        if list_name not in whole:
            tensor = pb_utils.get_input_tensor_by_name(request, list_name)
            if tensor is not None and pb_utils.get_input_tensor_by_name(request, name) is not None:
                raise Refused("shape", f"inputs '{list_name}' and '{name}' say the same; send one of them")
            whole[list_name] = None if tensor is None else slots_of_values(tensor.as_numpy(), column)
        slots_NL = whole[list_name]
        return None if slots_NL is None else slots_NL[:, place : place + 1]

    def _or_whole(self, name: str) -> str:
        return f", or '{self._lists[name][0]['name']}' BYTES [rows, values]" if name in self._lists else ""


def _error(message: str) -> Any:
    """The error of `ctr` as its own callers would get it."""
    if message.startswith(INNER):
        return pb_utils.TritonError(message.removeprefix(INNER), pb_utils.TritonError.INVALID_ARG)
    kind = pb_utils.TritonError.UNAVAILABLE if BUSY in message or UNWRITTEN in message else pb_utils.TritonError.INTERNAL
    return pb_utils.TritonError(message, kind)
