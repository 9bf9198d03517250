"""Which columns are not written as they came; serving/native/journal/privacy.c and pseudonym.c do the same.

Shape letters: N rows, C string columns, M number columns, K ids.
"""

import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from serving.triton.environment import JOURNAL_PRIVACY
from serving.triton.journal.record import Routed, Seen

AS_IS, DROP, KEYED_HASH = HIDINGS = ("as_is", "drop", "keyed_hash")
PSEUDONYM, FINGERPRINT = 32, 16  # hexadecimal digits
FINGERPRINTED = b"adclick journal key"
IMAGE = "creative_image"  # among the ids: the place of the creative's image; its digest is hidden with it
HIDDEN_ID = 0


def pseudonym(key: bytes, text: bytes) -> bytes:
    """What is written instead of a text, 32 digits: the first half of its HMAC-SHA256. Nothing stays nothing."""
    return hmac.digest(key, text, "sha256").hex().encode()[:PSEUDONYM] if text else b""


def fingerprint(key: bytes) -> str:
    """By which two keys can be told apart."""
    return pseudonym(key, FINGERPRINTED)[:FINGERPRINT].decode()


def read_key(path: Path) -> bytes:
    """Raises ValueError."""
    try:
        key = path.read_bytes().rstrip(b" \t\r\n")
    except OSError as error:
        raise ValueError(f"the journal's key cannot be read from {path}: {error.strerror}") from None
    if not key:
        raise ValueError(f"{path} holds no key of the journal: it is empty")
    return key


@dataclass(frozen=True, kw_only=True)
class Privacy:
    """What becomes of columns, by the places that they have in the tensors and among the ids."""

    columns: Mapping[str, str]
    caller_key: str
    key: bytes | None  # None if nothing is hashed
    texts: tuple[str, ...]  # C hidings
    numbers: tuple[str, ...]  # M
    ids: tuple[str, ...]  # K

    @property
    def told(self) -> dict[str, Any]:
        """What a segment says of it."""
        known: dict[str, Any] = {"columns": dict(self.columns), "caller_key": self.caller_key}
        return known if self.key is None else known | {"key_fingerprint": fingerprint(self.key)}

    @property
    def hides_images(self) -> bool:
        """Nothing of them is kept, and they are not either."""
        return self.columns.get(IMAGE, AS_IS) != AS_IS

    def of_keys(self, keys: list[bytes] | None) -> list[bytes] | None:
        """The caller's keys as they are written."""
        if keys is None or self.caller_key == DROP:
            return None
        return keys if self.key is None or self.caller_key == AS_IS else [pseudonym(self.key, key) for key in keys]

    def of_routed(self, routed: Routed) -> Routed:
        """A routing key that the caller sent is hidden as the caller's keys are."""
        keys = None if routed.key is None else self.of_keys([routed.key])
        return replace(routed, key=None if keys is None else keys[0])

    def of_rows(self, seen: Seen) -> Seen:
        """Rows as they are written."""
        if any(hiding != AS_IS for hiding in self.texts):
            texts = self._texts(seen)
            lengths = np.array([len(text) for text in texts], dtype=np.int64)
            seen = replace(seen, text_lengths=lengths, text=b"".join(texts))
        if any(hiding != AS_IS for hiding in self.numbers):
            numbers_NM = np.array(seen.numbers_NM, dtype=np.float32)
            numbers_NM[:, [hiding != AS_IS for hiding in self.numbers]] = np.nan
            seen = replace(seen, numbers_NM=numbers_NM)
        hidden_K = [hiding != AS_IS for hiding in self.ids]
        if any(hidden_K):
            seen = replace(seen, ids_NK=np.where(hidden_K, HIDDEN_ID, seen.ids_NK))
        return replace(seen, images=[], looked_at=[]) if self.hides_images else seen

    def _texts(self, seen: Seen) -> list[bytes]:
        ends = np.cumsum(seen.text_lengths).tolist()
        texts = [seen.text[start:end] for start, end in zip([0, *ends], ends, strict=False)]
        for place, hiding in enumerate(self.texts):
            if hiding != AS_IS:
                column = slice(place, None, len(self.texts))
                texts[column] = [b"" if self.key is None or hiding == DROP else pseudonym(self.key, t) for t in texts[column]]
        return texts


def check_columns(columns: Mapping[str, str], schema: Mapping[str, Any]) -> None:
    """Raise ValueError if these are not columns of the release whose `journal.json` says `schema`."""
    texts, numbers = ([column["name"] for column in schema[kind]] for kind in ("categorical", "numeric"))
    allowed = [*texts, *numbers, *(name for name in schema["ids"] if name == IMAGE)]
    for name, hiding in columns.items():
        if name not in allowed and name not in schema["ids"]:
            raise ValueError(
                f"serving.journal.columns names '{name}', and this release takes no such column; correct it in conf/serving, "
                f"allowed: {', '.join(allowed)}"
            )
        if hiding == KEYED_HASH and name not in texts:
            raise ValueError(f"serving.journal.columns: '{name}' is not sent as text and cannot be a keyed_hash; drop it")


def journal_privacy(schema: Mapping[str, Any]) -> Privacy | None:
    """What the server's environment says for a release; None if everything is written as it came. Raises ValueError."""
    text = os.environ.get(JOURNAL_PRIVACY)
    if text is None:
        return None
    caller_key, columns, path = _read(text)
    check_columns(columns, schema)
    hashes = KEYED_HASH in (caller_key, *columns.values())
    texts, numbers = ([columns.get(c["name"], AS_IS) for c in schema[kind]] for kind in ("categorical", "numeric"))
    return Privacy(
        columns=columns,
        caller_key=caller_key,
        key=read_key(Path(path)) if hashes else None,
        texts=tuple(texts),
        numbers=tuple(numbers),
        ids=tuple(columns.get(name, AS_IS) for name in schema["ids"]),
    )


def _read(text: str) -> tuple[str, dict[str, str], str]:
    """The caller's key, columns by their names, and the path of the key's file."""

    try:
        caller_key, number, rest = text.split(" ", 2)
        count = 2 * int(number)
        *words, path = rest.split(" ", count)
        names = [json.loads(f'"{bytes.fromhex(word).decode()}"') for word in words[::2]]
        columns = dict(zip(names, words[1::2], strict=True))
        if len(words) != count or not path or any(hiding not in HIDINGS for hiding in (caller_key, *columns.values())):
            raise ValueError
    except ValueError:
        raise ValueError(
            f"{JOURNAL_PRIVACY} is not understood: expected 'CALLER_KEY COUNT [NAME HIDING]... KEY_FILE'; "
            "start Triton as `make serve` does"
        ) from None
    return caller_key, columns, path
