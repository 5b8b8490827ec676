"""One loader in a process of its own: prepares its store, then reads one shuffled epoch for every line on stdin.

    python peer.py LOADER FOLDER BATCH

FOLDER holds rows.npz with `x` [N, ...] and `y` int64 [N]. Answers each line with the rows and the seconds of an
epoch, as JSON. Runs in the environment of the loader, which need not know the package.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler

WORKERS = 2
Epoch = Callable[[int], Iterator[tuple[torch.Tensor, torch.Tensor]]]


class Frame(Dataset):
    """A pandas frame, read by lists of row numbers."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        import pandas

        flat = x.reshape(len(x), -1)
        self.shape = x.shape[1:]
        self.rows = pandas.DataFrame(flat, columns=[str(i) for i in range(flat.shape[1])])
        self.target = pandas.Series(y)

    def __len__(self) -> int:
        return len(self.target)

    def __getitem__(self, rows: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.rows.iloc[rows].to_numpy().reshape(-1, *self.shape)
        return torch.from_numpy(x), torch.from_numpy(self.target.iloc[rows].to_numpy())


class Arrow(Dataset):
    """A pyarrow table with the row as one column of lists of fixed length, read by lists of row numbers."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        import pyarrow as pa

        flat = x.reshape(len(x), -1)
        self.shape = x.shape[1:]
        self.table = pa.table({"x": pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), flat.shape[1]), "y": y})

    def __len__(self) -> int:
        return self.table.num_rows

    def __getitem__(self, rows: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        part = self.table.take(rows).combine_chunks()
        x = part["x"].chunk(0).flatten().to_numpy(zero_copy_only=False).reshape(-1, *self.shape)
        return torch.tensor(x), torch.tensor(part["y"].to_numpy())


def torch_loader(kind: type, workers: int, folder: Path, batch: int) -> Epoch:
    data = kind(*rows(folder))
    sampler = BatchSampler(RandomSampler(data), batch, drop_last=False)
    loader = DataLoader(data, sampler=sampler, batch_size=None, num_workers=workers, persistent_workers=workers > 0)
    return lambda _epoch: iter(loader)


def hugging_face(way: str, folder: Path, batch: int) -> Epoch:
    import datasets

    x, y = rows(folder)
    flat = x.reshape(len(x), -1)
    features = datasets.Features(
        {"x": datasets.Sequence(datasets.Value(str(x.dtype)), length=flat.shape[1]), "y": datasets.Value("int64")}
    )
    store = folder / "hf"
    if not store.exists():
        import pyarrow as pa

        table = pa.table({"x": pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), flat.shape[1]), "y": y})
        part = folder / f"hf-{os.getpid()}"  # two peers read the same store, and begin at the same time
        datasets.Dataset(table.cast(features.arrow_schema)).save_to_disk(str(part))
        with contextlib.suppress(OSError):
            part.rename(store)
    data = datasets.load_from_disk(str(store)).with_format("numpy" if way == "iter" else "torch")
    shape = x.shape[1:]
    if way == "loader":
        loader = DataLoader(data, batch_size=batch, shuffle=True, num_workers=WORKERS, persistent_workers=True)
        return lambda _epoch: ((part["x"].reshape(-1, *shape), part["y"]) for part in loader)

    def epoch(number: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for part in data.shuffle(seed=number).iter(batch):
            yield torch.from_numpy(part["x"].reshape(-1, *shape)), torch.from_numpy(part["y"])

    return epoch


def _samples(folder: str, span: tuple[int, int]) -> Iterator[dict[str, Any]]:
    x, y = np.load(f"{folder}/x.npy", mmap_mode="r"), np.load(f"{folder}/y.npy")
    for row in range(*span):
        yield {"x": np.array(x[row]), "y": int(y[row])}


def litdata(folder: Path, batch: int) -> Epoch:
    from litdata import StreamingDataLoader, StreamingDataset, optimize

    store = folder / "litdata"
    if not store.exists():
        x, y = rows(folder)
        np.save(folder / "x.npy", x)
        np.save(folder / "y.npy", y)
        spans = [(start, min(start + 4096, len(y))) for start in range(0, len(y), 4096)]
        fn = partial(_samples, str(folder))
        optimize(fn=fn, inputs=spans, output_dir=str(store), chunk_bytes="32MB", num_workers=1)
    data = StreamingDataset(str(store), shuffle=True, seed=0)
    loader = StreamingDataLoader(data, batch_size=batch, num_workers=WORKERS, persistent_workers=True)
    return lambda _epoch: ((part["x"], part["y"]) for part in loader)


def mosaic(folder: Path, batch: int) -> Epoch:
    from streaming import MDSWriter, StreamingDataset

    store = folder / "mosaic"
    x, y = rows(folder)
    if not store.exists():
        size = ",".join(map(str, x.shape[1:]))
        with MDSWriter(out=str(store), columns={"x": f"ndarray:{x.dtype}:{size}", "y": "int"}) as out:
            for row in range(len(y)):
                out.write({"x": x[row], "y": int(y[row])})
    data = StreamingDataset(local=str(store), shuffle=True, batch_size=batch)
    loader = DataLoader(data, batch_size=batch, num_workers=WORKERS, persistent_workers=True)
    return lambda _epoch: ((part["x"], part["y"]) for part in loader)


def ours(workers: int, folder: Path, batch: int) -> Epoch:
    from burnish.data.tables.mapped import open_table

    table = open_table(folder / "rows.parquet", inputs={"x": ["x"]}, target="y", shares=(1.0,))
    (split,) = table.parts
    return lambda epoch: (
        (made.inputs["x"], made.targets) for made in split.shuffled(batch, seed=0, epoch=epoch, workers=workers)
    )


def rows(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    with np.load(folder / "rows.npz") as file:
        return file["x"], file["y"]


LOADERS: dict[str, Callable[[Path, int], Epoch]] = {
    "pandas": partial(torch_loader, Frame, WORKERS),
    "pandas, no workers": partial(torch_loader, Frame, 0),
    "pyarrow": partial(torch_loader, Arrow, WORKERS),
    "pyarrow, no workers": partial(torch_loader, Arrow, 0),
    "datasets, torch": partial(hugging_face, "loader"),
    "datasets, numpy": partial(hugging_face, "iter"),
    "litdata": litdata,
    "mosaic": mosaic,
    "ours": partial(ours, WORKERS),
    "ours, no workers": partial(ours, 0),
}


def main() -> None:
    name, folder, batch = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    epoch = LOADERS[name](folder, batch)
    for number, _ in enumerate(sys.stdin):
        began = time.perf_counter()
        seen, kind = 0, ""
        for x, y in epoch(number):
            seen += len(y)
            kind = f"{x.dtype} {list(x.shape[1:])}"
        print(json.dumps({"rows": seen, "seconds": time.perf_counter() - began, "kind": kind}), flush=True)


if __name__ == "__main__":
    main()
