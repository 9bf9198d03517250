"""Why a request is refused: a rule that Prometheus counts and one sentence that the client reads."""

INNER = "refused: "  # begins a refusal between models: a call inside Triton 2.51 hands on an error's text, not its kind
BUSY = "overloaded: "  # begins the answer of a model that has too much to do
UNWRITTEN = "the answer could not be written to the journal, and serving.journal.on_error is refuse; the server's log says why"
INNER_CALL = "adclick_inner_call"  # parameter of a request that another model makes
PLAIN = 1e15  # below it a whole number is shown without an exponent
LONGEST_QUOTE = 40  # characters of an offending value that a message repeats
FITS_INT64 = "a whole number that fits int64; declare the column string"


class Refused(ValueError):
    """The client's request cannot be answered; the text is one sentence for the client."""

    def __init__(self, rule: str, sentence: str) -> None:
        super().__init__(sentence)
        self.rule = rule


class Unwritten(RuntimeError):
    """The answer may not leave, because the journal could not be written (serving.journal.on_error); one sentence."""

    def __init__(self) -> None:
        super().__init__(UNWRITTEN)


class Overloaded(RuntimeError):
    """The request is not answered for now, because too many wait; the text is one sentence for the client."""


def refused_value(column: str, row: int, value: object, rule: str, expected: str) -> Refused:
    """The refusal of one value: column, row (from 0, within the request), value and what was expected."""
    return Refused(rule, f"column '{column}', row {row}: {quoted(value)} breaks the rule {rule}: {expected}")


def bound(value: float) -> str:
    """A declared bound with all its digits, whole ones without a point."""
    return f"{int(value)}" if isinstance(value, int) or (value.is_integer() and abs(value) < PLAIN) else repr(value)


def quoted(value: object) -> str:
    """The value as the message shows it: short, printable, on one line."""
    if isinstance(value, float):
        return f"{value:g}"
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    short = text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}... ({len(text)} characters)"
    return repr(short) if isinstance(value, str | bytes) else short
