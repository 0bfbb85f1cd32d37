"""A soak: hostile payloads and results by the hundred thousand.

    python -m tests.fuzz.payloads --count 100000

Each must be refused with PayloadError, or be valid still; and memory must not grow. The exit code
is 1 if another error comes, or memory grows. `--only NUMBER` with the same seed repeats one input,
and shows its traceback.
"""

from __future__ import annotations

import argparse
import itertools
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from coordinator.runs import answers
from fedbed import codec
from fedbed.codec import Payload
from fedbed.errors import PayloadError
from fedbed.link.envelope import Envelope
from tests.fedbed.codec.test_hostile_lossy import REFERENCE
from tests.fuzz import hurt

PERMITTED = 1 << 20
"""Bytes that the arrays of a payload may take."""
GROWTH_MIB = 8.0
"""More than that between a tenth and the end is growth: the allocator's own unrest is less."""
PEAK_MIB = 64.0
"""More than that above the end at any time is memory that nobody permitted."""
NO_LINE = "a message that is no line"
RESULTS = 0.2
"""Share of results among the inputs."""


@dataclass
class Tally:
    """What became of the inputs."""

    refused: int = 0
    accepted: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    ways: Counter[str] = field(default_factory=Counter)
    first: dict[str, int] = field(default_factory=dict)
    """Of each class of error but PayloadError, the number of the first input."""


def inputs(seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """Yield hostile inputs with the name of what was done to them."""
    rng = random.Random(seed)
    payloads = hurt.payloads()
    results = [hurt.result("run.000001.0", profile) for profile in ("raw", "exact", "small")]
    for _ in range(count):
        way = rng.choice(hurt.WAYS)
        data = rng.choice(results if rng.random() < RESULTS else payloads)
        yield way.__name__, way(rng, data)


def attempt(data: bytes, scratch: Path) -> None:
    """Read an input by every way that there is; PayloadError if one of them refuses it."""
    if data[:4] == b"FBR1":
        scratch.write_bytes(data)
        found = Envelope.open(scratch, 4 * PERMITTED)
        answers.check(found.meta, found.names)
        for name in found.names:
            with found.payload(name, None) as payload:
                payload.verify()
        return
    with Payload.from_bytes(data, PERMITTED, REFERENCE) as payload:
        payload.verify(finite=False)
        payload.arrays()
    codec.decode(data, PERMITTED, REFERENCE)


def feed(tally: Tally, number: int, way: str, data: bytes, scratch: Path) -> None:
    """Try one input and note what came of it."""
    tally.ways[way] += 1
    try:
        attempt(data, scratch)
        tally.accepted += 1
    except PayloadError as error:
        tally.refused += 1
        tally.errors[PayloadError.__name__] += 1
        text = str(error)
        if "\n" in text or not 0 < len(text) < 400:
            tally.errors[NO_LINE] += 1
            tally.first.setdefault(NO_LINE, number)
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        tally.errors[type(error).__name__] += 1
        tally.first.setdefault(type(error).__name__, number)


def soak(count: int, seed: int) -> tuple[Tally, dict[str, float]]:
    """Feed `count` inputs; returns what became of them, and MiB of memory at three times."""
    tally = Tally()
    rss: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="fedbed-fuzz-") as folder:
        scratch = Path(folder) / "result"
        for number, (way, data) in enumerate(inputs(seed, count)):
            if number == count // 10:
                rss["a tenth"] = _rss_mib()
            feed(tally, number, way, data, scratch)
    rss["the end"] = _rss_mib()
    rss["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return tally, rss


def repeat(seed: int, number: int) -> int:
    """Try one input of a soak, with nothing caught but PayloadError; returns the exit code."""
    way, data = next(itertools.islice(inputs(seed, number + 1), number, None))
    with tempfile.TemporaryDirectory(prefix="fedbed-fuzz-") as folder:
        try:
            attempt(data, Path(folder) / "result")
        except PayloadError as error:
            print(f"{way}: {len(data)} bytes, refused: {error}")
            return 0
    print(f"{way}: {len(data)} bytes, accepted")
    return 0


def main() -> int:
    """Run the soak; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.payloads", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, metavar="NUMBER")
    args = parser.parse_args()
    if args.only is not None:
        return repeat(args.seed, args.only)
    before = _rss_mib()
    began = time.monotonic()
    tally, rss = soak(args.count, args.seed)
    took = time.monotonic() - began
    grown, above = rss["the end"] - rss["a tenth"], rss["peak"] - max(rss["the end"], before)
    print(f"payloads   {args.count}, seed {args.seed}, {took:.1f} s")
    print(f"refused    {tally.refused}")
    print(f"accepted   {tally.accepted} (still valid)")
    print(f"errors     {', '.join(f'{k} {n}' for k, n in tally.errors.most_common()) or 'none'}")
    print(f"hurt by    {', '.join(f'{k} {n}' for k, n in tally.ways.most_common())}")
    print("memory     " + ", ".join(f"{mib:.1f} MiB at {when}" for when, mib in rss.items()))
    for name, number in tally.first.items():
        print(f"{name}: first at input {number}: --seed {args.seed} --only {number}")
    wrong = set(tally.errors) - {PayloadError.__name__}
    if wrong or grown > GROWTH_MIB or above > PEAK_MIB:
        print(f"FAILED: errors {sorted(wrong)}, grown by {grown:.1f} MiB, peak {above:.1f} above")
        return 1
    return 0


def _rss_mib() -> float:
    return float(psutil.Process().memory_info().rss) / 2**20


if __name__ == "__main__":
    sys.exit(main())
