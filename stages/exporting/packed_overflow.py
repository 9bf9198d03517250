"""The part of `ctr_packed.onnx` that hashes values without an id of their own, all columns at once.

Shape letters: N rows, C string columns of a request, F fields.
"""

import numpy as np

from stages.features.graph import TABLE_IDX, Graph, bucket_of, hash_of, inner
from stages.features.vocabulary import UNKNOWN_ID

PIECES = "/pieces"  # the strings of a text, each behind its column's code; nothing stands before the first separator
END = np.iinfo(np.int64).max
NO_BUCKETS = np.array([UNKNOWN_ID])


def by_row(graph: Graph, output: str, num_columns: int) -> str:
    """What was made of each piece, which is called `<output>_and_start`, as [N, C]."""
    bounds = [graph.constant(f"/{name}", np.array([value])) for name, value in (("second", 1), ("end", END), ("axis_1", 1))]
    graph.add("Slice", [f"{output}_and_start", *bounds], f"{output}_flat")
    shape = graph.constant("/rows", np.array([-1, num_columns]))
    return graph.add("Reshape", [f"{output}_flat", shape], output)


def hash_unknown(graph: Graph, constants: dict[str, np.ndarray], fields: list[str], texts: list[str]) -> None:
    """Adds table_idx [N, F]: cat_idx, and the bucket's id where that is unknown. `constants` are the encoder's.

    A field whose values are not hashed has one bucket, whose id is unknown.
    """
    bucket_ids_F = [constants.get(inner(name, "bucket_ids"), NO_BUCKETS) for name in fields]
    place_F = [texts.index(name) if inner(name, "bucket_ids") in constants else 0 for name in fields]
    size_F = np.array([len(ids_B) for ids_B in bucket_ids_F])
    hash_of(graph, PIECES, "/hashes_and_start")
    of_field = graph.add(
        "Gather", [by_row(graph, "/hashes", len(texts)), graph.constant("/hash_places", np.array(place_F))], "/hash", axis=1
    )
    bucket = bucket_of(graph, of_field, graph.constant("/num_buckets", size_F.astype(np.uint32)), "/hash_bucket")
    row = graph.add("Add", [bucket, graph.constant("/first_buckets", np.cumsum(size_F) - size_F)], "/bucket_row")
    ids = graph.add("Gather", [graph.constant("/bucket_ids_of_fields", np.concatenate(bucket_ids_F)), row], "/hashed_ids")
    is_unknown = graph.add("Equal", ["cat_idx", graph.constant("/unknown_id", np.array(UNKNOWN_ID))], "/is_unknown")
    graph.add("Where", [is_unknown, ids, "cat_idx"], TABLE_IDX)
