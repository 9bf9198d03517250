"""Findings about columns, images and predictions in words, with their figures."""

from lifecycle.monitor.counts.counting import HOUR_NS
from lifecycle.monitor.counts.frames import REQUEST
from lifecycle.monitor.counts.panel import Panel
from lifecycle.monitor.findings import Finding, Looked
from lifecycle.monitor.inputs.chance import chance_of
from lifecycle.monitor.inputs.kinds import Named
from lifecycle.monitor.inputs.renamed import NEW

NEXT_STEPS = {
    "missing": "find which client no longer sends it: the journal's rows with a null there have request ids and keys",
    "unknown": "compare the values with those of training; a client writes them differently, or they are new",
    "offset": "ask the clients for the hour as the declaration has it; some send another time zone's",
    "unit": "find the client that sends another unit; the journal has the values as they came",
    "swapped": "find the client that fills the two columns the wrong way round",
    "constant": "find the client that sends one value for all; a default may have taken the column's place",
    "head": "look at the rows of this value: a bot, or a default for all users",
    "function": "find which client sends other values for the same user or creative",
    "darker": "look at the images in the journal's store: a converter or a proxy may change them",
    "brighter": "look at the images in the journal's store: a converter or a proxy may change them",
    "shifted": "compare with the release before (make replay); then look at the columns that have findings",
}
NEW_IDS_STEP = "look at the ids: a client may write those of known creatives otherwise; if all creatives were replaced, retrain"
ANY_STEP = "look whether the traffic changed (a new site, a campaign), or a client sends other values"


def finding_of(one: Named, panel: Panel, release: int) -> Finding:
    """The finding, with what its verdict can be computed from again."""
    hit = one.hit
    start_ns, end_ns = int(panel.hour_U[hit.start]) * HOUR_NS, (int(panel.hour_U[hit.end - 1]) + 1) * HOUR_NS
    rows = int(panel.rows_U[hit.start : hit.end].sum())
    effect, chance = hit.share - hit.expected, chance_of(hit.expected, hit.size, hit.level)
    return Finding(
        area="inputs",
        subject=hit.column,
        kind=one.kind,
        verdict=hit.verdict,
        effect=effect,
        unit="share of ids" if hit.test == NEW else "share of rows",
        chance=chance,
        level=hit.level,
        p_value=hit.p_value,
        window=Looked(start_ns=start_ns, end_ns=end_ns, rows=rows, entities=_entities(panel, hit.start, hit.end)),
        sentence=f"{_sentence(one)}: {_figures(one, rows)}; chance gives up to {100 * chance:.1f} points ({hit.window})",
        next_step=NEW_IDS_STEP if hit.test == NEW else NEXT_STEPS.get(one.kind, ANY_STEP),
        release=release,
        evidence={
            "test": hit.test, "cell": hit.cell, "window": hit.window, "share": hit.share, "expected": hit.expected,
            "effective_ids" if hit.test == NEW else "effective_rows": hit.size, **one.detail,
        },
    )  # fmt: skip


def _entities(panel: Panel, start: int, end: int) -> float | None:
    """Effective number of users of the window, from pairs of rows; a request's rows count once."""
    pairs, of_all = (int(values["entity"][start:end].sum()) for values in (panel.pairs_U, panel.of_all_U))
    sent, rows = int(panel.pairs_U[REQUEST][start:end].sum()), float(panel.rows_U[start:end].sum())
    if not of_all:
        return None
    again = (pairs - sent) / max(of_all - sent, 1)
    return 1 / (1 / rows + sent / max(rows * (rows - 1), 1.0) + again)


def _figures(one: Named, rows: int) -> str:
    share, expected = f"{100 * one.hit.share:.1f} %", f"{100 * one.hit.expected:.1f} %"
    if one.hit.test == NEW:
        return f"{share} of as many ids as {rows:,} rows usually have, {expected} at most if they were new creatives"
    return f"{share} of {rows:,} rows, {expected} expected"


def _sentence(one: Named) -> str:
    name, detail = one.hit.column, one.detail
    match one.kind:
        case "missing":
            return f"{name} is missing"
        case "unknown" if one.hit.test == NEW:
            return f"{name} has ids that never came before ({_quoted(detail['values'])}), as if known ones were written otherwise"
        case "unknown":
            values = _quoted(detail.get("values", []))
            return f"{name} has values that training did not know" + (f" ({values})" if values else "")
        case "offset":
            unit, size = next(iter(detail.items()))
            return f"{name} is {size:+d} {unit} off the time of the answer"
        case "unit":
            return f"{name} is {detail['factor']:g} times as large as it should be in some rows, as in another unit"
        case "swapped":
            return f"{name} and {detail['with']} are swapped in some rows"
        case "constant":
            return f"{name} has one value ('{detail['value']}') too often, as if some client sent it always"
        case "head":
            return f"one value of {name} ({detail['value']}) has too many rows"
        case "function":
            return f"{name} differs between rows of the same {'user' if detail['of'] == 'entity' else 'creative'}"
        case "darker" | "brighter" | "less" | "more":
            return f"{name} is {one.kind} than it was"
        case "shifted":
            return f"predictions are shifted {detail['direction']}"
        case _:
            return f"the share of '{detail.get('value')}' in {name} changed"


def _quoted(values: list[str]) -> str:
    return ", ".join(f"'{value}'" for value in values[:3])
