"""What the backend in serving/native has to know of a model: `native.txt`, a line a fact, so that C reads it without a library.

`request.json` says the same to the Python models, and more; which requests are plain is decided from this.
"""

from typing import Any

import onnx
from tritonclient.grpc.model_config_pb2 import ModelConfig

from contracts.serving.packed_text import codes_of, prefixes

BACKEND = "adclick"
CAREFUL = "ctr_careful"  # the Python model that answers what is not plain
SETTINGS = "native.txt"
FORMAT = 2
MOST = 1024  # MAX_COLUMNS in serving/native/settings.h
LONGEST = 255  # bytes of a column's name or a missing marker: NAME_SIZE there, less the NUL
MOST_STRING_BYTES = 2**32 - 1  # a string's length in a tensor has 32 bits


def native_settings(settings: dict[str, Any], graph: onnx.ModelProto, config: ModelConfig) -> bytes:
    """The file's content. `settings` are those of `request.json`, `graph` is `ctr_packed.onnx`."""
    categorical, numeric, limits = settings["categorical"], settings["numeric"], settings["limits"]
    missing = [(c, marker) for c, column in enumerate(categorical) for marker in _markers(column)]
    markers = [(j, marker) for j, column in enumerate(numeric) for marker in column["missing_numbers"]]
    if max(map(len, (categorical, numeric, settings["fields"], missing, markers))) > MOST:
        raise ValueError(
            f"`ctr` takes at most {MOST} columns or missing markers of a kind; set serving.repository.native to false"
        )
    names = settings["fields"]
    if broken := [name for name in names if "\n" in name or "\0" in name or len(name.encode()) > LONGEST]:
        raise ValueError(
            f"column {broken[0]!r}: `ctr` takes no name with a line break or NUL, or of more than {LONGEST} bytes; "
            "rename it, or set serving.repository.native to false"
        )
    inputs = {value.name for value in graph.graph.input}
    separator = next(entry.value for entry in graph.metadata_props if entry.key == "separator")
    marks = prefixes(len(categorical), separator, codes_of(categorical)) if categorical else ()
    lines = [
        f"format {FORMAT}",
        f"declaration {settings['declaration']}",
        f"separator {ord(separator)}",
        f"max_request_bytes {limits['max_request_bytes']}",
        f"creative {int('creative_idx' in {output.name for output in graph.graph.output})}",
        f"feeds_text {int('text' in inputs)}",
        f"feeds_numeric {int('numeric' in inputs)}",
        f"threads {settings['ort_threads']}",
        f"max_waiting {settings['max_queue_size']}",
        f"max_rows {config.max_batch_size}",
        f"warmups {len(config.model_warmup)}",
        f"interval_s {settings['metrics_interval_s']}",
        *(_string(column, mark.tobytes(), limits) for column, mark in zip(categorical, marks, strict=True)),
        *(f"entity {c}" for c, column in enumerate(categorical) if column["name"] == settings.get("entity")),
        *(f"missing {c} {marker.hex()}" for c, marker in missing),
        *(f"read {-1 if column['field'] is None else column['field']}" for column in categorical if _is_read(column)),
        *(_number(column) for column in numeric),
        *(f"marker {j} {marker}" for j, marker in markers),
        *(f"field {name}" for name in names),
        "end",  # a file that was cut off has none
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def _is_read(column: dict[str, Any]) -> bool:
    """Do the strings of a column stand for something that has to be understood where the vocabulary does not know them."""
    return column["used"] and column["dtype"] != "string"


def _markers(column: dict[str, Any]) -> list[bytes]:
    """Texts of a column that mean a missing value, which the vocabulary spells as an empty one."""
    found = [marker.encode() for marker in column["missing"] if marker] if column["used"] and not _is_read(column) else []
    if any(len(marker) > LONGEST for marker in found):
        raise ValueError(f"column '{column['name']}': a missing marker has more than {LONGEST} bytes")
    return found


def _string(column: dict[str, Any], mark: bytes, limits: dict[str, int]) -> str:
    """The mark before the column's strings, whether they must not be empty, and how many bytes are surely not too many."""
    is_text = column["used"] and not _is_read(column)
    own = column["max_length"] if is_text else None
    longest = min(limits["max_string_bytes"], MOST_STRING_BYTES if own is None else own)
    return f"string {mark.hex()} {int(column['used'] and not column['nullable'])} {longest}"


def _number(column: dict[str, Any]) -> str:
    """Lowest and highest value, may it be missing, must it be whole."""
    nullable = column["nullable"] or not column["used"]
    return f"number {column['low']!r} {column['high']!r} {int(nullable)} {int(column['dtype'] == 'int')}"
