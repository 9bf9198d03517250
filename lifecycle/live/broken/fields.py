"""Where a column's id stands in `cat_idx`, and which ids its values have, as an exported model says it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onnx import ModelProto, helper

from contracts.serving.packed_text import codes_of, column_code

FEATURES, REQUEST = "features.json", "request.json"


@dataclass(frozen=True, kw_only=True)
class Fields:
    """`fields`: of `cat_idx`, in order, with their number of ids; `columns`: of a request, in order; `known`: ids by key."""

    fields: Sequence[tuple[str, int]]
    columns: Sequence[str]
    codes: Sequence[int]  # of the columns
    known: dict[bytes, int]

    @classmethod
    def read(cls, model: ModelProto, features: Path, request: Path) -> "Fields":
        """Of the graph and the files beside it."""
        fields = [(entry["name"], int(entry["num_ids"])) for entry in json.loads(features.read_bytes())["categorical"]]
        rules = json.loads(request.read_bytes())["categorical"]
        return cls(fields=fields, columns=[column["name"] for column in rules], codes=codes_of(rules), known=_known(model))

    def place(self, column: str) -> int:
        """Its position in `cat_idx`. Raises ValueError if the model does not look at the column by its values."""
        names = [name for name, _ in self.fields]
        if column not in names or column not in self.columns:
            raise ValueError(f"the model does not look at column '{column}' by its values; it does at {', '.join(names)}")
        return names.index(column)

    def num_ids(self, column: str) -> int:
        return self.fields[self.place(column)][1]

    def ids(self, column: str, values: Sequence[str]) -> list[int]:
        """Of the values that the model knows. Raises ValueError if it knows none."""
        self.place(column)
        code = column_code(self.codes[self.columns.index(column)])
        found = [self.known[key] for value in values if (key := (code + value).encode()) in self.known]
        if not found:
            raise ValueError(f"the model knows none of the values {', '.join(values)} of column '{column}'")
        return found


def _known(model: ModelProto) -> dict[bytes, int]:
    found: dict[str, Any] = {}
    for node in model.graph.node:
        if node.op_type == "LabelEncoder":
            found = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
            break
    return dict(zip(found.get("keys_strings", ()), found.get("values_int64s", ()), strict=True))
