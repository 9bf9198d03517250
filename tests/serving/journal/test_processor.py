"""What kind of processor answered: the backend in C and the Python model write the same."""

import json
import subprocess
from pathlib import Path

import pytest

from serving.triton.journal import processor as told
from serving.triton.journal.processor import NAME_BYTES, processor

NATIVE = Path(__file__).parents[3] / "serving/native/journal"
PROGRAM = (
    '#include "processor.h"\n#include <stdio.h>\nint main(void) { char t[PROCESSOR_SIZE]; describe_processor(t); puts(t); }\n'
)


@pytest.mark.compiler
def test_c_and_python_say_the_same(tmp_path):
    (tmp_path / "main.c").write_text(PROGRAM)
    sources = [tmp_path / "main.c", NATIVE / "processor.c"]
    subprocess.run(["cc", "-D_GNU_SOURCE", f"-I{NATIVE}", "-o", tmp_path / "told", *sources], check=True)
    said = subprocess.run([tmp_path / "told"], capture_output=True, text=True, check=True).stdout
    assert json.loads(said) == processor()


@pytest.mark.parametrize(
    ("text", "name", "kernels"),
    [
        (
            'processor : 0\nmodel name\t: A "B" C\nflags\t\t: fpu avx2 avx avx512f_x fma\n\nmodel name : D\n',
            "A B C",
            "avx avx2 fma",
        ),
        ("processor : 0\nFeatures : fp asimd sve\n\n", "", "asimd sve"),
        (f"model name : {'n' * 300}\n", "n" * NAME_BYTES, ""),
        ("", "", ""),
    ],
)
def test_it_is_what_the_system_says_of_the_first_processor(tmp_path, monkeypatch, text, name, kernels):
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(told, "CPUINFO", tmp_path / "cpuinfo")
    assert processor() == {"name": name, "kernels": kernels}


def test_a_system_that_does_not_say_leaves_both_empty(tmp_path, monkeypatch):
    monkeypatch.setattr(told, "CPUINFO", tmp_path / "none")
    assert processor() == {"name": "", "kernels": ""}
