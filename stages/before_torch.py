"""What the libraries below torch read once, when they load: said before torch is imported, so no module here imports it.

GNU's OpenMP, which torch brings along, has a thread that waits for others turn round 300,000 times before it sleeps, several
milliseconds. Where something else wants the cores, that is time in which the thread it waits for does not run: two trainings at
once take each a tenth of the speed. 10,000 turns bridge what lies between two products and little more.

Which kernels compute, and with them the order in which they add, follows from the processor: MKL asks who made it, oneDNN and
torch ask which instructions it has. PORTABLE has all three take those that every x86-64 processor with AVX2 has, whoever made
it. COMPATIBLE is the branch of MKL of which Intel says so ("Specifying Code Branches" in its developer guide).
"""

import os

TURNS = "GOMP_SPINCOUNT"
OWN_CHOICES = (TURNS, "OMP_WAIT_POLICY")
PORTABLE = {"MKL_CBWR": "COMPATIBLE", "ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}


def set_up_libraries() -> None:
    """Set up this process, and those that it starts, as `trainer` in params.yaml asks."""
    wait_briefly()
    if wants_portable():
        os.environ.update(PORTABLE)


def wait_briefly() -> None:
    """Set how long OpenMP's threads wait awake, unless the environment says it already."""
    if not any(name in os.environ for name in OWN_CHOICES):
        os.environ[TURNS] = "10000"


def wants_portable() -> bool:
    """Whether params.yaml says `trainer.portable`; what is wrong with it, the stage itself will say."""
    from contracts.dataset.config_errors import ConfigError  # here, since bench/gpu waits briefly where pydantic is missing
    from stages.settings import load_params

    try:
        return load_params().get("trainer", {}).get("portable") is True
    except (ConfigError, AttributeError, OSError, UnicodeDecodeError):
        return False


def is_set_up() -> bool:
    """Whether the libraries of this process were told to take the portable kernels."""
    return all(os.environ.get(name) == value for name, value in PORTABLE.items())
