"""Prints how many of a folder's images Pillow decodes in two threads, a second by the clock and a second of the processor:
`python -m bench.pipeline.pillow_alone FOLDER`.

Their bytes are in memory before."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from itertools import islice
from pathlib import Path

from PIL import Image

THREADS, MOST, PIECE = 2, 20_000, 64


def main() -> None:
    contents = [path.read_bytes() for path in islice(Path(sys.argv[1]).rglob("*.png"), MOST)]
    pieces = [contents[start : start + PIECE] for start in range(0, len(contents), PIECE)]
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(decode, pieces[:2]))
        started, started_cpu = time.perf_counter(), time.process_time()
        list(pool.map(decode, pieces))
        print(len(contents) / (time.perf_counter() - started), len(contents) / (time.process_time() - started_cpu))


def decode(contents: list[bytes]) -> None:
    for content in contents:
        with Image.open(BytesIO(content)) as image:
            image.load()


if __name__ == "__main__":
    main()
