"""What kind of processor this is: ONNX Runtime chooses its kernels by it, and another kernel may round otherwise.

serving/native/journal/processor.c says the same.
"""

from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
NAME_BYTES = 128
KERNELS = (  # instructions for numbers
    *("avx", "avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16"),
    *("avx512_fp16", "amx_tile", "amx_int8", "amx_bf16", "asimd", "asimdhp", "asimddp", "bf16", "i8mm", "sve", "sve2"),
)


def processor() -> dict[str, str]:
    """`name`, and `kernels`: the instructions for numbers that it has. Both are empty where /proc/cpuinfo does not say."""
    try:
        first = CPUINFO.read_text("utf-8", "replace").partition("\n\n")[0]
    except OSError:
        first = ""
    told = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in first.splitlines())}
    name = "".join(letter for letter in told.get("model name", "") if " " <= letter <= "~" and letter not in '"\\')
    has = {*told.get("flags", told.get("Features", "")).split()}
    return {"name": name[:NAME_BYTES], "kernels": " ".join(kernel for kernel in KERNELS if kernel in has)}
