"""Variable selection: how much each column says about the click, alone or with another, and whether that is beyond chance."""

from dataclasses import asdict, dataclass

import numpy as np

from contracts.dataset.columns import Column
from stages.features.config import SelectionConfig
from stages.features.interactions import needed_z, partners

LEAK = "explains"  # how the reason begins where a column tells too much


@dataclass(frozen=True, kw_only=True)
class Score:
    """One line of the selection report."""

    name: str
    role: str
    score: float  # share of the label's entropy the column explains, beyond what chance would
    z: float  # the same in standard deviations of chance
    num_values: int  # distinct ids on the training split
    missing_frac: float
    kept: bool
    reason: str


def select(
    columns: tuple[Column, ...],
    ids: dict[str, np.ndarray],
    missing: dict[str, float],
    label: np.ndarray,
    config: SelectionConfig,
    seed: int,
) -> list[Score]:
    """A score for every column, in the order of the declaration, kept or dropped with the reason.

    Raises ValueError if no column is left.
    """
    rng = np.random.default_rng(seed)
    found = {c.name: information(ids[c.name], label, config.num_shuffles, rng) for c in columns}
    num_values = {c.name: len(np.unique(ids[c.name])) for c in columns}
    useless: dict[str, str | None] = {}
    for c in columns:
        twins = [name for name, reason in useless.items() if reason is None and same_partition(ids[name], ids[c.name])]
        useless[c.name] = _uselessness(c, found[c.name][0], num_values[c.name], missing[c.name], twins, config)
    useful = [c.name for c in columns if useless[c.name] is None]
    best = sorted(useful, key=lambda name: -found[name][1])[: config.min_columns]
    weak = [name for name in useful if found[name][1] < config.min_z and name not in best]
    present = [c.name for c in columns if useless[c.name] is None and num_values[c.name] > 1]
    looked_at = [c.name for c in columns if c.name in weak and not c.keep]
    needed = needed_z(config.min_z, len(looked_at) * (len(present) - 1))
    together = {name: pair for name, pair in partners(looked_at, present, ids, label, rng).items() if pair[1] >= needed}
    for name, (other, z) in list(together.items()):
        if other in weak:  # it is of use to the model only with its partner
            together.setdefault(other, (name, z))
    scores = []
    for c in columns:
        score, z = found[c.name]
        kept, reason = _verdict(c, z, useless[c.name], c.name in best, together.get(c.name), config)
        facts = {"score": score, "z": z, "num_values": num_values[c.name], "missing_frac": missing[c.name]}
        scores.append(Score(name=c.name, role=c.role, **facts, kept=kept, reason=reason))
    if not any(score.kept for score in scores):
        first = scores[0]
        raise ValueError(
            f"variable selection leaves no column ('{first.name}': {first.reason}); "
            "lower features.min_count or declare keep: true in conf/data/"
        )
    return scores


def _uselessness(
    column: Column, score: float, num_values: int, missing: float, twins: list[str], config: SelectionConfig
) -> str | None:
    """Why the column must go whatever its z; None if it need not."""
    if column.keep:
        return None
    if num_values == 1:
        return "fewer than two values that occur features.min_count times on the training split"
    if missing > config.max_missing_frac:
        return f"missing in {missing:.1%} of the rows, more than {config.max_missing_frac:.1%}"
    if score > config.max_explained:
        explained = f"{LEAK} {score:.0%} of the clicks' entropy alone"
        return f"{explained}: known only after the click? if it is known before, declare keep: true"
    return f"says the same as '{twins[0]}', row by row" if twins else None


def _verdict(
    column: Column,
    z: float,
    useless: str | None,
    among_best: bool,
    partner: tuple[str, float] | None,
    config: SelectionConfig,
) -> tuple[bool, str]:
    """`partner` is the column with which it says something beyond chance, and the z of that."""
    if column.keep:
        return True, "the declaration says keep"
    if useless is not None:
        return False, useless
    if z >= config.min_z:
        return True, f"beyond chance (z {z:.1f})"
    if among_best:
        return True, f"not beyond chance (z {z:.1f}), but among the {config.min_columns} best"
    if partner is not None:
        return True, f"not beyond chance alone (z {z:.1f}), but with '{partner[0]}' (z {partner[1]:.1f})"
    return False, f"not beyond chance (z {z:.1f}, needed {config.min_z:g}), nor with any other column"


def information(ids_N: np.ndarray, label_N: np.ndarray, num_shuffles: int, rng: np.random.Generator) -> tuple[float, float]:
    """Mutual information of ids and label as a share of the label's entropy, less its mean under shuffled labels;
    and the same in standard deviations of the shuffled ones.

    Shuffling the label deals its clicks over the ids' counts: a multivariate hypergeometric draw, exact and cheap.
    """
    counts = np.bincount(ids_N)
    counts = counts[counts > 0]
    clicks = np.bincount(ids_N, weights=label_N)[np.bincount(ids_N) > 0]
    entropy = _entropy(np.array([label_N.sum()]), np.array([len(label_N)]))
    if len(counts) < 2 or entropy == 0:
        return 0.0, 0.0
    told = entropy - _entropy(clicks, counts)
    dealt = rng.multivariate_hypergeometric(counts, int(label_N.sum()), size=num_shuffles, method="marginals")
    chance = np.array([entropy - _entropy(row, counts) for row in dealt])
    excess = told - chance.mean()
    return float(excess / entropy), float(excess / max(chance.std(), 1e-12))


def _entropy(clicks: np.ndarray, counts: np.ndarray) -> float:
    """Entropy of the label given the id, nats."""
    p = np.stack([clicks / counts, 1 - clicks / counts])
    return float(-(counts * np.where(p > 0, p * np.log(np.where(p > 0, p, 1)), 0)).sum() / counts.sum())


def same_partition(left_N: np.ndarray, right_N: np.ndarray) -> bool:
    """Do equal ids on the left go with equal ids on the right and the other way round."""
    # A sample refutes most pairs at once.
    for rows in (slice(0, 1000), slice(None)):
        a, b = left_N[rows].astype(np.int64), right_N[rows]
        num_a, num_b = len(np.unique(a)), len(np.unique(b))
        if num_a != num_b or len(np.unique(a * (int(right_N.max()) + 1) + b)) != num_a:
            return False
    return True


def report(scores: list[Score]) -> dict[str, list[dict[str, object]]]:
    return {"columns": [asdict(score) for score in scores]}
