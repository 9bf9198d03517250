"""`python -m serving.server.deploy` (`make deploy`): releases the newest export into the running server, or goes back to an
earlier version. Requests under way are answered by the version before. A new version that does not load in a server of
its own never reaches the running one.
"""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import argparse
import sys
import time
from pathlib import Path

from serving.entry import run
from serving.releases.store import Store
from serving.server.admin import AdminApi
from serving.server.secret import admin_secret
from serving.server.server import EXPORTED
from serving.server.settings import load_server_config
from serving.server.trial import trial_server

SETTLE_S = 5.0  # at most, for the version before to answer what it has begun
POLL_S = 0.05


def main() -> None:
    args = parse(sys.argv[1:])
    config = load_server_config(host=args.host, http_port=args.http_port)
    store = Store(Path(config.store))
    admin = AdminApi(f"http://{config.host}:{config.http_port}", admin_secret(Path(config.secret_file)))
    if not admin.live():
        raise ValueError(f"no server answers at {config.host}:{config.http_port}; start one with `make serve`")
    before = store.active()
    if args.version is None and store.released(args.exported) is None:
        print("deploy: trying the new version in a server of its own ...", flush=True)
        with trial_server(args.exported, config):
            pass  # it has loaded and answered its warm-up requests
    version = args.version or store.release(args.exported)
    if before == version and admin.versions("ctr") == [version]:
        print(f"deploy: version {version} is being served already")
        return
    deploy(store, admin, version)
    print(f"deploy: version {version} is being served" + (f", before it was {before}" if before else ""))


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m serving.server.deploy", description="Release a model into the running server."
    )
    parser.add_argument("--version", type=int, help="serve this earlier version of the store again")
    parser.add_argument("--host", help="where the server runs (default: serving.server.host)")
    parser.add_argument("--http-port", type=int, help="(default: serving.server.http_port)")
    parser.add_argument("--exported", type=Path, default=EXPORTED, help="repository to release (default: %(default)s)")
    return parser.parse_args(argv)


def deploy(store: Store, admin: AdminApi, version: int) -> None:
    """Make the running server serve `version`. Raises ValueError if it does not load; the version before then goes on."""
    before = store.active()
    store.activate(version)
    loaded = []
    try:
        for name in store.retired(version, before or version):  # before the models that they call lose their version
            admin.unload(name)
        for name in store.models(version):
            loaded.append(name)
            admin.load(name)
    except ValueError as error:
        if before is None or before == version:
            raise
        store.activate(before, beside_before=False)
        for name in reversed(loaded):
            (admin.load if name in store.models(before) else admin.unload)(name)
        raise ValueError(f"version {version} was refused, version {before} is still being served: {error}") from None
    _settle(admin)


def _settle(admin: AdminApi) -> None:
    """Wait for the version before to end: the next deployment takes away the models that it calls."""
    deadline = time.monotonic() + SETTLE_S
    while not admin.settled() and time.monotonic() < deadline:
        time.sleep(POLL_S)


if __name__ == "__main__":
    run("deploy", main)
