"""Goes back to an earlier version of the store. It needs no evidence, and brings its champion back as well."""

from contracts.serving.release_log import Entry
from contracts.serving.releases import data_of
from lifecycle.deploy.champion import Exported, exported_model, promote, read_champion
from lifecycle.deploy.newest import serve
from lifecycle.deploy.server import RunningServer


def go_back(server: RunningServer, version: int, why: str) -> None:
    """Raises ValueError if the store does not have the version or it does not load; what was served before then goes on."""
    before, folder = server.store.active(), server.store.folder
    if version not in server.store.versions():
        raise ValueError(f"{folder} has no version {version}; it has {server.store.versions()}")
    if server.serves(version):
        print(f"deploy: version {version} is being served already")
        return
    back = exported_model(folder, str(version))
    entry = Entry(
        event="rollback",
        model=back.model,
        release=back.release,
        version=version,
        before=before,
        data=data_of(folder, str(version)),
        reasons=(why,) if why else (),
    )
    serve(server, entry)
    bring_back_champion(version, back)


def bring_back_champion(version: int, back: Exported) -> None:
    """Say so where that cannot be done: users get the version all the same."""
    try:
        if read_champion() == back:
            return
    except ValueError:  # its files are not here: another one's are brought
        pass
    if not promote(["--back-to", back.release]):
        print(
            f"deploy: champion/model is not version {version}: the next candidate is compared with the champion that is there, "
            "not with what is being served"
        )
