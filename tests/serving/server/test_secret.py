"""The secret of the closed APIs: made once, readable by its owner alone."""

import stat
from concurrent.futures import ProcessPoolExecutor

import pytest

from serving.server.secret import ENV, admin_secret


@pytest.fixture(autouse=True)
def no_secret_in_the_environment(monkeypatch):
    monkeypatch.delenv(ENV, raising=False)


def test_a_secret_is_made_once_for_its_owner_alone(tmp_path):
    path = tmp_path / "secrets" / "admin"
    made = admin_secret(path)
    assert len(made) >= 43  # 32 random bytes
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert admin_secret(path) == made == path.read_text().strip()
    assert [entry.name for entry in path.parent.iterdir()] == ["admin"]
    assert admin_secret(tmp_path / "other") != made


def test_processes_that_start_together_have_one_secret(tmp_path):
    with ProcessPoolExecutor(4) as pool:
        found = set(pool.map(admin_secret, [tmp_path / "admin"] * 8))
    assert len(found) == 1


def test_the_environments_secret_comes_first_and_no_file_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv(ENV, "from the environment")
    assert admin_secret(tmp_path / "admin") == "from the environment"
    assert not (tmp_path / "admin").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_may_read_is_refused(tmp_path, mode):
    path = tmp_path / "admin"
    admin_secret(path)
    path.chmod(mode)
    with pytest.raises(PermissionError, match="admin can be read by others; run `chmod 600 .*admin`, or remove it"):
        admin_secret(path)


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "admin").touch(mode=0o600)
    with pytest.raises(ValueError, match="admin is empty; remove it, the next start makes a new secret"):
        admin_secret(tmp_path / "admin")
