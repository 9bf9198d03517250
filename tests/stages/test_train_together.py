"""Training in two processes: one result, and no process that waits for one that is gone."""

import re
import socket

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from stages import train
from tests.models.encoded_world import NETWORK_NAMES, World
from tests.stages.test_train import OUTPUTS, ROOT, outputs, prepare, run_module

TOGETHER = yaml.safe_load((ROOT / "conf/trainer/ddp.yaml").read_text()) | {
    "accelerator": "cpu",
    "precision": "32-true",
    "matmul_precision": "highest",
    "num_threads": 1,
}
NO_CHANCE = {"unknown_prior_clicks": 0.0, "no_image_frac": 0.0, "weight_decay": 0.0, "embedding_weight_decay": 0.0}


def test_two_processes_learn_what_one_does(tmp_path, monkeypatch, capfd):
    """Each takes half of a batch's rows; without dropout and hiding, which every process draws for itself, all else is equal."""
    alone = TOGETHER | {"devices": 1, "strategy": "auto"}
    for name, trainer in (("alone", alone), ("together", TOGETHER)):
        prepare(tmp_path / name, "logistic", trainer=trainer, max_epochs=2, **NO_CHANCE)
    monkeypatch.chdir(tmp_path / "alone")
    train.main()  # here, since a process that imports Lightning takes longer to start than to train
    done = run_module("stages.train", folder=tmp_path / "together")
    assert done.returncode == 0, done.stderr
    here = capfd.readouterr()
    for out, err in ((here.out, here.err), (done.stdout, done.stderr)):
        assert "Warning" not in err and len(re.findall("train: logistic .*on 600 rows, 20 steps", out)) == 1
    for name in ("alone", "together"):
        assert set(outputs(tmp_path / name)) == OUTPUTS
    one, two = (load_file(tmp_path / name / "artifacts/model/weights.safetensors") for name in ("alone", "together"))
    assert one.keys() == two.keys()
    for name, weight in one.items():
        np.testing.assert_allclose(two[name], weight, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("name", [n if n == "dcnv2" else pytest.param(n, marks=pytest.mark.slow) for n in NETWORK_NAMES])
def test_no_process_waits_for_the_gradient_of_what_the_data_has_not(tmp_path, name):
    prepare(tmp_path, name, World(num_creatives=0, num_dense=0), trainer=TOGETHER, max_epochs=1)
    done = run_module("stages.train", folder=tmp_path)
    assert done.returncode == 0, done.stderr


def test_no_process_is_left_waiting_where_the_first_one_fails(tmp_path):
    prepare(tmp_path, trainer=TOGETHER, max_epochs=1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(taken.getsockname()[1])}
        done = run_module("stages.train", folder=tmp_path, variables=address)
    assert done.returncode != 0 and "already in use" in done.stderr, done.stderr
