"""Load on a service whose workers are killed and whose versions are switched: is anything lost or wrong?"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import numpy as np

import burnish
from _lib.bars import Bar
from _lib.servers.drive import Live, with_server
from _lib.servers.made_up import Setting
from _lib.servers.work import Work
from burnish.serve.load import arrivals
from burnish.serve.protocol.rest import HEADER_LENGTH

_RATE = 40.0
_PATIENCE_S = 20.0


@dataclass
class _Found:
    right: int = 0
    wrong: list[str] = field(default_factory=list)
    kills: int = 0
    switches: int = 0
    memory: list[int] = field(default_factory=list)


def soak_bars(setting: Setting, work: Work, *, seconds: float, kill_s: float, switch_s: float) -> list[Bar]:
    """Poisson load while a worker is killed every `kill_s` and the version switched every `switch_s`."""
    with burnish.load(work.artifact, threads=1) as model:
        row = work.rows[0][None]
        inputs = {work.input: row} | ({work.mask: np.ones_like(row)} if work.mask else {})
        wanted = next(iter(model.run(inputs).values()))
    found = _Found()
    ours = setting.servers[0]
    settings = {"target_ms": 1000 * _PATIENCE_S, "max_batch": 16}
    folder = setting.folder / "soak"
    versions = folder / "models" / "model"
    versions.mkdir(parents=True)
    (versions / "1").symlink_to(work.artifact.resolve())

    def use(live: Live) -> None:
        asyncio.run(_soak(live, versions, wanted, found, seconds, kill_s, switch_s))

    with_server(ours, work, settings, folder, use)
    early, late = (max(part) for part in (_part(found.memory, 0.3, 0.5), _part(found.memory, 0.8, 1.0)))
    setting.note(part="soak", right=found.right, kills=found.kills, switches=found.switches, wrong=found.wrong[:5])
    note = f"{found.right} right, {found.kills} workers killed, {found.switches} versions switched in {seconds:.0f} s"
    return [
        Bar(
            name="soak: requests lost or wrong",
            value=float(len(found.wrong)),
            unit="requests",
            bar=0.0,
            least=False,
            note="; ".join([note, *sorted(set(found.wrong))[:3]]),
        ),
        Bar(
            name="soak: memory of the server at the end, of that after a third",
            value=late / early,
            unit="x",
            bar=1.1,
            least=False,
        ),
    ]


async def _soak(
    live: Live, versions: Path, wanted: np.ndarray, found: _Found, seconds: float, kill_s: float, switch_s: float
) -> None:
    body, headers = live.server.body(live.work, live.work.rows[0])
    timeout = aiohttp.ClientTimeout(total=2 * _PATIENCE_S)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:

        async def one() -> None:
            try:
                async with session.post(live.server.url(live.port), data=body, headers=headers) as answer:
                    data = await answer.read()
                    if answer.status != 200:
                        found.wrong.append(f"status {answer.status}: {data[:120].decode(errors='replace')}")
                        return
                    tail = data[int(answer.headers[HEADER_LENGTH]) :]
                    outputs = np.frombuffer(tail, wanted.dtype).reshape(wanted.shape)
                    if np.allclose(outputs, wanted, atol=1e-4 * float(np.abs(wanted).max())):
                        found.right += 1
                    else:
                        found.wrong.append("another answer")
            except (aiohttp.ClientError, TimeoutError) as error:
                found.wrong.append(f"{type(error).__name__}: {error}")

        async def disturb() -> None:
            number = 1
            next_kill, next_switch = kill_s, switch_s
            while (now := time.monotonic() - start) < seconds:
                found.memory.append(_resident(live.pid))
                if now >= next_kill:
                    next_kill += kill_s
                    for worker in _children(live.pid)[:1]:
                        os.kill(worker, signal.SIGKILL)
                        found.kills += 1
                if now >= next_switch:
                    next_switch += switch_s
                    number += 1
                    await _switch(session, live, versions, number)
                    found.switches += 1
                await asyncio.sleep(0.5)

        start = time.monotonic()
        disturbing = asyncio.create_task(disturb())
        tasks: list[asyncio.Task[None]] = []
        for moment in arrivals.poisson(_RATE, seconds, seed=4):
            await asyncio.sleep(max(0.0, start + moment - time.monotonic()))
            tasks.append(asyncio.create_task(one()))
        await asyncio.gather(*tasks, disturbing)


async def _switch(session: aiohttp.ClientSession, live: Live, versions: Path, number: int) -> None:
    """A new version in; when it answers, the last one out."""
    shutil.copytree(live.work.artifact, versions / f".{number}")
    (versions / f".{number}").rename(versions / str(number))
    await _load(session, live)
    earlier = versions / str(number - 1)
    earlier.rename(versions / f".{number - 1}")
    await _load(session, live)


async def _load(session: aiohttp.ClientSession, live: Live) -> None:
    async with session.post(f"http://127.0.0.1:{live.port}/v2/repository/models/model/load") as answer:
        answer.raise_for_status()


def _children(pid: int) -> list[int]:
    text = "".join(path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    return [int(word) for word in text.split()]


def _resident(pid: int) -> int:
    """Bytes of the server itself; its workers come and go."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _part(values: list[int], low: float, high: float) -> list[int]:
    return values[int(low * len(values)) : max(int(low * len(values)) + 1, int(high * len(values)))]
