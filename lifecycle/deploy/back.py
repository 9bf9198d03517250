"""Goes back to an earlier version of the store. It needs no evidence, and brings its champion back as well."""

from contracts.serving.release_log import Entry
from contracts.serving.releases import data_of, model_of
from lifecycle.deploy.champion import champion_model, promote
from lifecycle.deploy.server import RunningServer


def go_back(server: RunningServer, version: int, why: str) -> None:
    """Raises ValueError if the store does not have the version or it does not load; what was served before then goes on."""
    before = server.store.active()
    if version not in server.store.versions():
        raise ValueError(f"{server.store.folder} has no version {version}; it has {server.store.versions()}")
    if server.serves(version):
        print(f"deploy: version {version} is being served already")
        return
    model = model_of(server.store.folder, str(version))
    entry = Entry(
        event="rollback",
        model=model,
        version=version,
        before=before,
        data=data_of(server.store.folder, str(version)),
        reasons=(why,) if why else (),
    )
    server.switch_to(version, entry)
    print(f"deploy: version {version} is being served, before it was {before}", flush=True)
    if model is not None and model != champion_model_here():
        bring_back_champion(version, model)


def champion_model_here() -> str | None:
    """As `champion_model`; None also where its files are not here."""
    try:
        return champion_model()
    except ValueError:
        return None


def bring_back_champion(version: int, model: str) -> None:
    """Say so where that cannot be done: users get the version all the same."""
    if not promote(["--back-to", model]):
        print(
            f"deploy: champion/model is not version {version}: the next candidate is compared with the champion that is there, "
            "not with what is being served"
        )
