"""What `make serve SERVING=gpu` prints and runs: who the container is, what it may reach, and that no secret is said."""

import re
import shutil
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from serving.server import container
from serving.server.secret import ENV, admin_secret
from tests.serving.served_world import server_config
from tests.stages.pipeline_world import CONF

MODELS = ["ranker", "encoder", "ctr_graph_1", "ctr"]


@pytest.fixture
def config(tmp_path):
    return server_config(tmp_path)


def options(config, monkeypatch, uid: int = 1234) -> list[str]:
    monkeypatch.setattr("os.getuid", lambda: uid)
    monkeypatch.setattr("os.getgid", lambda: 5678)
    return container.run_command(config, Path("/store"), MODELS)


def test_the_container_may_do_little(config, monkeypatch):
    found = options(config, monkeypatch)
    for option in ("--rm", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--gpus=all", "--user=1234:5678"):
        assert option in found
    assert f"--shm-size={config.shm_mib}m" in found
    assert "--mount=type=bind,src=/store,dst=/models,readonly" in found
    assert [option for option in found if "type=bind" in option and not option.endswith(",readonly")] == []
    assert "--privileged" not in found and not any(option.startswith("--net") for option in found)


def test_it_is_never_root(config, monkeypatch):
    assert "--user=1000:1000" in options(config, monkeypatch, uid=0)
    dockerfile = (CONF.parent / container.DOCKERFILE).read_text()
    assert dockerfile.rstrip().endswith("USER 1000:1000")


def test_ports_are_published_on_the_hosts_own_address_alone(config, monkeypatch):
    found = options(config, monkeypatch)
    ports = (config.http_port, config.grpc_port, config.metrics_port)
    assert [o for o in found if o.startswith("--publish")] == [f"--publish=127.0.0.1:{port}:{port}" for port in ports]
    for name, port in zip(("http", "grpc", "metrics"), ports, strict=True):
        assert f"--{name}-address=0.0.0.0 " in found[-1]
        assert f"--{name}-port={port} " in found[-1]


def test_the_image_is_nvidias_pinned_by_its_tag(config):
    image = yaml.safe_load((CONF / "serving/default.yaml").read_text())["server"]["image"]
    year, month = image.rpartition(":")[2].removesuffix("-py3").split(".")
    assert (int(year), int(month)) >= (26, 6)
    build = container.build_command(config)
    assert f"--build-arg=IMAGE={image}" in build
    assert f"--tag={container.own_image(config)}" in build
    assert f"FROM {'${IMAGE}'}" in (CONF.parent / container.DOCKERFILE).read_text()


def test_the_image_installs_what_requirements_lock(config):
    """What the models import and what that needs, each with its hashes, from the folder that the build is given."""
    dockerfile = (CONF.parent / container.DOCKERFILE).read_text()
    (program,) = re.findall(r"awk '(.+)' \\\n +/opt/adclick/serving.lock > /opt/adclick/models.lock", dockerfile)
    assert "--require-hashes --requirement=/opt/adclick/models.lock" in dockerfile
    lock = CONF.parent / container.CONTEXT / "serving.lock"
    taken = subprocess.run(["awk", program, str(lock)], capture_output=True, text=True, check=True).stdout
    wanted = {"numpy", "onnxruntime", "pillow"}
    needed = {Requirement(line).name for name in wanted for line in requires(name) or () if "extra ==" not in line}
    entries = re.findall(r"^([\w-]+)==\S+ \\\n(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+", taken, flags=re.M)
    assert {*entries} == wanted | needed and len(entries) == taken.count("==")


def test_certificates_are_mounted_where_the_server_looks_for_them(tmp_path, monkeypatch):
    config = server_config(tmp_path, tls_cert=str(tmp_path / "a.pem"), tls_key=str(tmp_path / "b.pem"))
    found = options(config, monkeypatch)
    assert f"--mount=type=bind,src={tmp_path / 'a.pem'},dst=/tls/cert.pem,readonly" in found
    assert f"--mount=type=bind,src={tmp_path / 'b.pem'},dst=/tls/key.pem,readonly" in found
    assert "--grpc-server-cert=/tls/cert.pem --grpc-server-key=/tls/key.pem --grpc-use-ssl=true" in found[-1]


def test_the_shell_inside_reads_the_secret_and_becomes_the_server(config, monkeypatch, tmp_path):
    fake = tmp_path / "tritonserver"
    fake.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    fake.chmod(0o755)
    *_, shell, flag, script = options(config, monkeypatch)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    ran = subprocess.run([shell, flag, script], input="s3-cr_t\n", env=environment, capture_output=True, text=True, check=True)
    arguments = ran.stdout.splitlines()
    for name in ("http-restricted-api", "grpc-restricted-protocol"):
        (closed,) = [argument for argument in arguments if argument.startswith(f"--{name}=")]
        assert closed.endswith(":adclick-admin=s3-cr_t")
        assert closed.startswith(f"--{name}=model-repository,shared-memory,trace,logging,statistics:")
    assert [argument for argument in arguments if argument.startswith("--load-model")] == [f"--load-model={m}" for m in MODELS]
    assert {"--model-repository=/models", "--model-control-mode=explicit", "--http-max-input-size=4194304"} <= set(arguments)
    assert subprocess.run([shell, flag, script], input="", env=environment, check=False).returncode != 0


@pytest.fixture
def made(exported, tmp_path, monkeypatch):
    """A project folder with an exported model, without a secret so far."""
    shutil.copytree(exported / "artifacts/repository/container", tmp_path / "artifacts/repository/container")
    shutil.copy(exported / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(ENV, raising=False)
    monkeypatch.syspath_prepend(str(CONF.parent))
    return tmp_path


def run_without_docker(folder: Path, **environment: str) -> subprocess.CompletedProcess:
    environment = {"PATH": "/nowhere", "PYTHONPATH": str(CONF.parent), **environment}
    command = [sys.executable, "-m", "serving.server.container"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_without_docker_it_prints_the_commands_and_says_so(made):
    ran = run_without_docker(made)
    assert ran.returncode == 1
    assert ran.stderr == (
        "serve: error: Docker is not installed, so these commands were not run; `make serve` runs the embedded server\n"
    )
    assert ran.stdout.startswith("docker build \\\n  --file=deploy/triton.Dockerfile \\\n")
    assert "docker run \\\n  --name=adclick-triton \\\n" in ran.stdout
    assert f"src={made / 'models-container'},dst=/models,readonly" in ran.stdout
    assert (made / "models-container/ctr_graph_1/1/package.json").is_file()
    assert not (made / "models").exists()


def test_the_secret_is_neither_printed_nor_an_argument(made):
    printed = run_without_docker(made).stdout
    secret = admin_secret(made / ".secrets/triton-admin")
    assert secret not in printed
    assert printed.endswith("< .secrets/triton-admin\n")
    given = run_without_docker(made, **{ENV: "from-the-environment"}).stdout
    assert "from-the-environment" not in given
    assert given.endswith(f'<<< "${ENV}"\n')


def test_docker_gets_the_secret_on_its_standard_input_and_its_exit_status_is_ours(made, tmp_path):
    (tmp_path / "bin").mkdir()
    docker = tmp_path / "bin/docker"
    docker.write_text('#!/bin/sh\necho "$1 $#" >>calls\n[ "$1" = build ] || { cat >>stdin; exit 7; }\n')
    docker.chmod(0o755)
    ran = run_without_docker(made, PATH=f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert ran.returncode == 7
    assert [line.split()[0] for line in (made / "calls").read_text().splitlines()] == ["build", "run"]
    assert (made / "stdin").read_text() == (made / ".secrets/triton-admin").read_text()


def test_an_image_that_cannot_be_built_is_not_run(made, tmp_path):
    (tmp_path / "bin").mkdir()
    docker = tmp_path / "bin/docker"
    docker.write_text('#!/bin/sh\necho "$1" >>calls\nexit 3\n')
    docker.chmod(0o755)
    assert run_without_docker(made, PATH=f"{tmp_path / 'bin'}:/usr/bin:/bin").returncode == 3
    assert (made / "calls").read_text() == "build\n"


def test_without_an_export_it_says_what_to_run(made):
    shutil.rmtree(made / "artifacts")
    ran = run_without_docker(made)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "artifacts/repository/container holds no exported model; run `make repro` first" in ran.stderr
