"""Stage encode: reads the splits and `artifacts/encoder.onnx`, writes contiguous arrays to `data/encoded/`.

Arrays are plain .npy, written chunk by chunk: training maps them and slices.
"""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import polars as pl
from tqdm import tqdm

from contracts.dataset.declaration import Declaration
from contracts.dataset.partitions import in_order
from contracts.dataset.served import as_read
from contracts.tables.parquet import streamed
from stages.entry import run_stage
from stages.features.apply import Encoder
from stages.files import atomic_folder, read_json, write_json
from stages.images.pixels import write_pixels
from stages.row_weights import row_weights, weight_names
from stages.settings import load_section
from stages.split import SPLITS

SPLIT_DIR = Path("data/split")
CLEAN_DIR = Path("data/clean")
ENCODER_PATH = Path("artifacts/encoder.onnx")
FEATURES_PATH = Path("artifacts/features.json")
OUT_DIR = Path("data/encoded")
BATCH_ROWS = 1 << 17
AT_ONCE = 2  # splits encoded side by side, while images are decoded
SPEC_KEYS = ("categorical", "dense", "numbers", "creative", "creative_field", "num_creatives", "image_size", "lists")


def main() -> None:
    declaration = as_read(load_section("data", Declaration))
    features = read_json(FEATURES_PATH)
    encoder = Encoder(ENCODER_PATH)
    with atomic_folder(OUT_DIR) as fresh, ThreadPoolExecutor(AT_ONCE) as pool:
        encoded = [
            pool.submit(encode_split, SPLIT_DIR / f"{name}.parquet", encoder, declaration, fresh / name) for name in SPLITS
        ]
        if features["creative"]:
            folders = in_order((path.parent for path in CLEAN_DIR.glob("*/creatives.parquet")), declaration.source.order)
            write_creatives(fresh / "creatives.npy", folders, encoder, features)
        num_rows = sum(split.result() for split in encoded)
        for name in SPLITS if weight_names(declaration) else ():
            np.save(fresh / name / "weight.npy", split_weights(SPLIT_DIR / f"{name}.parquet", declaration))
        write_json(fresh / "spec.json", {key: features[key] for key in SPEC_KEYS if key in features})
    width = f"{encoder.num_fields} ids and {encoder.num_dense} floats"
    print(f"encode: {num_rows} rows to {width}, {features['num_creatives']} creatives")


def split_weights(path: Path, declaration: Declaration) -> np.ndarray:
    """What each row of a split weighs, float64 [N]: the impressions that it stands for, times their weight, whose mean is 1."""
    weights = row_weights(pl.read_parquet(path, columns=weight_names(declaration)), declaration)
    return weights.mass_N * (weights.impressions() / weights.mass_N.sum() if weights.worth_N is not None else 1.0)


def encode_split(path: Path, encoder: Encoder, declaration: Declaration, out_dir: Path) -> int:
    """Encode one split into `out_dir`; return its rows."""
    out_dir.mkdir(parents=True)
    label = declaration.label.name
    with streamed(path, read_dictionary=encoder.inputs) as file, ExitStack() as open_files:
        num_rows = file.metadata.num_rows
        streams = {
            name: open_files.enter_context(npy_stream(out_dir / f"{name}.npy", dtype, (num_rows, *width)))
            for name, (dtype, width) in layouts(encoder).items()
        }
        columns = [*encoder.inputs, label]
        with tqdm(total=num_rows, desc=f"encode {path.stem}", unit="row", unit_scale=True, disable=None) as bar:
            for rows in file.iter_batches(batch_size=BATCH_ROWS, columns=columns):
                encoded = encoder.encode(rows)
                arrays = {"cat_idx": encoded.cat_idx, "num_feats": encoded.num_feats, "label": pl.Series(rows[label]).to_numpy()}
                if encoded.creative_idx is not None:
                    arrays["creative_idx"] = encoded.creative_idx
                for name, array in arrays.items():
                    streams[name].write(np.ascontiguousarray(array, dtype=layouts(encoder)[name][0]))
                bar.update(len(rows))
    return num_rows


def layouts(encoder: Encoder) -> dict[str, tuple[type, tuple[int, ...]]]:
    """Type and width of a row of every array."""
    found = {
        "cat_idx": (np.int32, (encoder.num_fields,)),
        "num_feats": (np.float32, (encoder.num_dense,)),
        "label": (np.uint8, ()),
    }
    return {**found, "creative_idx": (np.int32, ())} if encoder.has_creatives else found


@contextmanager
def npy_stream(path: Path, dtype: type, shape: tuple[int, ...]) -> Iterator[BinaryIO]:
    """A .npy file whose header is written, to take the rows in order. A memory map would hold all of it in memory."""
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
    with path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        yield stream


def write_creatives(path: Path, folders: list[Path], encoder: Encoder, features: dict[str, Any]) -> None:
    """Write pixels uint8 [C+1, 3, S, S]; the encoder says which row is whose, row 0 is no image.

    A creative comes again with every month it is shown in; it is decoded once, as it looked last.
    """
    tables = [folder / "creatives.parquet" for folder in folders]
    rows = features["num_creatives"] + 1
    done = write_pixels(path, tables, lambda ids: encoder.creative_rows(pl.Series(ids)), rows, features["image_size"])
    with tqdm(total=rows - 1, desc="images", unit="image", disable=None, leave=False) as bar:
        for num_images in done:
            bar.update(num_images)


if __name__ == "__main__":
    run_stage(main)
