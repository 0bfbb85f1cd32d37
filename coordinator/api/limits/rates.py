"""Requests beyond what a node, or an address without a credential, may make get a 429."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import math
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from coordinator.api.errors import refusal
from coordinator.api.limits.buckets import Allowance, Buckets
from fedbed.errors import TooBusy

HOLDER = Allowance(rate=200.0, burst=400.0, at_a_time=16)
"""Of a credential. A node in rounds of 50 ms asks 80 times a second, over two connections."""
STRANGER = Allowance(rate=200.0, burst=2000.0, at_a_time=256)
"""Of an address from which no valid credential came: a thousand nodes behind it join at once, and
some people watch."""
KEPT = 20_000
"""Buckets of each kind: some megabytes."""


class Rates:
    """Counts requests by credential, or by address where there is none that is valid.

    whose: the holder of an `Authorization` header's credential, None for one that is nobody's. A
    wrong credential counts as none: inventing them gains nothing. Loopback addresses without a
    credential are not limited: a testbed lives there, and who has an account on the coordinator's
    own machine has other ways to keep it busy.
    """

    def __init__(
        self,
        app: ASGIApp,
        whose: Callable[[str], str | None],
        clock: Callable[[], float] | None = None,
        holder: Allowance = HOLDER,
        stranger: Allowance = STRANGER,
    ) -> None:
        self._app = app
        self._whose = whose
        self._clock = clock
        self._holders = Buckets(holder, KEPT)
        self._strangers = Buckets(stranger, KEPT)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with 429."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        holder = self._holder(scope)
        buckets = self._holders if holder is not None else self._strangers
        key = holder
        if key is None and scope["client"] is not None:
            key = place_of(scope["client"][0])
        if key is None:
            await self._app(scope, receive, send)
            return
        clock = self._clock or asyncio.get_running_loop().time
        wait_s = buckets.take(key, clock())
        if wait_s > 0:
            await _busy(scope, receive, send, wait_s)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            buckets.give_back(key)

    def _holder(self, scope: Scope) -> str | None:
        for name, value in scope["headers"]:
            if name == b"authorization":
                return self._whose(value.decode("latin-1"))
        return None


@functools.lru_cache(maxsize=1024)
def place_of(host: str) -> str | None:
    """Return where a request comes from: an address, of IPv6 its network; None for loopback.

    Who has one IPv6 address usually has a whole /64 of them.
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return None if address.is_loopback else address.packed[:8].hex()
        address = address.ipv4_mapped
    return None if address.is_loopback else str(address)


async def _busy(scope: Scope, receive: Receive, send: Send, wait_s: float) -> None:
    error = TooBusy(
        f"more requests than this coordinator takes from one node: again in {math.ceil(wait_s)} s"
    )
    response = refusal(error)
    response.headers["Retry-After"] = str(math.ceil(wait_s))
    if scope["method"] == "PUT":
        # The rest of a long body isn't worth reading.
        response.headers["Connection"] = "close"
    await response(scope, receive, send)
