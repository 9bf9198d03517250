"""Does the candidate answer the requests that clients send today: those that were written for the champion."""

import numpy as np
import polars as pl

from contracts.serving.request import RequestSpec, numbers, strings
from lifecycle.gate.checks import CONTRACT, GateCheck
from lifecycle.gate.measuring.served import FAILURES, Served
from lifecycle.gate.models import GatedModel
from serving.client import CtrClient
from serving.client.protocols import GrpcDoor, HttpDoor
from serving.client.served_model import served_model

BY_NAME = "ctr_by_name"
TIMEOUT_S = 20.0
SHOWN = 3


def contract_check(candidate: Served, champion: GatedModel | None, rows: pl.DataFrame, max_difference: float) -> GateCheck:
    """`rows`: of the test split, with the columns of the candidate's requests."""
    written_for = candidate.model if champion is None else champion
    wrong = [*published_wrongly(candidate)]
    wrong += [] if champion is None else columns_apart(champion.request, candidate.model.request)
    if not wrong:
        wrong += unanswered(candidate, as_written_for(written_for.request, rows), max_difference)
    figures = {"rows": len(rows), "wrong": wrong}
    if wrong:
        return GateCheck(name=CONTRACT, passed=False, sentence=f"contract: {'; '.join(wrong[:SHOWN])}", figures=figures)
    new = sorted({column.name for column in candidate.model.request.columns} - {c.name for c in written_for.request.columns})
    lacking = f", without the new columns {', '.join(new)}" if new else ""
    sentence = f"the model is what its declaration says; {len(rows)} rows as the {written_for.name} takes them are answered"
    return GateCheck(name=CONTRACT, passed=True, sentence=f"{sentence}{lacking}, by name as well", figures=figures)


def published_wrongly(candidate: Served) -> list[str]:
    """In what the running model's own description differs from its declaration."""
    expected, found = candidate.model.request, []
    for protocol, kind in (("grpc", GrpcDoor), ("http", HttpDoor)):
        door = kind(candidate.address(protocol))
        try:
            told = served_model(door.config(TIMEOUT_S)).request
        except FAILURES as error:
            found.append(f"over {protocol} the model does not describe itself: {error}")
            continue
        finally:
            door.close()
        for what in ("categorical", "numeric"):
            names = [[column.name for column in getattr(spec, what)] for spec in (told, expected)]
            if names[0] != names[1]:
                found.append(f"tensor '{what}' has columns {names[0]}, the declaration {names[1]}")
        if (told.digest, told.creative) != (expected.digest, expected.creative):
            found.append(f"the model says declaration {told.digest[:12]}, the export's is {expected.digest[:12]}")
    return list(dict.fromkeys(found))


def columns_apart(before: RequestSpec, now: RequestSpec) -> list[str]:
    """What keeps a request that was written for `before` from being one for `now`, with its new columns missing."""
    found = []
    for kind in ("categorical", "numeric"):
        names = {column.name for column in getattr(now, kind)}
        gone = [column.name for column in getattr(before, kind) if column.name not in names]
        found += [f"column '{name}', which the champion takes as {kind}, is gone" for name in gone]
    known = {column.name for column in before.columns}
    needed = [column.name for column in now.columns if column.name not in known and not column.nullable]
    found += [
        f"column '{name}' is new and not nullable, so that requests written for the champion lack a value" for name in needed
    ]
    return found + (["creatives have no images now"] if before.creative is not None and now.creative is None else [])


def as_written_for(request: RequestSpec, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with only the columns of `request`; the others are there and missing."""
    known = {column.name for column in request.columns}
    return rows.with_columns(pl.lit(None, dtype=rows.schema[name]).alias(name) for name in rows.columns if name not in known)


def unanswered(candidate: Served, rows: pl.DataFrame, max_difference: float) -> list[str]:
    """What is wrong with the answers to the rows, through both doors."""
    try:
        with CtrClient(candidate.address("grpc").host_port) as client:
            packed_N = client.predict(rows).probability
        named_N = ask_by_name(candidate, rows)
    except FAILURES as error:
        return [f"requests as clients send them today are not answered: {error}"]
    if not np.isfinite(packed_N).all():
        return ["an answer is no finite number"]
    apart = float(np.abs(packed_N - named_N).max())
    return [f"`{BY_NAME}` answers other probabilities than `ctr`, by up to {apart:.1e}"] if apart > max_difference else []


def ask_by_name(candidate: Served, rows: pl.DataFrame) -> np.ndarray:
    """Probabilities, float32 [N], from the door that takes one tensor a column."""
    spec = candidate.model.request
    tensors = {c.name: strings(rows[c.name]).to_numpy().astype(object)[:, None] for c in spec.categorical}
    tensors |= {c.name: numbers(rows[c.name]).to_numpy().astype(np.float32)[:, None] for c in spec.numeric}
    door = GrpcDoor(candidate.address("grpc", BY_NAME))
    try:
        return door.infer(tensors, spec.digest, TIMEOUT_S).probability
    finally:
        door.close()
