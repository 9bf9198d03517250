"""Triton's two doors, gRPC and HTTP, for asyncio. Each belongs to the event loop in which it is made."""

import asyncio
import ssl
from typing import Any

import tritonclient.grpc as triton_grpc
import tritonclient.grpc.aio as triton_grpc_aio
import tritonclient.http as triton_http
import tritonclient.http.aio as triton_http_aio

from serving.client.batch import Tensors
from serving.client.protocol_errors import own_errors
from serving.client.protocols import CONNECTIONS, NOTHING_SAID, Address, Prediction, Said, infer_inputs, parameters, prediction
from serving.proxies import proxy_variable


class AsyncGrpcDoor:
    """For the tasks of one event loop."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._proxy = proxy_variable(address.host_port)
        self._client = triton_grpc_aio.InferenceServerClient(
            address.host_port, ssl=address.tls, root_certificates=address.root_certificates, channel_args=address.grpc_options
        )

    async def config(self, timeout_s: float) -> dict[str, Any]:
        with own_errors(str(self._address), timeout_s, self._proxy):
            found = await self._client.get_model_config(self._address.model, as_json=True, client_timeout=timeout_s)
            return found["config"]

    async def infer(
        self, tensors: Tensors, digest: str, timeout_s: float, request_id: str = "", said: Said = NOTHING_SAID
    ) -> Prediction:
        inputs, stated = infer_inputs(triton_grpc.InferInput, tensors), parameters(digest, said)
        with own_errors(str(self._address), timeout_s, self._proxy):
            result = await self._client.infer(
                self._address.model, inputs, parameters=stated, request_id=request_id, client_timeout=timeout_s
            )
            return prediction(result, tensors)

    async def close(self) -> None:
        await self._client.close()


class AsyncHttpDoor:
    """For the tasks of one event loop."""

    def __init__(self, address: Address) -> None:
        self._address = address
        context = ssl.create_default_context(cafile=address.root_certificates) if address.tls else True
        self._client = triton_http_aio.InferenceServerClient(
            address.host_port, ssl=address.tls, ssl_context=context, conn_limit=CONNECTIONS, conn_timeout=None
        )

    async def config(self, timeout_s: float) -> dict[str, Any]:
        with own_errors(str(self._address), timeout_s):
            async with asyncio.timeout(timeout_s):
                return await self._client.get_model_config(self._address.model)

    async def infer(
        self, tensors: Tensors, digest: str, timeout_s: float, request_id: str = "", said: Said = NOTHING_SAID
    ) -> Prediction:
        inputs, stated = infer_inputs(triton_http.InferInput, tensors), parameters(digest, said)
        with own_errors(str(self._address), timeout_s):
            async with asyncio.timeout(timeout_s):
                result = await self._client.infer(self._address.model, inputs, parameters=stated, request_id=request_id)
            return prediction(result, tensors)

    async def close(self) -> None:
        await self._client.close()
