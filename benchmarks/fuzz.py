"""Every decoder of `burnish serve` with inputs that are bent or broken: a request or a refusal, and nothing else?

    python benchmarks/fuzz.py
    python benchmarks/fuzz.py --inputs 20000 --seed 7
    python benchmarks/fuzz.py --replay fuzz-failures/0-123.json

REST bodies in JSON, with binary tensors and compressed, gRPC messages with typed and with raw contents: valid ones,
made from a seed, then with values that do not belong there and bytes changed. One in 400 is as large as the limit
allows and made to cost the most memory. Each is decoded in a process that may have only so much more
memory. An input passes when it becomes a request or a `ProtocolError` with a status from 400 to 499 and a
short text. Inputs that do not are written to files. The last line of stdout is one JSON document.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from _lib import results
from _lib.bars import Bar
from _lib.fuzz_worker import run
from _lib.fuzzing import Input, make

LIMIT = 1 << 20
_EVERY = 1000
_TELL_S = 20


@dataclass
class Found:
    """What became of all inputs. `broken`: number and reason of those that did not pass."""

    outcomes: Counter[str] = field(default_factory=Counter)
    broken: dict[int, str] = field(default_factory=dict)
    slowest: float = 0.0


def main() -> int:
    """Run everything; 0 when every bar holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--multiple", type=int, default=32, help="memory of a decoder, in bodies of the largest size")
    parser.add_argument("--failures", type=Path, default=Path("fuzz-failures"), help="folder for inputs that fail")
    parser.add_argument("--replay", type=Path, help="decode one such file here, and show what it raises")
    parser.add_argument("--results", type=Path, default=results.RESULTS)
    options = parser.parse_args()
    if options.replay:
        print(run(Input.from_json(options.replay.read_text()), LIMIT))
        return 0
    found = _all(options.seed, options.first, options.inputs, options.multiple)
    for number in found.broken:
        _save(options.failures, options.seed, number)
    bars = [_bar("inputs that were neither a request nor a refusal", len(found.broken), 0)]
    bars.append(
        Bar(name="inputs decoded", value=sum(found.outcomes.values()), unit="", bar=options.inputs - len(found.broken))
    )
    bars += [
        Bar(name=f"{kind}: became a request", value=_share(found, kind), unit="", bar=0.02, note="not only refused")
        for kind in sorted({name.split(":")[0] for name in found.outcomes})
    ]
    more = {
        "outcomes": dict(sorted(found.outcomes.items())),
        "broken": {str(key): text for key, text in found.broken.items()},
        "slowest_ms": 1000 * found.slowest,
        "memory_mib": options.multiple * LIMIT >> 20,
        "limit_mib": LIMIT >> 20,
    }
    print(json.dumps(more["outcomes"], indent=1))
    print(f"slowest: {more['slowest_ms']:.1f} ms of processor time")
    return results.report("fuzz", bars, more, options.results)


def _all(seed: int, first: int, inputs: int, multiple: int) -> Found:
    """One worker after the other: a new one where the one before died."""
    found, place, last = Found(), first, first + inputs
    while place < last:
        reached = _worker(found, seed, place, last, multiple, _EVERY)
        if reached < last:  # it died within the next thousand: one line for each tells where
            died = _worker(found, seed, reached, min(reached + _EVERY, last), multiple, 1)
            if died < min(reached + _EVERY, last):
                found.broken[died] = "the process died"
                died += 1
            reached = died
        place = reached
    return found


def _worker(found: Found, seed: int, first: int, last: int, multiple: int, every: int) -> int:
    """Run one worker; gives the number of the first input that it did not report on."""
    script = Path(__file__).parent / "_lib" / "start_fuzz_worker.py"
    words = [seed, first, last, LIMIT, multiple * LIMIT, every]
    command = [sys.executable, str(script), *map(str, words)]
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    place, told = first, time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        for line in process.stdout:
            news = json.loads(line)
            if "failed" in news:
                found.broken[news["failed"]] = news["why"]
                print(f"input {news['failed']}: {news['why']}", file=sys.stderr, flush=True)
                continue
            place = news["next"]
            found.outcomes.update(news["outcomes"])
            found.slowest = max(found.slowest, news["slowest"])
            if time.monotonic() - told > _TELL_S:
                told = time.monotonic()
                print(f"{place} of {last}, {len(found.broken)} failed", file=sys.stderr, flush=True)
    return place


def _save(folder: Path, seed: int, number: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{seed}-{number}.json").write_text(make(number, seed, LIMIT).to_json())


def _share(found: Found, kind: str) -> float:
    every = sum(count for name, count in found.outcomes.items() if name.startswith(f"{kind}:"))
    return found.outcomes[f"{kind}: request"] / every


def _bar(name: str, value: float, most: float) -> Bar:
    return Bar(name=name, value=value, unit="", bar=most, least=False)


if __name__ == "__main__":
    sys.exit(main())
