"""The open poll, as nodes see it."""

from __future__ import annotations

import time

from tests.coordinator.serving import Served


async def test_every_answer_tells_the_coordinators_time_and_how_long_it_was_kept(
    served: Served,
) -> None:
    node = await served.join("pi-1")
    await node.poll(0.0)
    for wait_s in (0.0, 0.5):
        sent, sent_at = time.time(), time.monotonic()
        reply = (await node.poll(wait_s)).json()
        assert sent <= reply["now_s"] <= time.time()
        assert wait_s * 0.9 <= reply["held_s"] <= time.monotonic() - sent_at
