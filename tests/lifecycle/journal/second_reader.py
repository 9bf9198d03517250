"""A reader of segments written from docs/journal.md alone, one value after the other, to hold the project's own against."""

import json
import struct
import zlib
from pathlib import Path
from typing import Any

LOOK = ("image_bytes", "image_width", "image_height", "image_brightness", "image_contrast", "image_colourfulness", "image_format")


class Cursor:
    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def take(self, size: int) -> bytes:
        found = self.content[self.at : self.at + size]
        assert len(found) == size
        self.at += size
        return found

    def unpack(self, form: str) -> Any:
        (value,) = struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))
        return value

    def number(self) -> int:
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    @property
    def is_done(self) -> bool:
        return self.at == len(self.content)


def read(path: Path) -> dict[str, Any]:
    """All of a segment that is whole: `about`, `rows`, `shadows` and `erased` (one dict each), `refusals`, `losses`, `events`,
    `closed`.
    """
    file = Cursor(path.read_bytes())
    assert file.take(16) == b"adcljrnl" + struct.pack("<I", 1) + bytes(4)
    found: dict[str, Any] = {name: [] for name in ("rows", "shadows", "erased", "refusals", "losses", "events")} | {
        "closed": None
    }
    while not file.is_done:
        assert file.take(4) == bytes.fromhex("f74a520a")
        checked = file.take(8)
        size, kind = struct.unpack("<II", checked)
        checksum, payload = file.unpack("I"), file.take(size)
        assert zlib.crc32(checked + payload) == checksum
        body = Cursor(payload)
        if kind == 1:
            found["about"] = json.loads(payload)
        elif kind == 2:
            for name, rows in _answers(body, found["about"]["schema"]).items():
                found[name] += rows
        elif kind == 3:
            while not body.is_done:
                found["refusals"].append(_refusal(body))
        elif kind == 4:
            found["losses"].append([body.unpack(form) for form in "QQqq"])
        elif kind == 5:
            found["closed"] = [body.unpack("Q") for _ in range(4)]
        elif kind == 6:
            found["events"].append(json.loads(payload))
    return found


def _refusal(body: Cursor) -> dict[str, Any]:
    when, size, rows, release = (body.unpack(form) for form in "qQII")
    rule, request_id = (body.unpack("H") for _ in range(2))
    return {
        "when": when, "bytes": size, "rows": rows, "release": release,
        "rule": body.take(rule).decode(), "request_id": body.take(request_id).decode(),
    }  # fmt: skip


def _answers(body: Cursor, schema: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    count, zeros, rows, requests, batch_rows, answered_ns, route = (body.unpack(form) for form in "HHIIIqQ")
    assert zeros == 0
    directory = [(body.unpack("H"), body.unpack("I")) for _ in range(count)]
    sections = {tag: Cursor(body.take(size)) for tag, size in directory}
    assert body.is_done
    images = {}
    while 11 in sections and not sections[11].is_done:
        row = sections[11].unpack("I")
        images[row] = sections[11].take(32).hex()
    looks = {}
    while 14 in sections and not sections[14].is_done:
        row = sections[14].unpack("I")
        looks[row] = dict(zip(LOOK, (sections[14].unpack(form) for form in "IIIfffB"), strict=True))
        assert sections[14].take(3) == bytes(3)
    width = sections[15].unpack("I") if 15 in sections else 0
    while 15 in sections and not sections[15].is_done:
        row = sections[15].unpack("I")
        looks[row]["image_embedding"] = [sections[15].unpack("f") for _ in range(width)]
    gone = set()
    while 16 in sections and not sections[16].is_done:
        gone.add(sections[16].unpack("I"))
    found: dict[str, list[dict[str, Any]]] = {"rows": [], "shadows": [], "erased": []}
    number = 0
    for _ in range(requests):
        digits = sections[1].take(16).hex()
        num_rows, release, status, arm, id_bytes = (sections[1].unpack(form) for form in "IIBBH")
        request_id = sections[2].take(id_bytes).decode() if id_bytes else None
        event_ns = sections[3].unpack("q") if 3 in sections else -(2**63)
        bucket, flags = (sections[17].unpack(form) for form in "IB") if 17 in sections else (2**32 - 1, 0)
        assert 17 not in sections or sections[17].take(3) == bytes(3)
        length = sections[18].number() if 18 in sections else 0
        routing_key = sections[19].take(length - 1).decode() if length else None
        for row in range(num_rows):
            key_length = sections[4].number() if 4 in sections else 0
            key = sections[5].take(key_length - 1).decode() if key_length else None
            lengths = [sections[6].number() for _ in schema["categorical"]]
            entry = {
                "prediction_id": "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])),
                "row": row,
                "answered_ns": answered_ns,
                "event_ns": None if event_ns == -(2**63) else event_ns,
                "request_id": request_id,
                "key": key,
                "release": release,
                "arm": [None, "champion", "challenger"][arm],
                "route": route or None,
                "fallback": status == 3,
                "bucket": None if bucket == 2**32 - 1 else bucket,
                "flags": flags,
                "routing_key": routing_key,
                "batch_rows": batch_rows,
                "image_sha256": images.get(number),
                "looks": looks.get(number),
                "strings": [sections[7].take(length).decode() for length in lengths],
                "numbers": [sections[8].unpack("f") for _ in schema["numeric"]],
                "ids": [sections[9].number() for _ in schema["ids"]],
                "outputs": [sections[10].unpack("f") for _ in schema["outputs"]],
            }
            if number in gone:
                found["erased"].append(entry)
            elif status != 1:
                found["shadows" if status == 2 else "rows"].append(entry)
            number += 1
    assert number == rows
    assert all(section.is_done for tag, section in sections.items() if tag not in (11, 14, 15))
    return found
