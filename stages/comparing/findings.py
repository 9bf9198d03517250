"""What is suspicious about a candidate, from plain numbers: each finding names its cause, so that one knows where to look.

A finding is a dict: `kind` (a word for programs), `cause` (the column, value or split that it is about), `text`, and `columns`
where it explains what is found about these.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from stages.comparing.columns import IMAGE, ColumnWorth
from stages.comparing.config import CompareConfig

Finding = dict[str, Any]
SURE = 4.0  # standard errors, from which on the worth of a column is no chance
LEAST_WORTH = 0.005  # of the log-loss, that a column must be worth to be missed
COLLAPSED = 0.35  # of what columns are worth to the champion, below which labels do not belong to their rows
GROWN = 3.0  # times what a column is worth to the champion, from which on it may be a leak
MORE_UNSEEN = 0.1  # more of the test rows' values that only the candidate has not seen
CLICK_RATES = 1.5  # times the champion's click rate in training, or as many times below it
SHOWN_VALUES = 3
FORGOTTEN = 0.5  # of what the champion explained when it was promoted, below which the test rows are other ones
LEAST_FORGOTTEN = 0.02  # of normalised entropy; a smaller loss is noise where little can be explained


def finding(kind: str, cause: str, text: str) -> Finding:
    return {"kind": kind, "cause": cause, "text": text}


def too_good(relative: dict[str, Any], cfg: CompareConfig) -> bool:
    return relative["value"] <= -cfg.too_good and (relative["high"] is None or relative["high"] < 0)


def leak_findings(worths: list[ColumnWorth], log_loss: float, relative: dict[str, Any], cfg: CompareConfig) -> list[Finding]:
    """An improvement beyond what is plausible, and the columns that it comes from; else columns worth too much."""
    grown = [one for one in worths if _grown(one, log_loss, cfg)]
    if too_good(relative, cfg):
        text = f"the log-loss falls by {-relative['value']:.1%}, more than is plausible ({cfg.too_good:.0%}, compare.too_good)"
        if not grown:
            return [finding("too_good", "log_loss", f"{text}; no single column explains it: do test rows occur in training?")]
        return [finding("leak", one.name, f"{text}; {_worth_text(one, log_loss)}: does it tell the label?") for one in grown]
    if relative["value"] < 0:
        return []
    text = "but the model is no better: does it tell the label in training only?"
    return [finding("leak", one.name, f"{_worth_text(one, log_loss)}, {text}") for one in grown]


def _grown(one: ColumnWorth, log_loss: float, cfg: CompareConfig) -> bool:
    gap = one.candidate.rise - one.champion.rise
    is_sure = one.candidate.rise >= SURE * one.candidate.error and gap >= SURE * one.gap_error
    return is_sure and gap >= cfg.too_good / 2 * log_loss and one.candidate.rise >= GROWN * max(one.champion.rise, 0.0)


def label_finding(worths: list[ColumnWorth], log_loss: float, label: str) -> Finding | None:
    """All columns together tell the candidate next to nothing: its labels belong to other rows."""
    known = [one for one in worths if _matters(one, log_loss)]
    if len(known) < 2:
        return None
    share = sum(max(one.candidate.rise, 0.0) for one in known) / sum(one.champion.rise for one in known)
    if share >= COLLAPSED:
        return None
    text = (
        f"the {len(known)} columns that matter are worth {share:.0%} of what they are worth to the champion: the candidate "
        f"learnt next to nothing, as if '{label}' in its training rows belonged to other rows (shifted in time, joined wrongly)"
    )
    return finding("labels", label, text)


def column_findings(
    worths: list[ColumnWorth], log_loss: float, cfg: CompareConfig, creative: str | None, explained: set[str]
) -> list[Finding]:
    """Columns that the candidate has less from than the champion, the worst first, but those whose reason is `explained` already.

    Where the images of the `creative` column are worth less, so is the column, and only the images are named.
    """
    lost = [one for one in worths if _matters(one, log_loss) and _is_lost(one, log_loss, cfg)]
    explained = explained | ({creative} if IMAGE in {one.name for one in lost} else set())
    lost = [one for one in lost if one.name not in explained]
    found = []
    for one in sorted(lost, key=lambda one: one.candidate.rise - one.champion.rise):
        what = "the creatives' images are" if one.name == IMAGE else f"column '{one.name}' is"
        if not one.candidate.used:
            why = "the candidate does not read it: it was dropped"
        elif one.name == IMAGE:
            why = "do its images belong to their creatives?"
        else:
            why = "were its values wrong, mixed up or missing in training?"
        text = f"{what} worth less to the candidate: {_worth_text(one, log_loss)}; {why}"
        found.append(finding("images" if one.name == IMAGE else "column", one.name, text))
    return found


def _matters(one: ColumnWorth, log_loss: float) -> bool:
    return one.champion.rise >= max(SURE * one.champion.error, LEAST_WORTH * log_loss)


def _is_lost(one: ColumnWorth, log_loss: float, cfg: CompareConfig) -> bool:
    gap = one.champion.rise - one.candidate.rise
    is_sure = gap >= SURE * one.gap_error
    return is_sure and gap >= cfg.sensitivity * one.champion.rise and gap >= LEAST_WORTH * log_loss


def _worth_text(one: ColumnWorth, log_loss: float) -> str:
    shuffled = "shuffling the images" if one.name == IMAGE else f"shuffling '{one.name}'"
    before, now = one.champion.rise / log_loss, one.candidate.rise / log_loss
    return f"{shuffled} costs the champion {before:.1%} of its log-loss and the candidate {now:.1%}"


def training_findings(before: dict[str, Any], now: dict[str, Any], cfg: CompareConfig) -> list[Finding]:
    """Training rows that are too few, too old, or of another click rate. The arguments come from `training_facts`."""
    found = []
    for name, rows in (("train", now["rows"]), ("encoder", now["fitted_rows"])):
        if rows < cfg.min_train_rows * before["rows"]:
            text = f"the candidate was trained on {rows:,} rows, {rows / before['rows']:.0%} of the champion's {before['rows']:,}"
            times = "" if now["from"] is None else f" ({now['from'][:10]} to {now['to'][:10]})"
            found.append(finding("rows", name, f"{text}{times}: are files or months missing?"))
            break
    if now["to"] is not None and before["to"] is not None and now["to"][:10] < before["to"][:10]:
        text = (
            f"the candidate's training rows end on {now['to'][:10]}, the champion's on {before['to'][:10]}: are months missing?"
        )
        found.append(finding("months", "time", text))
    elif None not in (now["gap_days"], before["gap_days"]) and now["gap_days"] > before["gap_days"] + cfg.max_gap_days:
        text = f"there are {now['gap_days']:.0f} days between the candidate's last training row and the first test row"
        found.append(finding("months", "time", f"{text}, {before['gap_days']:.0f} for the champion: are months missing?"))
    rates = before["click_rate"], now["click_rate"]
    if min(rates) > 0 and abs(np.log(rates[1] / rates[0])) > np.log(CLICK_RATES):
        text = f"of the candidate's training rows {rates[1]:.2%} are clicked, of the champion's {rates[0]:.2%}"
        found.append(finding("click_rate", "label", f"{text}: are labels or rows missing?"))
    return found


def forgotten_finding(then: float | None, now: float | None) -> Finding | None:
    """The champion explains far less than when it was promoted (normalised entropy then and on these rows; None: undefined)."""
    if then is None or now is None or 1 - now >= FORGOTTEN * (1 - then) or now - then < LEAST_FORGOTTEN:
        return None
    text = "the champion itself does far worse on these test rows than on those of its promotion (normalised entropy"
    return finding("test_rows", "test", f"{text} {now:.3f}, then {then:.3f}): are the test rows wrong, or did the world change?")


def profile_findings(profiles: dict[str, Any], unseen: dict[str, dict[str, float]]) -> list[Finding]:
    """Columns that came swapped or in another unit, and columns with values new to the candidate alone."""
    found, named = [], set()
    for one, other in profiles["swapped"]:
        named |= {one, other}
        text = f"in the candidate's training rows '{one}' is distributed as '{other}' was in the champion's, and the reverse"
        found.append(finding("swapped", f"{one}, {other}", f"{text}: were the two columns swapped?") | {"columns": [one, other]})
    for name, factor in profiles["factors"].items():
        named.add(name)
        larger = f"{factor:.3g} times as large as" if factor > 1 else f"1/{1 / factor:.3g} of"
        text = f"column '{name}': the candidate was trained on numbers {larger} the champion's: is it another unit?"
        found.append(finding("unit", name, text) | {"columns": [name]})
    for name, share in unseen["candidate"].items():
        known = unseen["champion"].get(name)
        if name not in named and known is not None and share > known + MORE_UNSEEN:
            text = f"column '{name}': {share:.0%} of the test rows have values that the candidate has not seen in training"
            found.append(
                finding("unseen", name, f"{text}, and the champion only {known:.0%}: are rows missing, or other values?")
            )
    return found


def value_findings(worst: list[dict[str, Any]]) -> list[Finding]:
    """Values of columns on which the candidate is much worse than on the other rows."""
    found = []
    for one in worst[:SHOWN_VALUES]:
        where = f"{one['column']} = {one['value']}"
        text = (
            f"{where}: the log-loss of its {one['rows']:,} rows is {one['relative']:+.1%} of the champion's, far from the other "
            "rows: were its rows wrong in training?"
        )
        found.append(finding("value", where, text))
    return found
