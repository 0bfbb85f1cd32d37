"""Where commands run things: a coordinator that is named, or a testbed for the occasion.

And how a submitted run is seen through: followed, stopped by Ctrl-C, fetched.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from fedbed.cli import results
from fedbed.cli.follow import error_of, follow
from fedbed.cli.progress import Headed, Heading, display
from fedbed.cli.signals import signals_as_interrupt
from fedbed.cli.targets import Target
from fedbed.client import Client
from fedbed.errors import FedbedError, Interrupted
from fedbed.testbed import LocalTestbed
from fedbed.units import format_count


@dataclass(frozen=True)
class Outcome:
    """A run that has ended, and the folder with its files."""

    run: dict[str, Any]
    folder: Path
    result: dict[str, Any]


class Session:
    """A coordinator to submit to; `stream` gets the progress."""

    def __init__(
        self,
        client: Client,
        testbed: LocalTestbed | None,
        output: Path,
        plain: bool,
        stream: TextIO,
    ) -> None:
        self.client = client
        self._testbed = testbed
        self._output = output
        self._plain = plain
        self._stream = stream

    def say(self, text: str) -> None:
        """Print a line about what happens."""
        self._stream.write(text + "\n")
        self._stream.flush()

    def run(self, target: Target, heading: Heading | None = None) -> Outcome:
        """Submit a run, follow it, fetch its files, whatever becomes of it.

        heading: makes a line that stands above the run's progress.

        Raises the run's own error if it failed, and Interrupted after Ctrl-C, which stops the run.
        """
        run_id = target.submit(self.client)
        try:
            with display(self._plain, self._stream) as shown:
                if heading is not None:
                    shown = Headed(shown, heading)
                run = follow(self.client, run_id, shown, self._alive)
        except KeyboardInterrupt:
            self._interrupted(run_id)
        error = error_of(run)
        try:
            folder = self._fetch(run_id)
        except FedbedError as failure:
            if error is not None:
                self.say(str(failure))
                raise error from None
            raise
        if error is not None:
            if results.has_files(folder):
                self.say(f"what there is of it lies in {folder}")
            raise error
        return Outcome(run, folder, results.read(folder))

    def _fetch(self, run_id: str) -> Path:
        """Fetch a run's files; where that fails they are kept, and the error says where."""
        try:
            return results.fetch(self.client, run_id, self._output)
        except FedbedError as error:
            if self._testbed is not None:
                self._testbed.keep()
                folder = self._testbed.state_dir / "coordinator" / "runs" / run_id
                where = f"meanwhile they lie in {folder}"
            else:
                where = f"`fedbed runs fetch {run_id}` gets them later"
            raise type(error)(f"{error}; {where}") from error

    def _interrupted(self, run_id: str) -> None:
        self.say("stopping the run and fetching what there is (Ctrl-C again: at once)")
        try:
            self.client.stop(run_id)
            folder = self._fetch(run_id)
        except FedbedError as error:
            raise Interrupted(
                f"interrupted; of run {run_id} nothing was fetched: {error}"
            ) from None
        except KeyboardInterrupt:
            raise Interrupted(f"interrupted; nothing of run {run_id} was fetched") from None
        raise Interrupted(f"run {run_id} was stopped by Ctrl-C; what there is lies in {folder}")

    def _alive(self) -> None:
        if self._testbed is not None:
            self._testbed.check(self._testbed.processes[:1])


@contextmanager
def session(
    there: Client | None,
    nodes: int,
    output: Path,
    plain: bool = False,
    stream: TextIO | None = None,
    twins: Path | None = None,
) -> Iterator[Session]:
    """Use the coordinator `there`, or start one here with `nodes` nodes and stop it at the end.

    twins: where the one that is started keeps trained twins, if not for the occasion alone.

    UsageError before anything starts if no results can be written to `output`.
    """
    stream = stream or sys.stdout
    results.prepare(output)
    with signals_as_interrupt():
        if there is not None:
            with there:
                there.health()
                yield Session(there, None, output, plain, stream)
            return
        stream.write(f"starting a coordinator and {format_count(nodes, 'node')} on this machine\n")
        stream.flush()
        with LocalTestbed(nodes, twins=twins) as testbed, Client(testbed.url) as client:
            stream.write(f"ready: live page at {testbed.url}\n")
            stream.flush()
            yield Session(client, testbed, output, plain, stream)
