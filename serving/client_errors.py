"""How a prediction can fail, as the client's callers see it: one sentence each, nothing of the libraries below."""

import re

import polars as pl

ROW_OF_REQUEST = re.compile(r"^((?:column|input) '.*?', row )(\d+)(?=:)", re.DOTALL)


class BrokenRows(ValueError):
    """Rows that do not obey the declaration; nothing was sent. `rejected`: row (from 0), column, rule, value, num_broken."""

    def __init__(self, sentence: str, rejected: pl.DataFrame) -> None:
        super().__init__(sentence)
        self.rejected = rejected


class RefusedRequest(ValueError):
    """The server looked at the request and refuses it; sent again it would be refused again."""

    def moved(self, rows: int) -> "RefusedRequest":
        """The same refusal for a request that began `rows` rows into the caller's frame."""
        sentence = ROW_OF_REQUEST.sub(lambda found: f"{found[1]}{int(found[2]) + rows}", str(self))
        return type(self)(sentence)


class StaleModel(RefusedRequest):
    """The request does not fit the model, as if it was replaced since the client has read its columns and limits."""


class ServerUnavailable(ConnectionError):
    """No server answers, or it has no time to; asking again may help."""


class DeadlineExceeded(TimeoutError):
    """The answer did not come in time."""


class ServerFailed(RuntimeError):
    """The server answered with a failure of its own, or with something that is no prediction."""
