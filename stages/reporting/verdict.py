"""Prints how the model stands beside the champion, if there is one, and what the last evaluation found; for the end of
`make repro`: `python -m stages.reporting.verdict`.

Reads reports/evaluation.json and reports/comparison.json; removes reports/run.json if it is about another card. A run in which
nothing changed ends with the same lines as the run that made the model.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

from pathlib import Path
from typing import Any

from stages.entry import run_stage
from stages.evaluation.shortfall import best_baseline
from stages.files import read_json
from stages.reporting.run_record import drop_record_of_another_card

COMPARISON_PATH, COMPARISON_PAGE = Path("reports/comparison.json"), Path("reports/comparison.html")
EVALUATION_PATH, CARD_PATH = Path("reports/evaluation.json"), Path("reports/model_card.html")


def main() -> None:
    if not EVALUATION_PATH.is_file():
        raise ValueError(f"{EVALUATION_PATH} is missing; run `make repro` to its end first")
    drop_record_of_another_card(CARD_PATH)  # DVC may have taken the card from its cache
    if COMPARISON_PATH.is_file() and (line := beside_champion(read_json(COMPARISON_PATH))) is not None:
        print(line)
    print(verdict(read_json(EVALUATION_PATH)))


def verdict(evaluation: dict[str, Any]) -> str:
    """The shortfall if there is one, else log-loss beside that of the best baseline."""
    if evaluation["shortfall"] is not None:
        return f"repro: {evaluation['shortfall']}"
    loss = evaluation["models"]["model"]["log_loss"]["value"]
    name, title = best_baseline(evaluation)
    against = "" if name is None else f", that of {title} {evaluation['models'][name]['log_loss']['value']:.5f}"
    return f"repro: log-loss of the model {loss:.5f}{against}, on {evaluation['rows']:,} test rows; all of it in {CARD_PATH}"


def beside_champion(comparison: dict[str, Any]) -> str | None:
    """What stage compare decided, and why; None for the first model."""
    if comparison["champion"] is None:
        return None
    passes = "passes" if comparison["passes"] else "DOES NOT PASS"
    return f"repro: beside the champion {passes}, {comparison['verdict']}: {comparison['reasons'][0]}; {COMPARISON_PAGE}"


if __name__ == "__main__":
    run_stage(main)
