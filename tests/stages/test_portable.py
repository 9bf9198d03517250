"""Weights of `trainer=portable`: the same on whatever x86-64 processor; how OpenMP's threads wait."""

import os
import subprocess
import sys
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from shutil import which

import pytest
import yaml
from pydantic import TypeAdapter

from stages import before_torch, train
from stages.models.config import ModelConfig
from tests.models.encoded_world import CONF, World, train_values, write_encoded, write_params

ROOT = CONF.parent
# of the weights below: Intel Xeon (AVX-512), AMD EPYC, and QEMU's AMD EPYC (Rome) and Intel Haswell
EVERYWHERE = "c654a6affd07223572172fea80cba1907c79c02901b5b18a8ad4c395e6ed3dfc"
WORLD = World(
    num_ids=(400, 50, 2000, 30), num_dense=5, num_creatives=60, image_size=48, num_rows={"train": 4096, "val": 512, "test": 50}
)
NO_QEMU = "there is no qemu-x86_64 to stand for another processor; apt-get install qemu-user"


@pytest.fixture
def folder(tmp_path) -> Path:
    """The shipped network, large enough for every kernel, on a small table with images: 8 steps."""
    write_encoded(tmp_path / "data/encoded", WORLD)
    model = TypeAdapter(ModelConfig).validate_python(yaml.safe_load((CONF / "model/dcnv2.yaml").read_text()))
    trainer = yaml.safe_load((CONF / "trainer/portable.yaml").read_text())
    write_params(tmp_path / "params.yaml", asdict(model), train_values(batch_size=512, max_epochs=1), trainer)
    return tmp_path


def weights_of(folder: Path, *emulator: str, **environment: str) -> str:
    """The sha-256 of the weights that stage train gives in `folder`."""
    command = [*emulator, os.path.realpath(sys.executable), "-m", "stages.train"]
    packages = f"{ROOT}{os.pathsep}{os.pathsep.join(path for path in sys.path if 'site-packages' in path)}"
    own = os.environ | {"PYTHONPATH": packages} | environment
    done = subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return sha256((folder / "artifacts/model/weights.safetensors").read_bytes()).hexdigest()


def test_portable_weights_are_those_of_other_processors(folder):
    assert weights_of(folder) == EVERYWHERE


@pytest.mark.slow  # minutes: every instruction is translated
@pytest.mark.parametrize("processor", ["EPYC-Rome", "Haswell"])
def test_portable_weights_are_those_of_a_processor_of_another_maker(folder, processor):
    if (qemu := which("qemu-x86_64")) is None:
        pytest.skip(NO_QEMU)
    # numpy's sort ends in QEMU 7.2 if it takes AVX2; it gives the same without
    assert weights_of(folder, qemu, "-cpu", processor, NPY_DISABLE_CPU_FEATURES="X86_V3") == EVERYWHERE


def test_portable_training_refuses_a_process_that_was_not_set_up_for_it(folder, monkeypatch):
    monkeypatch.chdir(folder)
    for name in before_torch.PORTABLE:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match="run `python -m stages.train`"):
        train.main()


@pytest.mark.parametrize("said", ["GOMP_SPINCOUNT", "OMP_WAIT_POLICY"])
def test_what_the_environment_says_of_waiting_stays(monkeypatch, said):
    for name in before_torch.OWN_CHOICES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(said, "7")
    before_torch.wait_briefly()
    assert [os.environ.get(name) for name in before_torch.OWN_CHOICES if name != said] == [None] and os.environ[said] == "7"


def test_threads_wait_briefly_where_nobody_says_how_long(monkeypatch):
    monkeypatch.setenv("GOMP_SPINCOUNT", "")  # so that it is set back
    for name in before_torch.OWN_CHOICES:
        monkeypatch.delenv(name, raising=False)
    before_torch.wait_briefly()
    assert os.environ["GOMP_SPINCOUNT"] == "10000"


@pytest.mark.parametrize("text", ["", "trainer:", "trainer: {portable: 1}", "trainer: {portable: false}", "a: [", "[]", None])
def test_nothing_but_a_clear_yes_asks_for_portable_weights(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    if text is not None:
        (tmp_path / "params.yaml").write_text(text)
    assert not before_torch.wants_portable()
