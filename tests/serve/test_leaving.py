"""A client that goes away while its request is at work: by our own connections, and by any other ASGI server."""

from __future__ import annotations

import asyncio

import pytest

from burnish.serve.http.door import Door
from burnish.serve.http.leaving import LEAVING, watch
from tests.serve.test_guard import GET, PATIENCE, Clock, opened


async def turns():
    """Some rounds of the event loop: everything that is ready runs."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_a_lost_connection_tells_each_that_still_watches_once():
    made, _ = opened(Door(PATIENCE, most=3, max_body=10_000), Clock())
    made.data_received(GET)
    heard = []

    async def receive():
        raise AssertionError("our connections need not be asked")

    watch(made.scope, receive, lambda: heard.append("first"))
    end = watch(made.scope, receive, lambda: heard.append("second"))
    end()
    made.connection_lost(None)
    made.connection_lost(None)
    assert heard == ["first"]


@pytest.mark.parametrize("goes", [True, False])
def test_another_server_is_asked_for_the_next_message(goes):
    async def run():
        heard = []
        gone = asyncio.Event()

        async def receive():
            await gone.wait()
            return {"type": "http.disconnect"}

        end = watch({"type": "http"}, receive, lambda: heard.append("left"))
        await turns()
        if goes:
            gone.set()
            await turns()
        end()
        gone.set()
        await turns()
        return heard

    assert asyncio.run(run()) == (["left"] if goes else [])


def test_the_watch_of_our_connections_is_found_in_each_request_of_theirs():
    made, _ = opened(Door(PATIENCE, most=3, max_body=10_000), Clock())
    made.data_received(GET)
    first = made.scope["extensions"][LEAVING]["callbacks"]
    made.on_message_begin()
    assert made.scope["extensions"][LEAVING]["callbacks"] is first
