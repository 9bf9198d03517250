"""The load command with right answers that are wrong, and with malformed requests that are none: both must be found out.

Run with the load environment's Python, as `python -m tests.loadtests.manipulated_run SHAPE key=value ...`.
"""

if __name__ == "__main__":  # before matplotlib is imported
    from contracts.local_libraries import keep_matplotlib_here

    keep_matplotlib_here()

from dataclasses import replace

from loadtests.requests import prepare
from loadtests.requests.spoiled import Spoiled
from loadtests.run import main
from serving.entry import run

ask_right, spoil = prepare.ask_right, prepare.spoil


def shifted(*arguments):
    right = ask_right(*arguments)
    return replace(right, probability=right.probability * 0.999)


def unspoiled(rng, config, traffic, used):
    good = [traffic.draw(rng, 1).tensors for _ in spoil(rng, config, traffic, used)]
    return [Spoiled(way="none", tensors=tensors, digest=traffic.spec.digest) for tensors in good]


if __name__ == "__main__":
    prepare.ask_right, prepare.spoil = shifted, unspoiled
    run("load", main)
