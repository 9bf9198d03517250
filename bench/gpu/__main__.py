"""Measures training on this machine's GPU: `make gpu-check`, which is `python -m bench.gpu`.

It needs an NVIDIA GPU, torch, pytorch-lightning, numpy, scipy, safetensors and PyYAML, and takes onnxruntime, pynvml and pytest
where they are; no network, no environment of the project. Arrays are made up. It writes reports/gpu_check.json after every
measurement; `python -m bench --only gpu_check` makes rows of docs/benchmarks.md from that file, on any machine.
"""

if __name__ == "__main__":  # before matplotlib is imported, which Lightning does where it is, and all that takes its time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

    from contracts.local_libraries import keep_matplotlib_here
    from stages.before_torch import wait_briefly

    keep_matplotlib_here()
    wait_briefly()

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch

from bench.gpu.check import SIZES, check, facts
from bench.gpu.record import Record
from bench.gpu.rows import RESULTS, figures
from contracts.terminal import interruptible, sentence, show_any_text

LIMIT_S = 450.0


def main() -> int:
    asked = arguments()
    if asked.device == "gpu" and not torch.cuda.is_available():
        raise ValueError(
            f"torch {torch.__version__} finds no NVIDIA GPU here; run this on a machine with one and a torch built for it, "
            "or with --device cpu to see that it runs"
        )
    sizes = SIZES[asked.device]
    changed = {name: value for name in ("rows", "seconds") if (value := getattr(asked, name)) is not None}
    sizes = replace(sizes, **changed)
    record = Record(asked.output, asked.limit_s, facts(asked.device, sizes))
    check(record, asked.device, sizes)
    for row in figures(record.content):
        mark = {True: "met", False: "NOT MET", None: ""}[row.met]
        print(f"{row.what}: {row.figure}{f' (bar {row.bar}: {mark})' if row.bar else ''}")
    failed = sum("error" in one for one in record.content["measurements"])
    print(f"gpu-check: {len(record.content['measurements'])} measurements, {failed} failed, written to {asked.output}")
    return 1 if failed else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description="Measure training on this machine's GPU.")
    parser.add_argument("--output", type=Path, default=RESULTS, help=f"the file to write, {RESULTS}")
    parser.add_argument("--limit-s", type=float, default=LIMIT_S, help=f"seconds that all may take together, {LIMIT_S:.0f}")
    parser.add_argument(
        "--device", choices=SIZES, default="gpu", help="cpu: a small run to see that it works; its rates mean nothing"
    )
    parser.add_argument("--rows", type=int, help=f"training rows, {SIZES['gpu'].rows}")
    parser.add_argument("--seconds", type=float, help=f"seconds of each rate, {SIZES['gpu'].seconds:g}")
    return parser.parse_args()


if __name__ == "__main__":
    show_any_text()
    interruptible()
    try:
        sys.exit(main())
    except (ValueError, OSError) as error:
        print(f"gpu-check: error: {sentence(error)}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("gpu-check: stopped; what was measured is kept", file=sys.stderr)
        sys.exit(130)
