"""Which columns' values may be hashed, and the salts before them: what stands before each in a packed text."""

from contracts.dataset.declaration import Declaration
from contracts.serving.packed_text import column_code
from contracts.serving.request import request_of
from stages.features.config import FeaturesConfig


def salts_of(declaration: Declaration, config: FeaturesConfig) -> dict[str, str]:
    """The salts of the columns whose values may be hashed, by name; a column with several values stands for its slots.

    One that shares another's vocabulary has none: the same value would be in another bucket there, behind another salt. Raises
    ValueError if `features.overflow_columns` names a column that has no vocabulary of its own.
    """
    if config.overflow == "unknown":
        return {}
    request = request_of(declaration)
    codes = {c.slot_of or c.name: column_code(code) for c, code in zip(request.categorical, request.codes, strict=True)}
    own = [c.name for c in declaration.written if c.is_feature and c.name in codes and c.vocabulary is None]
    wanted = own if config.overflow_columns is None else config.overflow_columns
    if strange := [name for name in wanted if name not in own]:
        raise ValueError(
            f"features.overflow_columns names '{strange[0]}', which has no vocabulary of its own; those that have one: "
            f"{', '.join(own) or 'none'}"
        )
    return {name: codes[name] for name in wanted}
