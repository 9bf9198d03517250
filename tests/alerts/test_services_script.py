"""`make services` with stand-ins for what it calls: it installs what is missing, says what it does, and needs root."""

import os
import subprocess
from pathlib import Path
from shutil import which

import pytest

from tests.project.imports import ROOT

SCRIPT = ROOT / "requirements/system/services.sh"
KNOWN = "prometheus prometheus-alertmanager prometheus-node-exporter chromium"
STANDARD = ("bash", "cat", "chmod", "env", "grep", "mktemp", "printf", "rm", "tail", "tee")


@pytest.fixture
def run(tmp_path):
    """Runs the script with these packages installed; what it asked of apt-get is in `asked`. It never touches this system."""

    def running(installed: str, user: str = "0", offered: str = KNOWN, apt: str = "exit 0", sudo: bool = False):
        programs = tmp_path / "bin"
        programs.mkdir(exist_ok=True)
        for name in STANDARD:
            (programs / name).unlink(missing_ok=True)
            (programs / name).symlink_to(which(name))
        scripts = {
            "id": f"echo {user}",
            "dpkg-query": f'case " {installed} " in *" ${{3}} "*) printf installed;; *) exit 1;; esac',
            "apt-cache": f'case " {offered} " in *" $2 "*) echo "  Candidate: 1.2";; *) echo "  Candidate: (none)";; esac',
            "apt-get": f'echo "$@" >> {tmp_path}/asked; {apt}',
        } | ({"sudo": f'echo sudo >> {tmp_path}/asked; [ "$1" = -n ] || exec "$@"'} if sudo else {})
        for name, text in scripts.items():
            (programs / name).write_text(f"#!/bin/bash\n{text}\n")
            (programs / name).chmod(0o755)
        script = tmp_path / "services.sh"
        script.write_text(SCRIPT.read_text().replace("/usr/sbin/policy-rc.d", str(tmp_path / "policy-rc.d")))
        return subprocess.run(
            ["bash", str(script)], env={"PATH": str(programs), "TMPDIR": os.environ.get("TMPDIR", "/tmp")},
            capture_output=True, text=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    running.folder = tmp_path
    return running


def asked(run) -> str:
    path: Path = run.folder / "asked"
    return path.read_text() if path.exists() else ""


def test_all_installed_is_said_and_nothing_is_done(run):
    done = run(KNOWN, user="1000")
    assert (done.returncode, done.stdout) == (0, f"services: all installed: {KNOWN}\n") and asked(run) == ""


def test_what_is_missing_is_installed_and_no_service_is_started(run):
    look = f"cat {run.folder}/policy-rc.d >> {run.folder}/policy; exit 0"
    done = run("prometheus", apt=look)
    assert done.returncode == 0, done.stderr
    assert "installing prometheus-alertmanager prometheus-node-exporter chromium" in done.stdout
    assert done.stdout.endswith(
        "services: installed prometheus-alertmanager prometheus-node-exporter chromium; nothing was started\n"
    )
    assert "install --yes --no-install-recommends prometheus-alertmanager prometheus-node-exporter chromium\n" in asked(run)
    assert "exit 101" in (run.folder / "policy").read_text() and not (run.folder / "policy-rc.d").exists()


def test_a_policy_of_the_systems_own_stays_and_one_of_a_killed_run_goes(run):
    policy = run.folder / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 0\n")
    run("prometheus")
    assert policy.read_text() == "#!/bin/sh\nexit 0\n"
    policy.write_text("#!/bin/sh\n# made by make services\nexit 101\n")
    run("prometheus")
    assert not policy.exists()


def test_without_root_it_is_one_sentence_and_with_sudo_it_works(run):
    done = run("", user="1000")
    assert done.returncode == 1 and asked(run) == ""
    assert (
        done.stderr == f"services: root is needed to install {KNOWN}; run `make services` as root, or with sudo at a terminal\n"
    )
    assert run("", user="1000", sudo=True).returncode == 0 and asked(run).count("sudo\n") >= 3


def test_a_package_that_the_system_lacks_is_said_and_the_others_are_installed(run):
    done = run("", offered="prometheus prometheus-alertmanager prometheus-node-exporter")
    assert done.returncode == 0 and "this system has no package chromium" in done.stderr
    assert "chromium" not in asked(run).splitlines()[-1] and "prometheus-node-exporter" in asked(run).splitlines()[-1]


def test_apt_that_fails_is_said_with_its_last_lines(run):
    done = run("", apt="echo E: no network >&2; exit 100")
    assert done.returncode == 1 and not (run.folder / "policy-rc.d").exists()
    assert done.stderr.startswith("E: no network\nservices: apt-get could not install prometheus ")
