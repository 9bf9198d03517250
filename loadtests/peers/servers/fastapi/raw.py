"""FastAPI as fast as it reasonably goes: the raw body read with numpy, float32 bytes back, nothing checked."""

from fastapi import FastAPI, Request, Response

from loadtests.peers.servers.fused_graph import FusedGraph
from loadtests.peers.servers.raw_layout import unpack

app = FastAPI()
graph = FusedGraph.of_environment()


@app.post("/predict")
async def predict(request: Request) -> Response:
    columns = unpack(await request.body(), len(graph.categorical), len(graph.numeric))
    return Response(graph.predict(*columns).tobytes(), media_type="application/octet-stream")
