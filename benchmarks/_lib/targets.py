"""The bars of every workload, as the project states them."""

from __future__ import annotations

from collections.abc import Sequence

from _lib.bars import Bar, best_peer, eager_base, ours_at, points_bar, speed_bar
from _lib.candidate import Candidate
from _lib.ours import Ours

POINTS = {"sentiment-minilm": 1.0, "cifar10-resnet": 0.5, "photo-efficientnet": 1.0}
"""How many points of accuracy may be lost; one for the workloads that are not named."""

_SPEED: dict[str, Sequence[tuple[int, str, float]]] = {
    "sentiment-minilm": ((0, "eager", 9.0), (0, "peer", 2.2), (1, "peer", 1.9)),
    "cifar10-resnet": ((0, "eager", 8.0), (0, "int8 peer", 1.4)),
    "photo-efficientnet": ((0, "eager", 18.0), (0, "int8 peer", 1.3)),
    "fashion-mnist": ((0, "eager", 1.0), (0, "peer", 1.0)),
    "digits": ((0, "eager", 1.0), (0, "peer", 1.0)),
}
"""Number of the served shape, against whom, how many times faster."""

PEER_POINTS = 0.01
"""What a peer may lose on the validation rows and still count: one point, also where we may lose less."""


def bars(workload: str, candidates: Sequence[Candidate], shapes: Sequence[str], ours: Ours) -> list[Bar]:
    """Every bar of a workload. `shapes` are the labels of the served shapes, in their order."""
    base = next(item for item in candidates if item.kind == "base")
    floor = base.validation or 0.0
    found = []
    for number, against, least in _SPEED[workload]:
        shape = shapes[number]
        other = {
            "eager": eager_base(candidates, shape),
            "peer": best_peer(candidates, shape, floor, PEER_POINTS),
            "int8 peer": best_peer(candidates, shape, floor, PEER_POINTS, int8=True),
        }[against]
        name = "eager fp32" if against == "eager" else f"the best {against}"
        found.append(speed_bar(f"{shape}: faster than {name}", ours_at(candidates, shape), other, shape, least))
    allowed = -POINTS.get(workload, 1.0)
    for shape in shapes:
        found.append(points_bar(f"{shape}: accuracy against the base", ours_at(candidates, shape), allowed))
    return [*found, *_size(workload, base, candidates, ours), *_stages(base, candidates, ours, shapes[0])]


def _size(workload: str, base: Candidate, candidates: Sequence[Candidate], ours: Ours) -> list[Bar]:
    found = []
    best = next(item for item in candidates if item.kind == "ours")
    if workload == "sentiment-minilm" and best.size_bytes:
        smaller = base.size_bytes / best.size_bytes
        note = "bytes of the base's weights against all files of the program"
        found.append(Bar(name="weights smaller", value=smaller, unit="x", bar=4.0, note=note))
    if workload == "cifar10-resnet":
        ledger = ours.ledger
        removed = 100 * (1 - ledger.best.parameters / ledger.base.parameters)
        found.append(Bar(name="parameters removed", value=removed, unit="%", bar=40.0))
        test = base.test
        if test is not None:
            low, value, high = 100 * test.low, 100 * test.value, 100 * test.high
            found.append(Bar(name="accuracy of the base", value=value, low=low, high=high, unit="%", bar=91.0))
    return found


def _stages(base: Candidate, candidates: Sequence[Candidate], ours: Ours, shape: str) -> list[Bar]:
    best = ours_at(candidates, shape)
    kept = None
    if best is not None and best.test is not None and base.test is not None and base.test.value:
        kept = 100 * best.test.value / base.test.value
    found = [Bar(name="share of the teacher's accuracy kept", value=kept, unit="%", bar=97.0)]
    for row in ours.ledger.stages:
        if "qat less ptq" in row.notes:
            low, value, high = (100 * row.notes["qat less ptq"][name] for name in ("low", "value", "high"))
            note = f"{value:+.2f} points on the same rows; below 0 QAT is surely worse"
            name = "QAT above PTQ, validation, upper end"
            found.append(Bar(name=name, value=high, low=low, high=high, unit="points", bar=0.0, note=note))
    note = "pipeline time minus training and measuring; cached stages count with the time they took"
    overhead = 100 * ours.overhead_share
    found.append(Bar(name="overhead of the tool", value=overhead, unit="%", bar=5.0, least=False, note=note))
    return found
