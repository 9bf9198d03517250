"""How times are written: strptime formats as Polars reads them, and numbers that count from 1970."""

import re
from datetime import datetime

import polars as pl

SOME_TIME = datetime(2024, 10, 30, 13, 45, 59)
OFFSETS = ("%z", "%:z", "%#z")  # with one of them a cell says its zone itself
EPOCHS = ("epoch_s", "epoch_ms", "epoch_us", "epoch_ns")


def check_format(form: str | None) -> None:
    """Raise ValueError unless times can be read by the format; None, ISO 8601, can be."""
    if form is None or form in EPOCHS:
        return
    if "%" not in form:
        raise ValueError(f"format must be a strptime format such as %d.%m.%Y, or {', '.join(EPOCHS)}; got {form!r}")
    if "%f" in form.replace(".%f", ""):
        raise ValueError(f"format knows %f after a dot only; digits without one are %3f, %6f or %9f; got {form!r}")
    if "%Z" in form:
        raise ValueError(
            f"format does not know %Z, a zone's name: CET or PST are no offsets; write the name as it is, such as "
            f"'%H:%M:%S UTC', and set time_zone; got {form!r}"
        )
    _refuse_unreadable_format(form)


def polars_format(form: str) -> tuple[str, str]:
    """A strptime format as Polars reads it, and what has to be put behind a cell for it."""
    form = form.replace(".%f", "%.f")  # chrono's %f counts nanoseconds, Python's is a fraction
    if any(hour in form for hour in ("%H", "%I", "%k", "%l")) and "%M" not in form:
        return f"{form} %M", " 00"  # Polars 2.1 takes no hour without a minute
    return form, ""


def _refuse_unreadable_format(form: str) -> None:
    """Raise ValueError unless Polars reads a time again that it has written in the format, at least its year."""
    reading, behind = polars_format(form)
    zoned = any(offset in form for offset in OFFSETS)
    written = pl.Series([SOME_TIME]).dt.replace_time_zone("UTC" if zoned else None)
    try:
        writing = re.sub("%[:#]z", "%z", reading.removesuffix(" %M") if behind else reading)
        text = written.dt.strftime(writing) + behind
        found = text.str.to_datetime(reading, time_unit="us", strict=False, time_zone="UTC" if zoned else None)[0]
    except pl.exceptions.PolarsError as error:
        why = str(error).split("\n")[0].removeprefix("Invalid format string: ")
        raise ValueError(f"format {form!r} cannot be read: {why}") from error
    if found is None or found.year != SOME_TIME.year:
        raise ValueError(f"format must give a date with its year, got {form!r}")
