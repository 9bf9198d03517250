"""How a prediction can fail, as the client's callers see it: one sentence each, nothing of the libraries below."""

import re
from dataclasses import dataclass

import polars as pl

ROW_OF_REQUEST = re.compile(r"^((?:column|input) '(.*?)', row )(\d+)(?=:)", re.DOTALL)
RULE = " breaks the rule "
TOO_MUCH = "a request; send fewer rows"  # ends the refusal of a request, of one row as well, that holds too much


class BrokenRows(ValueError):
    """Rows that do not obey the declaration; nothing was sent. `rejected`: row (from 0), column, rule, value, num_broken."""

    def __init__(self, sentence: str, rejected: pl.DataFrame) -> None:
        super().__init__(sentence)
        self.rejected = rejected


class RefusedRequest(ValueError):
    """The server looked at the request and refuses it; sent again it would be refused again."""

    def moved(self, rows: int) -> "RefusedRequest":
        """The same refusal for a request that began `rows` rows into the caller's frame."""
        sentence = ROW_OF_REQUEST.sub(lambda found: f"{found[1]}{int(found[3]) + rows}", str(self))
        return type(self)(sentence)

    def broken_row(self, num_rows: int) -> "RefusedRow | None":
        """The one row of a request of `num_rows` because of which it was refused; None if that cannot be said."""
        found = ROW_OF_REQUEST.match(str(self))
        if found is not None:
            rule = str(self).rpartition(RULE)[2].partition(":")[0] if RULE in str(self) else "image"
            return RefusedRow(int(found[3]), found[2], rule, str(self))
        too_much = num_rows == 1 and str(self).endswith(TOO_MUCH)
        return RefusedRow(0, "", "request_size", str(self)) if too_much else None


@dataclass(frozen=True)
class RefusedRow:
    """A row that the server does not answer."""

    row: int  # from 0
    column: str  # "" where it is the whole row
    rule: str
    sentence: str


class StaleModel(RefusedRequest):
    """The request does not fit the model, as if it was replaced since the client has read its columns and limits."""


class ServerUnavailable(ConnectionError):
    """No server answers, or it has no time to; asking again may help."""


class DeadlineExceeded(TimeoutError):
    """The answer did not come in time."""


class ServerFailed(RuntimeError):
    """The server answered with a failure of its own, or with something that is no prediction."""
