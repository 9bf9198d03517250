"""One change of what is served at a time: a deployment, or a rollout that begins or goes on."""

from contextlib import AbstractContextManager
from pathlib import Path

from lifecycle import locking

LOCK = ".deploy.lock"


def alone(store: Path) -> AbstractContextManager[None]:
    """The store is ours to deploy to until the end, or until we die. Raises ValueError if it is another one's."""
    return locking.alone(store / LOCK, f"another deployment to {store}/ is under way; wait until it has ended")
