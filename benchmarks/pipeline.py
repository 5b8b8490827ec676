"""The main job against its peers: one workload, one machine, one run, the same trained base.

    python benchmarks/pipeline.py sentiment-minilm
    python benchmarks/pipeline.py cifar10-resnet --ablations --repeat 3

Runs the shipped recipe, builds every peer from the base model that the run trained, measures
accuracy on the same test rows and latency in interleaved rounds, and prints a table. The last line
of stdout is one JSON document with the bars. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import sys
import tempfile
from pathlib import Path

from _lib import ablations, accuracy, peers_olive, peers_onnx, peers_openvino, peers_torch, results, targets, timing
from _lib.bars import best_peer, eager_base, faster, ours_at
from _lib.bench import Bench
from _lib.candidate import Candidate
from _lib.ours import candidates as our_candidates
from _lib.ours import optimize
from _lib.progress import Lines

from burnish.core.errors import BurnishError
from burnish.core.kept_memory import kept_memory

WORKLOADS = ("sentiment-minilm", "cifar10-resnet", "photo-efficientnet", "fashion-mnist", "digits")


def main() -> int:
    """Run the benchmark; 0 when every bar holds, 1 when one is broken, 2 on an error."""
    options = _arguments().parse_args()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        return _run(options)
    except BurnishError as error:
        print(error, file=sys.stderr)
        return 2


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=1, help="comparisons of latency, each with fresh processes")
    parser.add_argument("--rounds", type=int, default=12, help="rounds of one comparison")
    parser.add_argument("--budget-s", type=float, default=120.0, help="seconds of rounds per served shape and repeat")
    parser.add_argument("--set", dest="overrides", action="append", default=[], help="one field of the recipe")
    parser.add_argument("--ablations", action="store_true", help="also run the ablations")
    parser.add_argument("--ablation-epochs", type=float, help="length of every recovery in the ablations")
    parser.add_argument("--without", action="append", default=[], choices=("olive", "inductor"), help="leave out")
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="folder for the JSON file")
    return parser


def _run(options: argparse.Namespace) -> int:
    progress = Lines()
    overrides = tuple(options.overrides)
    command = shlex.join(["benchmarks/pipeline.py", *sys.argv[1:]])
    with (
        tempfile.TemporaryDirectory(prefix="burnish-bench-") as scratch,
        contextlib.redirect_stdout(sys.stderr),  # libraries print; stdout is for the result
    ):
        ours = optimize(options.workload, overrides, options.threads, Path(scratch) / "run", progress)
        bench = Bench(ours=ours, threads=options.threads, progress=progress)
        progress.say("building peers")
        found = _everyone(bench, Path(scratch), options.without)
        with kept_memory():  # not while peers are built: some calibrations take all memory there is
            accuracy.score(bench, found)
        shapes = ours.manifest.served
        for served in shapes:
            timing.measure(
                bench, found, served, budget_s=options.budget_s, rounds=options.rounds, repeat=options.repeat
            )
        rows = []
        if options.ablations:
            rows = ablations.ablate(options.workload, overrides, options.threads, options.ablation_epochs, progress)
    labels = [served.label for served in shapes]
    bars = targets.bars(options.workload, found, labels, ours)
    machine = ours.ledger.machine
    line = results.last_line(bars, machine, command)
    more = {
        "workload": ours.ledger.title,
        "served": labels,
        "threads": options.threads,
        "best": _best(found, labels),
        "candidates": [item.to_dict() for item in found],
        "ablations": rows,
        "pipeline": {
            "seconds": round(ours.seconds, 2),
            "seconds of cached stages": round(ours.cached_s, 2),
            "ledger": ours.ledger.model_dump(mode="json"),
        },
    }
    path = results.write(f"pipeline-{options.workload}", machine, line, more, options.results)
    print(results.table(found, labels))
    if rows:
        print("\n" + ablations.text_table(rows))
    print("\n" + results.bar_lines(bars))
    print(f"\nwritten: {path.name}")
    print(line, flush=True)
    return 0 if all(bar.holds for bar in bars) else 1


def _everyone(bench: Bench, scratch: Path, without: list[str]) -> list[Candidate]:
    """The base first, then eager forms, peers, and ours."""
    torch_peers = [item for item in peers_torch.peers(bench) if item.family not in without]
    onnx_peers = peers_onnx.peers(bench)
    olive = [] if "olive" in without else peers_olive.peers(bench, bench.exported("onnxruntime"))
    return [*torch_peers, *onnx_peers, *peers_openvino.peers(bench), *olive, *our_candidates(bench.ours, scratch)]


def _best(found: list[Candidate], shapes: list[str]) -> dict[str, dict[str, object]]:
    """Per shape: who was the best in each role, and how much faster ours is."""
    floor = found[0].validation or 0.0
    best: dict[str, dict[str, object]] = {}
    for shape in shapes:
        ours = ours_at(found, shape)
        roles = {
            "eager": eager_base(found, shape),
            "peer": best_peer(found, shape, floor, targets.PEER_POINTS),
            "int8 peer": best_peer(found, shape, floor, targets.PEER_POINTS, int8=True),
        }
        row: dict[str, object] = {"ours": None if ours is None else ours.label}
        for role, item in roles.items():
            found_ratio = faster(ours, item, shape)
            row[role] = None if item is None else item.label
            row[f"faster than {role}"] = None if found_ratio is None else found_ratio.model_dump(mode="json")
        best[shape] = row
    return best


if __name__ == "__main__":
    sys.exit(main())
