"""Every command ends cleanly when it is told to while it is still importing, and when its last line cannot be shown."""

import ast
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from serving import entry as serving_entry
from stages import entry as stages_entry
from tests.project.imports import ROOT

STARTS = re.compile(r'if __name__ == "__main__":\n    (run_stage|run)\(')
COMMANDS = sorted(
    str(path.relative_to(ROOT))
    for folder in ("stages", "serving", "loadtests", "lifecycle")
    for path in (ROOT / folder).rglob("*.py")
    if STARTS.search(path.read_text())
)
IMPORTING_S = 60.0
LARGE = re.compile(r"/(numpy|_?polars\w*|pyarrow|pydantic_core)/")
UNSHOWABLE = "größe → 日"


def test_the_commands_are_found():
    assert {"stages/compose.py", "stages/reporting/verdict.py", "serving/predict/__main__.py", "loadtests/run.py"} < {*COMMANDS}
    assert len(COMMANDS) >= 21


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_begins_by_letting_ctrl_c_end_it(command):
    body = ast.parse((ROOT / command).read_text()).body
    first = next(
        node for node in body if not isinstance(node, ast.Expr) and getattr(node, "module", None) != "__future__"
    )  # fmt: skip
    assert ast.unparse(first.test) == "__name__ == '__main__'"
    assert [ast.unparse(line) for line in first.body[:2]] == [
        "from contracts.terminal import end_on_ctrl_c", "end_on_ctrl_c()",
    ]  # fmt: skip


def is_importing(process: subprocess.Popen) -> bool:
    """Waits until the process has loaded the first large library: it is in the midst of its imports."""
    deadline = time.monotonic() + IMPORTING_S
    while process.poll() is None and time.monotonic() < deadline:
        if LARGE.search(Path(f"/proc/{process.pid}/maps").read_text()):
            return True
        time.sleep(0.002)
    return False


@pytest.mark.parametrize("module", ["stages.train", "stages.validate", "stages.score", "serving.predict"])
def test_ctrl_c_during_the_imports_ends_a_command_without_a_word(tmp_path, module):
    process = subprocess.Popen(
        [sys.executable, "-m", module, "in.csv", "out.csv"], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job's would be ignored
    )  # fmt: skip
    try:
        assert is_importing(process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=IMPORTING_S)
    finally:
        process.kill()
    assert (process.returncode, out, err) == (-signal.SIGINT, "", "")


@pytest.mark.parametrize("start", ["stages", "serving"])
def test_ctrl_c_after_the_imports_is_one_line_and_130(start, capsys, monkeypatch):
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # as the imports leave it
    monkeypatch.setattr(sys, "argv", ["work"])

    def main() -> None:
        signal.raise_signal(signal.SIGINT)
        time.sleep(1)

    try:
        with pytest.raises(SystemExit, match="130"):
            stages_entry.run_stage(main) if start == "stages" else serving_entry.run("work", main)
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err == "work: stopped\n"


def test_ctrl_c_that_a_shell_has_ignored_stays_ignored():
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from contracts.terminal import end_on_ctrl_c, interruptible\n"
        "end_on_ctrl_c(); interruptible(); signal.raise_signal(signal.SIGINT); print('alive')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("alive\n", "")


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
@pytest.mark.parametrize(
    "call", ["from stages.entry import run_stage; run_stage(main)", "from serving.entry import run; run('x', main)"]
)
def test_a_last_line_that_the_terminal_cannot_show_is_no_failure(encoding, call):
    code = f"def main(): print({UNSHOWABLE!r})\n{call}"
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == f"{UNSHOWABLE}\n".encode(encoding, errors="backslashreplace")


def test_the_verdict_is_shown_in_ascii(tmp_path):
    found = {"shortfall": f"THE MODEL IS WORSE {UNSHOWABLE}"}
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/evaluation.json").write_text(json.dumps(found))
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "stages.reporting.verdict"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "repro: THE MODEL IS WORSE gr\\xf6\\xdfe \\u2192 \\u65e5\n")
