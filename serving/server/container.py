"""`python -m serving.server.container` (`make serve SERVING=gpu`): releases the champion's container packaging, or, while
there is no champion, the newest export's, and runs it in NVIDIA's image.

Prints the two commands, then runs them. The container may read the released models and write its engines, nothing else:
no root, no capabilities, a read-only file system, ports on the host that `serving.server.host` names.

The secret of the closed APIs goes in by standard input: it is in no argument, variable or file that Docker keeps.
Inside, Triton takes it as an argument only, so whoever may list the host's processes can read it there.
"""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import os
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

from contracts.serving.config import ServerConfig
from serving.entry import run
from serving.releases.choice import first_repository
from serving.releases.store import Store
from serving.server.arguments import Paths, triton_arguments
from serving.server.secret import ENV, admin_secret
from serving.server.settings import changed, load_journal_config, load_server_config
from serving.triton.environment import METRICS_URL

EXPORTED = Path("artifacts/repository/container")
DOCKERFILE = Path("deploy/triton.Dockerfile")
CONTEXT = Path("requirements")
NAME = "adclick-triton"
IMAGE_USER = 1000  # `triton-server` of NVIDIA's image, for those who are root here
MAX_HTTP_BYTES = 4 << 20  # of one request
SECRET = "@SECRET@"  # stands in the arguments for what the container's shell reads


def main() -> int:
    config = load_server_config()
    journal = load_journal_config()
    if journal is not None and journal.enabled:
        raise ValueError("the container keeps no journal yet; set serving.journal.enabled to false, or use `make serve`")
    store = Store(Path(f"{config.store}-container"))
    version = store.release(first_repository(EXPORTED) or EXPORTED)
    if version != store.active():
        store.activate(version, beside_before=False)  # nothing is being served yet
    secret = admin_secret(Path(config.secret_file))
    build, run = build_command(config), run_command(config, store.folder, store.models(version))
    given = f'<<< "${ENV}"' if os.environ.get(ENV) else f"< {shlex.quote(config.secret_file)}"
    print(f"{shown(build)}\n{shown(run)} {given}", flush=True)
    if shutil.which("docker") is None:
        raise ValueError("Docker is not installed, so these commands were not run; `make serve` runs the embedded server")
    return subprocess.run(build, check=False).returncode or attached(run, secret)


def build_command(config: ServerConfig) -> list[str]:
    """The image: NVIDIA's, pinned, with the packages of the Python models."""
    return [
        "docker",
        "build",
        f"--file={DOCKERFILE}",
        f"--build-arg=IMAGE={config.image}",
        f"--tag={own_image(config)}",
        str(CONTEXT),
    ]


def run_command(config: ServerConfig, store: Path, models: list[str]) -> list[str]:
    """The server on the models of `store`. It waits for a line with the secret on its standard input."""
    mounts = {"/models": store}
    if config.tls_cert is not None:
        mounts |= {"/tls/cert.pem": Path(config.tls_cert), "/tls/key.pem": Path(config.tls_key)}
    ports = (config.http_port, config.grpc_port, config.metrics_port)
    user = (os.getuid(), os.getgid()) if os.getuid() else (IMAGE_USER, IMAGE_USER)
    return [
        "docker",
        "run",
        f"--name={NAME}",
        "--rm",
        "--interactive",
        "--gpus=all",
        "--user={}:{}".format(*user),
        "--read-only",
        "--tmpfs=/tmp:rw,noexec,nosuid,nodev,size=256m,mode=1777",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        f"--shm-size={config.shm_mib}m",
        f"--stop-timeout={config.exit_timeout_s + 1}",
        *(f"--publish={config.host}:{port}:{port}" for port in ports),
        *(f"--mount=type=bind,src={path.resolve()},dst={inside},readonly" for inside, path in mounts.items()),
        f"--mount=type=volume,src={NAME}-engines,dst=/engines",
        f"--env={METRICS_URL}=http://127.0.0.1:{config.metrics_port}/metrics",
        own_image(config),
        "sh",
        "-c",
        _server_script(config, models),
    ]


def own_image(config: ServerConfig) -> str:
    return f"{NAME}:{config.image.rpartition(':')[2]}"


def shown(command: list[str]) -> str:
    """The command as a person may paste it into a shell, an argument a line."""
    program, action, *arguments = command
    return " \\\n  ".join([f"{program} {action}", *map(shlex.quote, arguments)])


def attached(command: list[str], secret: str) -> int:
    """Run a container in the foreground and return its exit status. It gets our signals and ends in its own time."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as docker:
        signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C reaches docker as well, and we wait for it
        signal.signal(signal.SIGTERM, lambda *_: docker.terminate())
        docker.communicate(f"{secret}\n")
        return docker.returncode


def _server_script(config: ServerConfig, models: list[str]) -> str:
    tls = config.tls_cert is not None
    paths = Paths(
        store=Path("/models"),
        tls_cert=Path("/tls/cert.pem") if tls else None,
        tls_key=Path("/tls/key.pem") if tls else None,
    )
    inside = changed(config, host="0.0.0.0")  # all of the container's addresses; what is published is said outside
    arguments = [*triton_arguments(inside, paths, models, SECRET), f"--http-max-input-size={MAX_HTTP_BYTES}"]
    quoted = " ".join(map(shlex.quote, arguments)).replace(SECRET, '"$secret"')
    return f"IFS= read -r secret && exec tritonserver {quoted}"


if __name__ == "__main__":
    run("serve", main)
