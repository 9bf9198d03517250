"""What each column did to an answer: the log-odds with it as it came, and as if its value were not known.

Shape letters: V variants of one row, M number columns, E creative embedding.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lifecycle.replay.batches import GraphBatches
from lifecycle.replay.release import Released
from lifecycle.replay.rerun import Strings
from serving.triton.graph import Answer, OrtGraph

UNKNOWN_ID, MISSING_ID = 0, 1
NEAR_0, NEAR_1 = 2.0**-149, 2.0**-24  # of float32
IMAGE = "creative_image"
STRANGERS = ("\ufffd", "\ufffd\ufffd", "a value that no vocabulary knows \ufffd")


@dataclass(frozen=True, kw_only=True)
class ColumnPart:
    """A column's part in an answer."""

    column: str
    value: str | float | None  # as it came; None: missing
    seen_as: str  # known, unknown (its image may be known), missing, or not looked at
    log_odds_without: float
    change: float  # of the log-odds, if its value were unknown


def explain(batches: GraphBatches, row: int, released: Released, journal: Path) -> tuple[float, list[ColumnPart]]:
    """The row's log-odds, and each column's part, largest change first. All in one call of the graph.

    A text becomes one that the vocabulary does not know, a number is missing, and an image is not sent.
    """
    graph = released.graph(batches.writing.threads)
    texts, numbers_M, look_E = _as_served(batches, row, released, graph, journal)
    stranger = _stranger(texts, numbers_M, released, graph)
    names = [name for name, _ in batches.kind.strings]
    variants = [(texts, numbers_M, look_E)]
    columns: list[tuple[str, str | float | None]] = []
    came = batches.strings(row)
    for place, name in enumerate(names):
        variants.append(([*texts[:place], stranger, *texts[place + 1 :]], numbers_M, look_E))
        columns.append((name, came[place] or None))
    for place, (name, _) in enumerate(batches.kind.numbers):
        without = numbers_M.copy()
        without[place] = np.nan
        variants.append((texts, without, look_E))
        sent = float(batches.numbers_NM[row, place])
        columns.append((name, None if np.isnan(sent) else sent))
    if look_E is not None:
        variants.append((texts, numbers_M, None))
        columns.append((IMAGE, batches.images[row]))
    found = _answer(graph, released, variants)
    log_odds_V = log_odds(found.p_click_N)
    moves_look_V = _moves_look(found)
    seen = dict(zip(batches.kind.ids, batches.seen_NK[row].tolist(), strict=True))
    as_it_came = float(log_odds_V[0])
    parts = [
        ColumnPart(
            column=name,
            value=value,
            seen_as=_seen_as(name, seen, released, moves_look),
            log_odds_without=without,
            change=without - as_it_came,
        )
        for (name, value), without, moves_look in zip(columns, log_odds_V[1:].tolist(), moves_look_V[1:].tolist(), strict=True)
    ]
    return as_it_came, sorted(parts, key=lambda part: (-abs(part.change), part.column))


def log_odds(p_click_N: np.ndarray) -> np.ndarray:
    """float64, finite: a probability that float32 rounded to 0 or 1 is taken for the nearest that it did not."""
    p = np.clip(p_click_N.astype(np.float64), NEAR_0, 1 - NEAR_1)
    return np.asarray(np.log(p) - np.log1p(-p))


Variant = tuple[list[str], np.ndarray, np.ndarray | None]


def _as_served(
    batches: GraphBatches, row: int, released: Released, graph: OrtGraph, journal: Path
) -> tuple[list[str], np.ndarray, np.ndarray | None]:
    """The row as the graph got it: its texts spelled as the vocabulary spells them, its numbers, its image's embedding."""
    packed, rows = released.pack(batches), slice(row, row + 1)
    strings, numbers_NM = Strings(batches, packed, rows, released), packed.numbers_NM[rows]
    if batches.writing.written_by != "native" and strings.text is not None:
        released.string_rules.respell(strings, graph.answer(strings.encoded, numbers_NM))
    digest = batches.images.get(row)
    look_E = None if digest is None or released.no_image_1E is None else released.look(journal, digest)
    return [] if strings.text is None else strings.text.strings()[0], numbers_NM[0], look_E


def _stranger(texts: list[str], numbers_M: np.ndarray, released: Released, graph: OrtGraph) -> str:
    """A text that no vocabulary knows: in its place every string column is unknown."""
    fields = [c["field"] for c in released.settings["categorical"] if c["used"] and c["field"] is not None]
    for stranger in STRANGERS:
        found = _answer(graph, released, [([stranger] * len(texts), numbers_M, None)])
        if not found.cat_idx_NF[0, fields].any() and (found.creative_idx_N is None or found.creative_idx_N[0] == UNKNOWN_ID):
            return stranger
    raise ValueError(f"the vocabulary knows each of {STRANGERS!r}, so no value is unknown to it")


def _answer(graph: OrtGraph, released: Released, variants: list[Variant]) -> Answer:
    texts = [texts for texts, _, _ in variants]
    encoded = released.joiner.spelled(texts).encoded if texts[0] else b""
    looks_NE, none_1E = None, released.no_image_1E
    if none_1E is not None and any(look_E is not None for _, _, look_E in variants):
        looks_NE = np.stack([none_1E[0] if look_E is None else look_E for _, _, look_E in variants])
    return graph.answer(encoded, np.stack([numbers_M for _, numbers_M, _ in variants]), looks_NE)


def _moves_look(found: Answer) -> np.ndarray:
    """Has a variant's creative another image for the model than the row as it came, bool [V]."""
    if found.creative_idx_N is None:
        return np.zeros(len(found.p_click_N), dtype=bool)
    return np.asarray(found.creative_idx_N != found.creative_idx_N[0])


def _seen_as(name: str, seen: dict[str, int], released: Released, moves_look: bool) -> str:
    if name == IMAGE:
        return "known" if seen.get(IMAGE) == UNKNOWN_ID else "not looked at"  # the creative's own vector overrides it
    if name not in seen and name not in released.used:
        return "not looked at"
    identity = seen.get(name)
    if identity is None:  # a creative that is no feature: only its image's place is known
        return "unknown" if seen.get(IMAGE, UNKNOWN_ID) == UNKNOWN_ID else "known"
    if identity == UNKNOWN_ID:
        return "unknown, its image known" if moves_look else "unknown"
    return "missing" if identity == MISSING_ID else "known"
