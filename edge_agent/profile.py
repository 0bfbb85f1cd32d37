"""What this node is, and what the agent costs."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import threading
import time
from typing import Dict, List

import psutil

from fedbed import __version__
from fedbed.errors import RequirementMissing
from fedbed.link.health import CHECKUP
from fedbed.link.messages import (
    ADVERSARY,
    CLIPPING,
    IMAGE_SIZE,
    STRAGGLER,
    NodeCost,
    NodeProfile,
)

CODEC_PROFILES = ("raw", "exact", "bf16", "int8", "small")
"""Those of `fedbed.codec.PROFILES`, which only the worker can import: it has numpy."""
_STARTED = time.monotonic()
_WATCHING = ("sampler", "probes", "broker")
"""The threads of edge_agent/sampler.py, lanes.py and broker/broker.py."""
_PROBE = """
import json
from importlib import metadata
found = {}
for name in ("numpy", "torch", "flwr", "zstandard", "pillow"):
    try:
        found[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""


def profile(worker_python: str) -> NodeProfile:
    """Describe the node; asks the worker's interpreter for its packages in a child, once."""
    return NodeProfile(
        machine=platform.machine(),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        agent=__version__,
        cpus=os.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
        packages=_packages(worker_python),
        codecs=list(CODEC_PROFILES),
        abilities=[ADVERSARY, CHECKUP, CLIPPING, IMAGE_SIZE, STRAGGLER],
    )


def cost() -> NodeCost:
    """Measure this process: resident memory, CPU seconds, age.

    What threads have taken that have ended (a probe hung in them) is not in `monitoring_cpu_s`.
    """
    process = psutil.Process()
    times = process.cpu_times()
    watching = {t.native_id for t in threading.enumerate() if t.name in _WATCHING}
    spent = (t.user_time + t.system_time for t in process.threads() if t.id in watching)
    return NodeCost(
        rss_bytes=process.memory_info().rss,
        cpu_s=round(times.user + times.system, 3),
        monitoring_cpu_s=round(sum(spent), 3),
        uptime_s=round(time.monotonic() - _STARTED, 1),
    )


def compressors(packages: Dict[str, str]) -> List[str]:
    """Names of the compressors that the worker has, the better one first.

    zstandard before 0.22 can't refuse bytes behind a frame; the codec treats it as absent.
    """
    version = tuple(int(p) for p in packages.get("zstandard", "0").split(".")[:2] if p.isdigit())
    return ["zstd", "zlib"] if version >= (0, 22) else ["zlib"]


def _packages(worker_python: str) -> Dict[str, str]:
    try:
        done = subprocess.run(  # nosec B603 # the operator's interpreter, our text
            [worker_python, "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=True,
        )
        found: Dict[str, str] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        reason = str(error)
        if isinstance(error, subprocess.CalledProcessError):
            # Its own words quote the whole probe.
            said = error.stderr.decode(errors="replace").strip().splitlines()[-1:]
            reason = ": ".join([f"exit code {error.returncode}", *said])[:300]
        raise RequirementMissing(
            f"--worker-python: '{worker_python}' doesn't run as a Python interpreter "
            f"of 3.8 or newer ({reason})"
        ) from error
    return found
