"""Libraries that write into the home folder, or report to a host, unless they are told not to before they are imported.

Nothing here is told when this module is imported: who needs a library asks for it, and who starts a program tells first.
"""

import os
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
# ONNX Runtime 1.29 and later keep a device id and a queue of events in ~/.cache/Microsoft/DeveloperTools/.onnxruntime and send
# them, from the import on. Only this stops it, and only before the import; `disable_telemetry_events()` comes too late.
NO_TELEMETRY = {"ORT_DISABLE_TELEMETRY": "1"}
FONT_CACHE = Path(".checkpoints/matplotlib")  # of the project


def onnx_runtime() -> ModuleType:
    """The package onnxruntime, silent; this process's environment is changed to that end. No other module imports it."""
    os.environ.update(NO_TELEMETRY)
    import onnxruntime

    return onnxruntime


def onnx_float16() -> ModuleType:
    """The part of onnxruntime that turns a graph into half precision."""
    onnx_runtime()
    from onnxruntime.transformers import float16

    return float16


def keep_matplotlib_here() -> None:
    """Change this process's environment so that matplotlib keeps its list of fonts in the project, not in the home folder.

    Call it before matplotlib is imported, which Lightning does as well. Whoever has set MPLCONFIGDIR is obeyed.
    """
    os.environ.setdefault("MPLCONFIGDIR", str(ROOT / FONT_CACHE))
