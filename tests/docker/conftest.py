from __future__ import annotations

from tests.edge_agent.conftest import peer

__all__ = ["peer"]
