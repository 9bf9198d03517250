"""Does the server's journal have what the clients were answered: answers that they received are written, or counted as lost."""

import urllib3

from loadtests.observation.observe import SCRAPE_TIMEOUT_S, scrape
from loadtests.verdicts.samples import OUTCOMES, Recorded
from loadtests.verdicts.thresholds import Check

RECEIVED = ("ok", "wrong", "answered_malformed")  # outcomes of requests that were answered
WRITTEN, LOST = "adclick_journal_total", "adclick_journal_lost_total"


def journal_counts(metrics_url: str) -> dict[str, float] | None:
    """Requests that the server's models have answered and written, or lost, since they were started: shadows are no answers. None
    if it keeps no journal, or does not say.
    """
    with urllib3.PoolManager(timeout=SCRAPE_TIMEOUT_S, retries=False, maxsize=1) as pool:
        try:
            found = scrape(pool, metrics_url)
        except (urllib3.exceptions.HTTPError, ValueError):
            return None
    if LOST not in found:
        return None
    return {name: sum(v for labels, v in found.get(name, {}).items() if "what=requests" in labels) for name in (WRITTEN, LOST)}


def journal_checks(before: dict[str, float] | None, after: dict[str, float] | None, recorded: Recorded) -> list[Check]:
    """Of a whole run, its warm-up too. None at all without a journal, or if the server was started anew meanwhile."""
    if before is None or after is None or any(after[name] < before[name] for name in before):
        return []
    written, lost = (int(after[name] - before[name]) for name in (WRITTEN, LOST))
    received = sum(int((recorded.samples["outcome"] == OUTCOMES.index(outcome)).sum()) for outcome in RECEIVED)
    missing = max(0, received - written - lost)
    reason = f"{received:,} answers received, {written:,} written, {lost:,} counted as lost"
    return [
        Check(name="journal_missing", measured=missing, limit=0, reason=reason, shown=f"{missing:,} answers"),
        Check(name="journal_lost", measured=lost, limit=0, reason="by the server's own count", shown=f"{lost:,} answers"),
    ]
