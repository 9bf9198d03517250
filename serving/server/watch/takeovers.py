"""Notices when another version takes over from the one that is served, as `make deploy` makes it do from another terminal."""

from contracts.serving.releases import PUBLIC
from serving.releases.store import Store
from serving.server.admin import AdminApi

ASK_TIMEOUT_S = 1.0  # whoever stops the server waits no longer for an answer


class Takeovers:
    """Looks at the store, which costs next to nothing, and asks the server at `url` only where the store has something new."""

    def __init__(self, url: str, store: Store, served: int) -> None:
        self._admin, self._store, self._served = AdminApi(url, timeout_s=ASK_TIMEOUT_S), store, served

    def news(self) -> str | None:
        """A line if another version serves now than at the last call; None if not, or while it is still being loaded.

        A version that does not load never serves: a deployment that is refused gives no line.
        """
        wanted = self._store.active()
        if wanted in (None, self._served) or self._admin.versions(PUBLIC) != [wanted]:
            return None
        before, self._served = self._served, wanted
        return f"serve: version {wanted} is being served now; before it was {before}"
