"""What the journal's segments say of the rows in them, so that they can be read without the model: see docs/journal.md."""

import json
from typing import Any

from contracts.serving.request import CATEGORICAL, IMAGE, NUMERIC, PROBABILITY


def journal_schema(settings: dict[str, Any]) -> dict[str, Any]:
    """Columns of the two tensors and their dtypes, names of ids and outputs. `settings` are those of `request.json`."""
    ids = [*settings["fields"], *([] if settings["no_image"] is None else [IMAGE])]
    columns = {kind: [{"name": c["name"], "dtype": c["dtype"]} for c in settings[kind]] for kind in (CATEGORICAL, NUMERIC)}
    return {"declaration": settings["declaration"], **columns, "ids": ids, "outputs": [PROBABILITY]}


def schema_file(settings: dict[str, Any]) -> bytes:
    """`journal.json`, for the backend in serving/native, which copies it and does not read it."""
    return json.dumps(settings["journal"], ensure_ascii=False).encode()
