from __future__ import annotations

import os
import signal
import sys
import time

import pytest
from pydantic import BaseModel, field_serializer

from fedbed.cli.signals import is_interrupt, signals_as_interrupt
from fedbed.errors import Interrupted, UsageError


class KilledWhenDeleted:
    """Gets a signal at a moment when Python may not raise."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        os.kill(os.getpid(), self.number)
        for _ in range(100):
            pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_a_command_even_while_an_object_is_deleted(
    number: int, capfd: pytest.CaptureFixture[str]
) -> None:
    before = (signal.getsignal(signal.SIGTERM), sys.unraisablehook)
    victim = KilledWhenDeleted(number)
    with pytest.raises(KeyboardInterrupt), signals_as_interrupt():
        del victim
        time.sleep(5)
    assert capfd.readouterr().err == ""
    assert (signal.getsignal(signal.SIGTERM), sys.unraisablehook) == before


def test_what_else_goes_wrong_there_is_told_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def __del__(self) -> None:
            raise ValueError("broken")

    told: list[type[BaseException]] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: told.append(what.exc_type))
    with signals_as_interrupt():
        broken = Broken()
        del broken
    assert told == [ValueError]


class Interrupting(BaseModel):
    """Gets Ctrl-C while pydantic, which is compiled, calls back to write a value."""

    value: int = 1

    @field_serializer("value")
    def _written(self, value: int) -> str:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
        return str(value)


def test_what_a_library_makes_of_an_interrupt_is_one_all_the_same() -> None:
    with pytest.raises(KeyboardInterrupt), signals_as_interrupt():
        Interrupting().model_dump()


def test_our_own_errors_mean_what_they_say() -> None:
    with pytest.raises(UsageError), signals_as_interrupt():
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            raise UsageError("no such folder")  # noqa: B904  without a cause, on purpose
    assert not is_interrupt(Interrupted("stopped; what there is lies here"))
    assert not is_interrupt(ValueError("broken"))
