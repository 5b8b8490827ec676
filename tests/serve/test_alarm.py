from __future__ import annotations

import asyncio
import time

import pytest
import uvloop

from burnish.serve.alarm import Alarm


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_the_last_moment_that_was_set_counts(loop):
    async def body() -> list[float]:
        rang: list[float] = []
        heard = asyncio.Event()

        def ring() -> None:
            rang.append(time.monotonic())
            heard.set()

        alarm = Alarm(ring)
        began = time.monotonic()
        alarm.set(began + 3600.0)
        alarm.set(None)
        alarm.set(began + 0.003)
        await heard.wait()
        heard.clear()
        alarm.set(began)  # is over: at once
        await heard.wait()
        alarm.set(time.monotonic())
        alarm.close()
        alarm.close()
        await asyncio.sleep(0.01)
        return [moment - began for moment in rang]

    with asyncio.Runner(loop_factory=loop) as runner:
        first, second = runner.run(body())
    assert 0.003 <= first <= second


def test_a_ring_that_is_called_off_at_the_last_moment_is_not_heard():
    async def body() -> int:
        rang = 0

        def ring() -> None:
            nonlocal rang
            rang += 1

        alarm = Alarm(ring)
        alarm.set(0.0)
        time.sleep(0.001)  # the kernel has rung; the loop has not heard it
        alarm.set(None)
        await asyncio.sleep(0.01)
        alarm.close()
        return rang

    assert asyncio.run(body()) == 0
