"""Requests as a service would get them: validation rows at a served shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from burnish.core.signature import Served
from burnish.workloads.workload import Workload

Request = dict[str, NDArray[np.generic]]


def requests(workload: Workload, served: Served, count: int = 48) -> list[Request]:
    """Real validation rows at the served shape, from the first on; a size of 0 keeps the rows' own."""
    split = workload.validation
    found = []
    for number in range(count):
        rows = np.arange(number * served.batch, (number + 1) * served.batch) % len(split)
        inputs = {name: tensor.numpy() for name, tensor in split.batch(rows).inputs.items()}
        found.append({name: _padded(workload, name, array, served) for name, array in inputs.items()})
    return found


def _padded(workload: Workload, name: str, array: NDArray[np.generic], served: Served) -> NDArray[np.generic]:
    spec = next(spec for spec in workload.signature.inputs if spec.name == name)
    widths = []
    for axis, dim in enumerate(spec.shape):
        wanted = served.sizes.get(dim, 0) if isinstance(dim, str) and axis else 0
        widths.append((0, max(0, wanted - array.shape[axis])))
    return np.pad(array, widths) if any(after for _, after in widths) else array
