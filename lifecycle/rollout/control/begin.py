"""Begins a rollout: of a release that is in the store, or of the newest export, which comes there first."""

import secrets
from datetime import UTC, datetime

from contracts.clock import clock
from contracts.serving.releases import EXPORTED
from lifecycle.deploy.newest import bring_in
from lifecycle.deploy.server import running_server
from lifecycle.deploy.tried import stored_entry
from lifecycle.rollout.control.control import Control, changing
from lifecycle.rollout.control.files import Remembered, read_rollouts, write_state
from lifecycle.rollout.control.look import settled
from lifecycle.rollout.rollout import Rollout
from lifecycle.route.change import SALT_BYTES
from lifecycle.route.compatible import refuse_other_tensors
from serving.releases.routing import refuse_during_rollout


def begin_newest(control: Control) -> Rollout:
    """Of the newest export, which the comparison and, if `rollout.gate`, the gate have let into the store.

    Raises ValueError if they refuse it, it is what is served, or it was sent back before.
    """
    with running_server(control.server) as server:
        bring_in(server, None, beside=True, gated=control.config.gate)
    version = control.store.released(EXPORTED)
    assert version is not None  # it has just been brought in
    if version == control.store.active():
        raise ValueError(f"the newest export is version {version}, which is served; there is nothing to try")
    before = [one for one in read_rollouts(control.root) if one.challenger == version and one.status == "ended"]
    if before:
        ended = f"{before[-1].name}: {before[-1].outcome}: {before[-1].why}"
        raise ValueError(
            f'release {version}, the newest export, was tried before ({ended}); make rollout SET="begin {version}" tries it again'
        )
    return begin(control, version)


def begin(control: Control, challenger: int, who: str = "controller") -> Rollout:
    """Of a release of the store, beside the one that is served; under way afterwards. Raises ValueError if it may not be."""
    with changing(control.root):
        found = settled(control)
        if found is not None and found.rollout.status != "ended":
            raise ValueError(
                f"a rollout of release {found.rollout.challenger} is under way ({found.rollout.name}); "
                'make rollout SET=abort WHY="..." ends it'
            )
        champion = _refuse_unfit(control, challenger)
        now_ns, salt = clock().now_ns(), secrets.token_hex(SALT_BYTES)
        rollout = Rollout(
            name=f"{datetime.fromtimestamp(now_ns / 1e9, UTC):%Y-%m-%d}-{challenger}-{salt[:4]}",
            champion=champion,
            challenger=challenger,
            salt=salt,
            begun_ns=now_ns,
            who=who,
        )
        control.folder(rollout).mkdir(parents=True)
        write_state(control.folder(rollout), Remembered(rollout=rollout, config=control.config))
        begun = settled(control)
        assert begun is not None
        return begun.rollout


def _refuse_unfit(control: Control, challenger: int) -> int:
    """The release that is served. Raises ValueError if the challenger cannot be tried beside it."""
    store = control.store
    route, champion = store.route(), store.active()
    if champion is None:
        raise ValueError(f"{store.folder}/ serves nothing yet; `make serve` or `make deploy` makes the first release")
    refuse_during_rollout(route, "no rollout was begun")
    if challenger == champion:
        raise ValueError(f"release {challenger} is the champion; a challenger is another release")
    store.require(challenger)
    refuse_other_tensors(store.folder, champion, challenger)
    if control.config.gate:
        _refuse_ungated(control, challenger)
    return champion


def _refuse_ungated(control: Control, challenger: int) -> None:
    """Raise ValueError unless the gate let it into the store, or a user did with a reason."""
    entry = stored_entry(control.store, challenger)
    if not entry.get("forced_because") and not entry.get("evidence", {}).get("gate", {}).get("passes", False):
        raise ValueError(
            f"releases.jsonl does not say that the gate let release {challenger} pass; `make deploy BESIDE=1` asks it about the "
            f'newest export, make rollout SET="begin {challenger} rollout.gate=false" goes without'
        )
