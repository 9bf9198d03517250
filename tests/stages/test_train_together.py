"""Training in two processes: one result, and no process that waits for one that is gone."""

import socket

import yaml

from tests.stages.test_train import OUTPUTS, ROOT, outputs, prepare, run_module


def test_two_processes_train_together_on_cpus(tmp_path):
    ddp = yaml.safe_load((ROOT / "conf/trainer/ddp.yaml").read_text())
    ddp |= {"accelerator": "cpu", "precision": "32-true", "num_threads": 1}
    prepare(tmp_path, trainer=ddp, max_epochs=1)
    done = run_module("stages.train", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr and done.stdout.count("train: deepfm on 600 rows, 10 steps") == 1
    assert set(outputs(tmp_path)) == OUTPUTS


def test_no_process_is_left_waiting_where_the_first_one_fails(tmp_path):
    ddp = yaml.safe_load((ROOT / "conf/trainer/ddp.yaml").read_text())
    prepare(tmp_path, trainer=ddp | {"accelerator": "cpu", "precision": "32-true", "num_threads": 1}, max_epochs=1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(taken.getsockname()[1])}
        done = run_module("stages.train", folder=tmp_path, environment=address)
    assert done.returncode != 0 and "already in use" in done.stderr, done.stderr
