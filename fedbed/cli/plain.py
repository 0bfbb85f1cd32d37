"""A run's progress as lines, for files, pipes and terminals that can't redraw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TextIO

from fedbed.cli import readings
from fedbed.units import format_duration


class PlainLines:
    """One line per round, change of phase and event, without escape codes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._headed = False
        self._phase = ""
        self._rounds: dict[str, int] = {"history": 0, "twin": 0}
        self._event_at = 0.0
        self._wait = ""
        self._away = ""

    def show(self, run: Mapping[str, Any], picture: Mapping[str, Any]) -> None:
        """Print what is new since the last picture."""
        if picture.get("heading") and not self._headed:
            self._headed = True
            self.note(str(picture["heading"]))
        ended = run.get("state") in readings.ENDED
        if not ended:
            self._tell_events(run, picture)
        self._tell_rounds(run, "history", "round")
        self._tell_rounds(run, "twin", "centralised twin, round")
        self._tell_phase(run)
        if ended:  # the last word comes last
            self._tell_events(run, picture)
        self._tell_wait(run)
        away = str(picture.get("away") or "")
        if away and away != self._away:
            self.note(away)
        self._away = away

    def note(self, text: str) -> None:
        """Print a line."""
        self._stream.write(text + "\n")
        self._stream.flush()

    def _tell_events(self, run: Mapping[str, Any], picture: Mapping[str, Any]) -> None:
        events = readings.events_of(str(run.get("id")), readings.rows(picture.get("events")))
        since = readings.number(run.get("submitted_at")) or 0.0
        for event in events:
            at = readings.number(event.get("at")) or 0.0
            if at > max(self._event_at, since - 0.001):
                self._event_at = at
                self.note(str(event.get("text")))

    def _tell_phase(self, run: Mapping[str, Any]) -> None:
        phase = str(run.get("phase") or "")
        if phase != self._phase and phase not in ("round", "twin", *readings.ENDED):
            self.note(readings.headline(run))
        self._phase = phase

    def _tell_rounds(self, run: Mapping[str, Any], part: str, label: str) -> None:
        rows = readings.rows(run.get(part))
        metric = readings.metric_of(run)
        total = int(readings.number(run.get("rounds")) or 0)
        for row in rows[self._rounds[part] :]:
            words = [f"{label} {row.get('round')}" + (f" of {total}" if total else "")]
            value = readings.series([row], metric)
            if value:
                words.append(f"{metric} {readings.score(value[0], metric)}")
            wall = readings.number(row.get("wall_s"))
            if wall is not None:
                words.append(format_duration(wall))
            asked, got = row.get("asked"), row.get("participants")
            if isinstance(got, list):
                got = len(got)
            if isinstance(asked, list):
                asked = len(asked)
            if asked is not None and got is not None and asked != got:
                words.append(f"{got} of {asked} nodes")
            self.note(", ".join(words))
        self._rounds[part] = len(rows)

    def _tell_wait(self, run: Mapping[str, Any]) -> None:
        """Tell who is waited for once, and again when that changes; not every countdown."""
        wait = str(run.get("wait") or "") if run.get("state") == "queued" else ""
        gist = wait.partition("; gives up")[0]
        if gist and gist != self._wait:
            self.note(f"waiting: {wait}")
        self._wait = gist
