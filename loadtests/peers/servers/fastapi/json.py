"""FastAPI as its documentation shows it: a pydantic model in, a pydantic model out, JSON on the wire.

`async def` with the call in place: a prediction takes less time than handing it to the thread pool and back.
"""

from fastapi import FastAPI
from pydantic import BaseModel

from loadtests.peers.servers.fused_graph import FusedGraph


class Rows(BaseModel):
    categorical: list[list[str]]
    numeric: list[list[float | None]]


class Probabilities(BaseModel):
    probability: list[float]


app = FastAPI()
graph = FusedGraph.of_environment()


@app.post("/predict")
async def predict(rows: Rows) -> Probabilities:
    return Probabilities(probability=graph.predict_rows(rows.categorical, rows.numeric).tolist())
