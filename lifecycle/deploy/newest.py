"""Brings the newest export into the running server, if the evidence is for it, and makes it the champion."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from contracts.serving.release_log import Entry, append
from contracts.serving.releases import EXPORTED, data_of
from lifecycle.deploy.champion import exported_model, promote, read_champion
from lifecycle.deploy.evidence import Report, gather
from lifecycle.deploy.made_in import bring_champion
from lifecycle.deploy.server import RunningServer
from lifecycle.deploy.side_by_side import side_by_side
from serving.releases.reference import EVALUATIONS, keep_promise
from serving.server.trial import trial_server

STORED = 'deploy: version {0} is in the store, and {1} goes on being served; try it beside that: make route SET="canary {0} 5"'
UNSEEN = (
    "version {} is being served and was never promoted, so that nothing was compared with it; this one becomes the first champion"
)


def bring_in(
    server: RunningServer, forced_because: str | None, beside: bool = False, gated: bool = True, made_in: Path | None = None
) -> None:
    """Raises ValueError with the gravest reason if the newest export is refused; the server then serves what it did before.

    `beside`: the export gets its number in the store, so that it can be tried beside what is served, and is not served.
    `gated`: the gate is asked as well as the comparison. `made_in`: the project folder whose newest export is meant, and in
    which both are asked; None: this one.
    """
    folder = Path() if made_in is None else made_in
    exported = folder / EXPORTED
    candidate = exported_model(exported)
    if candidate.model is None:
        raise ValueError(f"{exported} holds no exported model; run `make repro` first")
    before = server.store.active()
    if before is not None and server.serves(server.store.released(exported)):
        keep_promise(server.store.folder, before)
        print(f"deploy: version {before} is being served already")
        return
    server.refuse_rollout(server.store.released(exported))
    if beside and (known := server.store.released(exported)) is not None:
        print(STORED.format(known, before))
        return
    champion = read_champion()
    if made_in is not None:
        bring_champion(made_in)
    about = None if champion is None else champion.model
    reports = [] if candidate == champion else gather(candidate.model, about, gated, folder)
    if exported_model(exported) != candidate:
        raise ValueError(f"{exported} changed while the evidence was gathered; run `make deploy` again")
    reasons = [reason for report in reports for reason in report.reasons]
    unseen = [] if champion is not None or before is None else [UNSEEN.format(before)]
    for line in (*side_by_side(reports), *unseen):
        print(f"deploy: {line}")
    entry = Entry(
        event="refusal" if reasons and not forced_because else "stored" if beside else "release",
        model=candidate.model,
        release=candidate.release,
        before=before,
        champion=about,
        data=data_of(exported),
        evidence={report.name: report.summary() for report in reports},
        reasons=(*(reasons or passed(reports)), *unseen),
        forced_because=forced_because if reasons else None,
    )
    if entry.event == "refusal":
        append(server.store.folder, entry)
        raise ValueError(refused(reasons, folder))
    version = released(server, entry, exported)
    if (unpromised := keep_promise(server.store.folder, version, [folder / path for path in EVALUATIONS])) is not None:
        print(f"deploy: {unpromised}")
    if beside:
        append(server.store.folder, replace(entry, version=version))
        print(STORED.format(version, before), flush=True)
        return
    serve(server, replace(entry, version=version))
    if candidate != champion:
        make_champion(version, entry.forced_because, made_in)


def serve(server: RunningServer, entry: Entry) -> None:
    """Have the server serve the entry's version. Raises ValueError if it does not load; the version before goes on."""
    assert entry.version is not None
    server.switch_to(entry.version, entry)
    print(f"deploy: version {entry.version} is being served, before it was {entry.before}", flush=True)


def passed(reports: Sequence[Report]) -> list[str]:
    found = [f"{one.name}, {one.content['verdict']}: {one.content['reasons'][0]}" for one in reports if one.content is not None]
    return found or ["it is the champion"]


def refused(reasons: Sequence[str], folder: Path = Path()) -> str:
    more, pages = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else "", folder / "reports"
    return (
        f"refused, the server serves what it did before. {reasons[0]}{more}; {pages}/comparison.html and {pages}/gate.html have "
        'all of it; `make deploy FORCE=1 WHY="..."` overrides and keeps the reason'
    )


def released(server: RunningServer, entry: Entry, exported: Path) -> int:
    """The number of the export in the store; one that is new there is first tried in a server of its own.

    Raises ValueError if it does not load; a line of the log says so.
    """
    known = server.store.released(exported)
    if known is not None:
        return known
    try:
        print("deploy: trying the new version in a server of its own ...", flush=True)
        with trial_server(exported, server.config):
            pass  # it has loaded and answered its warm-up requests
        return server.store.release(exported)
    except ValueError as error:
        append(server.store.folder, replace(entry, event="refusal", reasons=(str(error),)))
        raise


def make_champion(version: int, forced_because: str | None, made_in: Path | None = None) -> None:
    """Raises ValueError if the promotion failed: the model is served all the same.

    `made_in`: the project folder whose newest export the model is; None: this one.
    """
    chosen = [] if made_in is None else ["--from", str(made_in)]
    if not promote([*chosen, *([] if forced_because is None else ["--force", "--why", forced_because])]):
        again = "make promote" if forced_because is None else f'make promote FORCE=1 WHY="{forced_because}"'
        raise ValueError(f"version {version} is being served, but is not the champion yet; `{again}` makes it so")
