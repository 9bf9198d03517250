"""What the server publishes of its model in the config's parameters: all that a client needs to build a request."""

import json
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from contracts.dataset.columns import Column
from contracts.serving.journal import KEY
from contracts.serving.request import CATEGORICAL, LISTS, NUMERIC, RENAMED, RequestSpec
from serving.client.errors import ServerFailed

MAX_IMAGE_BYTES, MAX_IMAGE_PIXELS, MAX_REQUEST_BYTES = 1 << 20, 1 << 22, 2 << 20  # of servers that do not publish theirs


@dataclass(frozen=True, kw_only=True)
class ServedModel:
    """A model as its clients know it."""

    request: RequestSpec
    max_rows: int  # a request
    max_image_bytes: int  # of one encoded creative
    max_image_pixels: int  # width times height
    max_request_bytes: int  # of all strings of a request together, and of all its images
    takes_keys: bool = False  # a model that was exported before there was a journal does not


def served_model(config: dict[str, Any]) -> ServedModel:
    """Read Triton's model config, as JSON values. Raises ServerFailed if it is none of this project's models."""
    published = {key: value.get("string_value", "") for key, value in config.get("parameters", {}).items()}
    try:
        columns = {c.name: c for c in TypeAdapter(tuple[Column, ...]).validate_python(json.loads(published["columns"]))}
        categorical, numeric = (json.loads(published[f"{kind}_columns"]) for kind in (CATEGORICAL, NUMERIC))
        request = RequestSpec(
            categorical=tuple(columns[name] for name in categorical),
            numeric=tuple(columns[name] for name in numeric),
            instants=tuple(c for c in columns.values() if c.name not in (*categorical, *numeric)),
            creative=published["creative_column"] or None,
            digest=published["declaration"],
            lists=TypeAdapter(tuple[Column, ...]).validate_json(published.get(LISTS, "[]")),
            rename=TypeAdapter(dict[str, str]).validate_json(published.get(RENAMED, "{}")),
        )
        return ServedModel(
            request=request,
            max_rows=int(config["max_batch_size"]),
            max_image_bytes=int(published.get("max_image_bytes", MAX_IMAGE_BYTES)),
            max_image_pixels=int(published.get("max_image_pixels", MAX_IMAGE_PIXELS)),
            max_request_bytes=int(published.get("max_request_bytes", MAX_REQUEST_BYTES)),
            takes_keys=KEY in {tensor["name"] for tensor in config.get("input", ())} - {*columns},
        )
    except KeyError as error:
        raise ServerFailed(
            f"model '{config.get('name')}' does not publish {error}, so it was not exported by this project; is it the right one?"
        ) from None
    except (ValidationError, ValueError) as error:
        reason = " ".join(str(error).split("\n")[:3])
        raise ServerFailed(f"model '{config.get('name')}' describes its columns as this client cannot read: {reason}") from None
