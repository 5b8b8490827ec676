"""Our server beside Triton, mosec, LitServe, BentoML, Ray Serve and MLServer: same models, machine and run.

    python benchmarks/serving.py --trace trace.csv --artifact runs/digits/artifact

Every peer is installed into a virtual environment of its own (in the cache folder, the first time) and tried
with several settings of its own; the best count. Ours is told the target and nothing else. A made-up device
that sleeps as an accelerator's cost curve says comes first; then, with `--artifact`, real models.
Latency counts from the moment a request was due. The last line of stdout is one JSON document.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from _lib import results
from _lib.bars import Bar
from _lib.progress import Lines
from _lib.servers import bentoml, litserve, made_up, mlserver, mosec, ours, ray, real, soak, triton
from _lib.servers.work import real as real_work

from burnish.core.errors import ServiceError

_PEERS = {part.PART.name: part.PART for part in (triton, mosec, litserve, bentoml, ray, mlserver)}
_MADE_UP = ("curve", "mixed", "closed")
_REAL = ("idle", "connections", "rates", "soak")
_LENGTHS = (16, 32, 64, 128)
"""Of free dimensions of real models."""


def main() -> int:
    """Run the parts; 0 when every bar holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="*", choices=(*_MADE_UP, *_REAL), default=(*_MADE_UP, *_REAL))
    parser.add_argument("--artifact", type=Path, nargs="*", default=[], help="real models, on onnxruntime")
    parser.add_argument(
        "--soak-s",
        type=float,
        default=120.0,
        help="a worker is killed in each eighth of it, a version switched in each quarter",
    )
    parser.add_argument("--without", nargs="*", default=[], choices=sorted(_PEERS), help="peers to leave out")
    parser.add_argument("--seconds", type=float, default=8.0, help="of one run of load")
    parser.add_argument("--trace", type=Path, help="CSV file with a column TIMESTAMP")
    parser.add_argument("--results", type=Path, default=results.RESULTS)
    options = parser.parse_args()
    say = Lines()
    servers = [ours.PART]
    for name, peer in _PEERS.items():
        if name in options.without:
            continue
        say.say(f"installing {name}, where it is not")
        try:
            peer.install()
            servers.append(peer)
        except ServiceError as error:
            say.say(str(error))
    with tempfile.TemporaryDirectory(prefix="burnish-serving-") as folder:
        root = Path(folder)
        setting = made_up.Setting(servers, root, options.seconds, options.trace, say)
        bars: list[Bar] = []
        if "curve" in options.parts:
            bars += made_up.curve_bars(setting, made_up.device(root))
        if "mixed" in options.parts:
            bars += made_up.mixed_bars(setting, made_up.mixed_device(root))
        if "closed" in options.parts:
            bars += made_up.closed_bars(setting)
        works = [real_work(path, lengths=_LENGTHS) for path in options.artifact]
        if works:
            smallest = real.smallest(works)
            if "idle" in options.parts:
                bars += real.idle_bars(setting, smallest)
            if "connections" in options.parts:
                bars += real.connection_bars(setting, smallest)
            if "rates" in options.parts:
                bars += [bar for work in works for bar in real.rate_bars(setting, work)]
            if "soak" in options.parts:
                kill_s, switch_s = options.soak_s / 8, options.soak_s / 4
                bars += soak.soak_bars(setting, smallest, seconds=options.soak_s, kill_s=kill_s, switch_s=switch_s)
    return results.report("serving", bars, {"rows": setting.rows}, options.results)


if __name__ == "__main__":
    sys.exit(main())
