"""The scenario file: which faults befall a run, when, and what must hold all the same.

Nothing in it names a process, a port or a machine, so that one file fits every ground that a
testbed may stand on. docs/chaos.md has its keys, from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Dict, Literal, Tuple

from pydantic import (
    BeforeValidator,
    Field,
    Strict,
    ValidationError,
    field_validator,
    model_validator,
)

from fedbed import yamlfile
from fedbed.chaos import moments
from fedbed.errors import ExperimentError
from fedbed.experiment import Experiment
from fedbed.experiment.base import Duration, PositiveDuration, Section, problem
from fedbed.experiment.complaints import complaints, one_line
from fedbed.experiment.load import read_text

Part = Literal["agent", "worker", "run", "coordinator"]
Kind = Literal[
    "kill",
    "restart",
    "outage",
    "freeze",
    "slow_cpu",
    "cut_link",
    "slow_link",
    "corrupt_upload",
    "fill_disk",
]
Expectation = Literal["same_model", "same_participants"]
EVERYBODY: Tuple[Part, ...] = ("agent", "worker", "run", "coordinator")


@dataclass(frozen=True)
class Rule:
    """Whom a kind of fault may befall, and which keys say more about it."""

    whom: Tuple[Part, ...]
    takes: Tuple[str, ...] = ()
    needs: Tuple[str, ...] = ()


RULES: Dict[Kind, Rule] = {
    "kill": Rule(EVERYBODY, ("back_after",)),
    "restart": Rule(("agent", "coordinator"), ("back_after",)),
    "outage": Rule(("coordinator",), ("lasts",)),
    "freeze": Rule(EVERYBODY, ("lasts",)),
    "slow_cpu": Rule(EVERYBODY, ("lasts", "share")),
    "cut_link": Rule(("agent",), ("lasts", "how")),
    "slow_link": Rule(("agent",), ("lasts", "delay", "rate_kb")),
    "corrupt_upload": Rule(("agent",)),
    "fill_disk": Rule(("agent", "coordinator"), ("lasts",)),
}
_EXTRAS = ("back_after", "lasts", "share", "how", "delay", "rate_kb")


def _moment(given: object) -> object:
    """Let a plain number stand for seconds, and refuse what is no moment."""
    if isinstance(given, (int, float)) and not isinstance(given, bool):
        given = f"{given}s"
    if isinstance(given, str):
        try:
            moments.parse(given)
        except ValueError:
            raise problem("", f"given {given[:60]!r}; allowed: {moments.ALLOWED}") from None
    return given


class Fault(Section):
    """One fault, or many of one kind."""

    name: str = Field(
        default="",
        max_length=60,
        pattern=r"^[a-z0-9-]*$",
        description="Short name, for reports and `--only`; empty: made of `do` and `whom`.",
        json_schema_extra={"allowed": "up to 60 of a-z, 0-9 and '-'"},
    )
    do: Kind = Field(description="What happens; the tables above and below say more.")
    whom: Part | None = Field(
        default=None, description="Whom it befalls; null where the fault leaves no choice."
    )
    node: Annotated[int, Field(ge=1, le=10_000)] | Literal["random"] = Field(
        default="random",
        description="Which node, counted from 1, where it befalls an agent or a worker.",
    )
    at: Annotated[str, BeforeValidator(_moment)] = Field(
        default="random",
        description="When it strikes. A system call is for `kill` only.",
        json_schema_extra={"allowed": moments.ALLOWED},
    )
    repeat: int = Field(
        default=1, ge=1, le=10_000, description="How many of it; each draws anew what is random."
    )
    lasts: PositiveDuration = Field(
        default=3.0, description="How long it lasts, where it does (kill and restart don't)."
    )
    back_after: Duration = Field(
        default=0.0,
        description="kill, restart: how long the agent or the coordinator stays away. "
        "Workers and runs' processes are started again by whom they work for.",
    )
    share: float = Field(
        default=0.2, ge=0.01, le=0.99, description="slow_cpu: share of the time that is left."
    )
    how: Literal["refuse", "hang"] = Field(
        default="hang",
        description="cut_link: connections are refused and broken off at once, "
        "or hang without a word.",
    )
    delay: Duration = Field(default=0.1, description="slow_link: delay, each way.")
    rate_kb: float = Field(
        default=100.0, gt=0, le=1e6, description="slow_link: rate in kB/s, each way."
    )

    @property
    def victim(self) -> Part:
        """Whom it befalls."""
        return self.whom or RULES[self.do].whom[0]

    @property
    def title(self) -> str:
        """Its name, given or made."""
        return self.name or f"{self.do}-{self.victim}".replace("_", "-")

    @model_validator(mode="after")
    def _check(self) -> Fault:
        rule = RULES[self.do]
        whom = " | ".join(rule.whom)
        if self.whom is None and len(rule.whom) > 1:
            raise problem("whom", f"missing; {self.do} needs one of: {whom}")
        if self.victim not in rule.whom:
            raise problem("whom", f"{self.do} can't befall {self.whom!r}; allowed: {whom}")
        for key in _EXTRAS:
            if key in self.model_fields_set and key not in rule.takes:
                known = ", ".join(rule.takes) or "none"
                raise problem(key, f"means nothing to {self.do}; its own keys: {known}")
        if self.victim not in ("agent", "worker") and "node" in self.model_fields_set:
            raise problem("node", f"means nothing to a fault of the {self.victim}")
        moment = moments.parse(self.at)
        of_calls = isinstance(moment, moments.AtCall) or moment == moments.Drawn(of_calls=True)
        if of_calls and self.do != "kill":
            raise problem("at", f"a system call is a moment for kill, not for {self.do}")
        if self.back_after and self.victim in ("worker", "run"):
            raise problem("back_after", f"means nothing to a {self.victim}: it comes back itself")
        return self


class Scenario(Section):
    """Faults for one experiment, and what must hold whatever happens."""

    name: str = Field(
        max_length=60,
        pattern=r"^[a-z0-9][a-z0-9-]*$",
        description="Short name; the results' folder carries it.",
        json_schema_extra={"allowed": "up to 60 of a-z, 0-9 and '-', not '-' first"},
    )
    description: str = Field(default="", max_length=10_000, description="What it is for.")
    seed: int = Field(
        default=1, ge=0, lt=2**32, description="Draws what is random; `--seed` overrides it."
    )
    experiment: Experiment = Field(
        description="What runs, with the keys of an experiment file; its first seed counts."
    )
    together: bool = Field(
        default=False,
        description="true: all faults befall one run; false: each has a run of its own.",
    )
    limit: PositiveDuration = Field(
        default=60.0, description="How long a run may take, besides what its faults last."
    )
    expect: Annotated[Tuple[Expectation, ...], Strict(False)] = Field(
        default=("same_model", "same_participants"),
        max_length=2,
        description="What has to be as in the undisturbed run, besides all that must hold anyway.",
    )
    disk_mb: int = Field(
        default=32,
        ge=4,
        le=4096,
        description="fill_disk: size in MB of the file system that is made for the purpose.",
    )
    faults: Annotated[Tuple[Fault, ...], Strict(False)] = Field(
        description="One fault or more; their keys follow."
    )

    @field_validator("faults")
    @classmethod
    def _different(cls, faults: Tuple[Fault, ...]) -> Tuple[Fault, ...]:
        if not faults:
            raise problem("", "given an empty list; allowed: one fault or more")
        seen = set()
        for number, fault in enumerate(faults):
            if fault.title in seen:
                raise problem(f"{number}.name", f"{fault.title!r} stands there twice; name one")
            seen.add(fault.title)
        return faults

    @model_validator(mode="after")
    def _check(self) -> Scenario:
        federation = self.experiment.federation
        nodes, rounds = federation.real_nodes, federation.rounds
        for number, fault in enumerate(self.faults):
            moment = moments.parse(fault.at)
            if isinstance(moment, moments.AtRound) and moment.number > rounds:
                raise problem(
                    f"faults.{number}.at", f"given {fault.at!r}; there are {rounds} rounds"
                )
            if fault.node != "random" and fault.node > nodes:
                raise problem(
                    f"faults.{number}.node", f"given {fault.node}; allowed: 1 to {nodes}, or random"
                )
        return self


def load(path: Path) -> Scenario:
    """Read a scenario file.

    Raises:
        ExperimentError: it can't be read, or says something that can't be done.
    """
    return loads(read_text(path, "a scenario file"), str(path))


def loads(text: str, origin: str) -> Scenario:
    """Read a scenario from YAML text; `origin` is the name that messages give it.

    Raises:
        ExperimentError: it can't be read, or says something that can't be done.
    """
    try:
        data, lines = yamlfile.read(text)
    except yamlfile.YamlError as error:
        raise ExperimentError(one_line(origin, error.line, str(error))) from None
    if not isinstance(data, dict):
        raise ExperimentError(one_line(origin, 0, "wanted: keys such as name and faults"))
    try:
        return Scenario.model_validate(data)
    except ValidationError as error:
        found = complaints(error, lines, Scenario)
        first = found[0]
        raise ExperimentError(one_line(origin, first.line, first.text, found[1:])) from None
