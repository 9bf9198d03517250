"""Which release `make serve` begins with: the one that was served last; a new one comes by `make deploy`, with evidence."""

from pathlib import Path

from contracts.lifecycle.champion import CHAMPION, POINTER, REPOSITORY, is_promoted
from contracts.serving.release_log import Entry, append
from contracts.serving.releases import EXPORTED, data_of, model_of
from contracts.serving.route import NAME, Route
from serving.releases.reference import keep_promise
from serving.releases.routing import refuse_during_rollout, route_entry
from serving.releases.store import Store

NEWER = "artifacts/ has another export than version {}, which is served; `make deploy` brings it in, if it is good enough"
UNPROMOTED = "no model was promoted yet; `make promote` makes this one the champion, with which the next is compared"


def choose_release(store: Store, exported: Path | None = None) -> str | None:
    """Have the store serve something: what it does already, else the champion, else, where none was promoted, the newest export.

    `exported` asks for that repository instead, without evidence. Returns what a person should know, or None. Raises ValueError
    if what is to be served is not here, or another release is being tried.
    """
    if exported is not None and not exported.is_dir():
        raise ValueError(f"there is no repository {exported}; the champion's comes by `dvc pull {POINTER}`")
    active = store.active()
    if exported is None and active is not None:
        return NEWER.format(active) if EXPORTED.is_dir() and store.released(EXPORTED) != active else None
    chosen = exported or first_repository()
    if chosen is None:
        return None
    version = store.release(chosen)
    keep_promise(store.folder, version)  # where there is none to keep, the monitor says so
    if version != active:
        refuse_during_rollout(store.readable_route(), f"{chosen} cannot be served now")
        why = "the first release" if exported is None else f"asked for by --exported {exported}"
        entry = Entry(
            event="release",
            model=model_of(chosen),
            version=version,
            before=active,
            data=data_of(chosen),
            reasons=(why,),
        )
        append(store.folder, entry)
        store.activate(version)
    return UNPROMOTED if exported is None and chosen == EXPORTED else None


def first_route(store: Store) -> None:
    """Write the store's route, as what is served, where there is none; `make serve` and all that comes later go by it."""
    version = store.active()
    if version is None or (store.folder / NAME).exists():
        return
    route = Route(champion=version)
    append(store.folder, route_entry(store.folder, route, "the first route, of what is served"))
    store.replace_route(None, route)


def first_repository(exported: Path = EXPORTED) -> Path | None:
    """The champion's in the packaging of `exported`; if none was ever promoted, `exported`; None if that is not there either."""
    if is_promoted():
        return CHAMPION / REPOSITORY / exported.name
    return exported if exported.is_dir() else None
