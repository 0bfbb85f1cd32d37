"""What a request may be: from whom, how large, how slow, how many. Plain ASGI middleware.

Plain, because Starlette's middleware base class hides a closed connection from the open poll.
"""

from coordinator.api.limits.pace import Paced
from coordinator.api.limits.rates import Rates
from coordinator.api.limits.site import SameSite
from coordinator.api.limits.sizes import MAX_JSON_BYTES, SmallBodies

__all__ = ["MAX_JSON_BYTES", "Paced", "Rates", "SameSite", "SmallBodies"]
