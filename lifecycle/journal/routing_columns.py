"""What the journal says of a row's routing, as columns; all null where no route had to do with it.

Shape letters: R requests, N kept rows.
"""

import numpy as np
import pyarrow as pa

from lifecycle.journal.answers import Answers
from lifecycle.journal.texts import keys_of
from serving.triton.journal.layout import FALLBACK, NO_BUCKET, NO_ROUTE, NONE

ROUTING_COLUMNS = {
    "arm": pa.string(),  # as the route assigned it, whoever computed
    "route": pa.uint64(),
    "fallback": pa.bool_(),  # the champion answered instead of the challenger
    "bucket": pa.uint32(),  # of the routing key
    "routing_key": pa.string(),  # that the caller sent
}
ARMS = (None, "champion", "challenger")


def has_routing(schema: pa.Schema) -> bool:
    """Are they the journal's, in a file of rows. One of before there was routing may have a declared column called like one."""
    plain = {pa.large_string(): pa.string()}
    found = {field.name: plain.get(field.type, field.type) for field in schema}
    return all(found.get(name) == kind for name, kind in ROUTING_COLUMNS.items())


def routing_columns(answers: Answers, request_N: np.ndarray, frame_N: np.ndarray) -> dict[str, pa.Array]:
    """The columns of ROUTING_COLUMNS for rows of these requests, which stand in these records."""
    num_rows, requests_R, routes = len(request_N), answers.requests_R, answers.frames["route"]
    columns = {name: pa.nulls(num_rows, kind) for name, kind in ROUTING_COLUMNS.items()}
    columns["fallback"] = pa.array(requests_R["status"][request_N] == FALLBACK)
    if (routes != NO_ROUTE).any():
        columns["route"] = pa.array(routes[frame_N], mask=routes[frame_N] == NO_ROUTE)
    if (requests_R["arm"] != NONE).any():
        arms_N = np.minimum(requests_R["arm"], len(ARMS))[request_N]  # one that is not known has no name
        columns["arm"] = pa.array([*ARMS, None], pa.string()).take(pa.array(arms_N))
    if len(answers.routed_R):
        buckets_N = answers.routed_R["bucket"][request_N]
        columns["bucket"] = pa.array(buckets_N, mask=buckets_N == NO_BUCKET)
    if len(answers.routing_key_lengths_R):
        columns["routing_key"] = keys_of(answers.routing_keys, answers.routing_key_lengths_R).take(pa.array(request_N))
    return columns
