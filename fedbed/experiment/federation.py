"""The sections of the experiment file that are about nodes: who learns together and how, and which
of them lie or lag on purpose.
"""

from __future__ import annotations

from typing import Annotated, Any, Dict, Literal, Tuple

from pydantic import Field, Strict, field_validator, model_validator

from fedbed.experiment import checks
from fedbed.experiment.base import BatchSize, Duration, Name, PositiveDuration, Section

Share = Annotated[float, Field(gt=0, le=1)]


class StrategySpec(Section):
    """A strategy. A bare name stands for the strategy with its default arguments."""

    name: Name = Field(
        default="FedAvg",
        description="Name of a strategy, Flower's or ours; docs/strategies.md lists them.",
    )
    args: Dict[str, Any] = Field(
        default_factory=dict,
        description="Arguments of the strategy's constructor; what is left out comes from "
        "this file where it says the same thing, else from the strategy.",
    )

    @property
    def names(self) -> Tuple[str, ...]:
        """Its name and, of a wrapper, those of what it wraps, from the outside in."""
        names, inner = [self.name], self.args.get("strategy")
        while isinstance(inner, dict):
            names.append(str(inner.get("name")))
            inner = (inner.get("args") or {}).get("strategy")
        return (*names, inner) if isinstance(inner, str) else tuple(names)

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, given: object) -> object:
        return {"name": given} if isinstance(given, str) else given


class Select(Section):
    """Which nodes may take part; with neither key, every node may."""

    labels: Dict[str, str] = Field(
        default_factory=dict, description="Labels that a node must carry, all of them."
    )
    names: Annotated[Tuple[Name, ...], Strict(False)] = Field(
        default=(),
        max_length=10_000,
        description="Names of the nodes that may take part; empty: any.",
    )

    @field_validator("names")
    @classmethod
    def _unique(cls, names: Tuple[str, ...]) -> Tuple[str, ...]:
        return checks.unique(names)


class SelectionSpec(Section):
    """Whom a round asks to train. A bare name stands for the selection with default arguments."""

    name: Name = Field(
        default="strategy",
        description="Name of a selection; docs/selection.md describes them. 'strategy': the "
        "strategy chooses, that is all nodes or `fraction` of them at random.",
        json_schema_extra={"allowed": "strategy | all | random | label | fedcs | oort | tiers"},
    )
    args: Dict[str, Any] = Field(
        default_factory=dict, description="Arguments of the selection; docs/selection.md has them."
    )

    @model_validator(mode="before")
    @classmethod
    def _check(cls, given: object) -> object:
        return checks.selection(given)


class Pace(Section):
    """A time limit of rounds that follows its nodes; off unless `factor` is given.

    A round's training then closes after `factor` times what the first `share` of its nodes have
    taken in this very round, or were expected to take by their former rounds, whichever is less.
    `deadline` stays the longest: for a round that is tried again because it had no quorum, and
    where fewer than that share come in, of nodes that nobody knows.
    """

    factor: float | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="How many times their time a round may take; null: up to `deadline`.",
    )
    share: Share = Field(default=0.75, description="Share of the asked nodes whose time it is.")
    least: PositiveDuration = Field(
        default=1.0, description="Shortest limit, however quick the nodes are."
    )
    memory: int = Field(
        default=5,
        ge=1,
        le=100_000,
        description="How many rounds a measurement counts; a node without one is unknown.",
    )


class Federation(Section):
    """Who learns together, for how long, and what happens when nodes are slow or lost."""

    nodes: int = Field(
        default=4, ge=1, le=10_000, description="Number of participants and of partitions."
    )
    agents: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="On how many real nodes the participants run, each of which plays several of "
        "them in turn (virtual nodes); null: one each.",
    )
    min_nodes: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="Number of nodes with which the run may start; null: all of `nodes`.",
    )
    rounds: int = Field(default=10, ge=1, le=100_000, description="Number of rounds.")
    local_epochs: float = Field(
        default=1.0,
        gt=0,
        le=10_000,
        description="Passes of a node over its samples per round; of less than one, the next round "
        "goes on where this one ended.",
    )
    batch_size: BatchSize = Field(
        default=32,
        description="Samples per training step on a node; 'all': all that the node has.",
    )
    strategy: StrategySpec = Field(
        default_factory=StrategySpec, description="How updates become the next global model."
    )
    fraction: Share = Field(default=1.0, description="Share of the nodes that trains each round.")
    selection: SelectionSpec = Field(
        default_factory=SelectionSpec, description="Whom a round asks to train."
    )
    quorum: Share = Field(
        default=0.3,
        description="Least share of the asked nodes whose updates a round needs to count.",
    )
    deadline: PositiveDuration = Field(
        default=600.0, description="Longest time for a round's training; later updates are refused."
    )
    pace: Pace = Field(
        default_factory=Pace, description="A time limit of rounds that follows its nodes."
    )
    rejoin_grace: Duration = Field(
        default=0.0,
        description="How long a round waits for a lost node before it goes on without it.",
    )
    retries: int = Field(
        default=1,
        ge=0,
        le=100,
        description="How often a node that failed trains again within the round.",
    )
    attempts: int = Field(
        default=3,
        ge=1,
        le=100,
        description="How often a round without quorum is tried before the run fails.",
    )
    start_timeout: PositiveDuration = Field(
        default=60.0, description="How long the run waits for its nodes before it fails."
    )
    over_selection: float = Field(
        default=0.0,
        ge=0,
        le=10,
        description="Share of additional nodes that a round asks; the first updates count.",
    )
    select: Select = Field(default_factory=Select, description="Which nodes may take part.")
    evaluate: Literal["server", "nodes", "both", "none"] = Field(
        default="server",
        description="Where the global model is tested after each round: on the coordinator's "
        "test set, on the nodes' own test samples, on both, or not at all.",
    )
    evaluate_every: int = Field(
        default=1,
        ge=1,
        le=100_000,
        description="The coordinator tests the model after every so many rounds, and after the "
        "last.",
    )

    target: Share | None = Field(
        default=None,
        description="Value of the run's main metric on the coordinator's test set, such as 0.97: "
        "the result says which round reached it first, and at what cost; null: none.",
    )
    stop_at_target: bool = Field(
        default=False, description="Whether the rounds end as soon as the target is reached."
    )

    @property
    def asked_fraction(self) -> float:
        """Share of the nodes that a round asks: `fraction` and, with over-selection, spare ones."""
        return min(1.0, self.fraction * (1 + self.over_selection))

    @property
    def needed_nodes(self) -> int:
        """Number of nodes with which the run may start, whether or not the file names it."""
        return self.nodes if self.min_nodes is None else self.min_nodes

    @property
    def is_virtual(self) -> bool:
        """Whether participants share real nodes."""
        return self.agents is not None and self.agents < self.nodes

    @property
    def real_nodes(self) -> int:
        """Number of real nodes on which the participants run."""
        return self.nodes if self.agents is None else self.agents

    @model_validator(mode="after")
    def _check(self) -> Federation:
        checks.federation(self)
        return self


class Screening(Section):
    """Which updates are believed; docs/bad-nodes.md says what is refused in any case."""

    norm_limit: float | None = Field(
        default=10.0,
        gt=1,
        le=1e6,
        description="How many times longer than the round's median an update may be before it is "
        "shortened (L2 norm of what the node changed; three updates or more); null: any length.",
    )
    over: Literal["refuse", "clip"] = Field(
        default="refuse",
        description="What becomes of an update that is so much longer than any round's median yet: "
        "'refuse': the round goes without it, 'clip': it is shortened like others.",
    )
    samples_limit: float | None = Field(
        default=10.0,
        gt=1,
        le=1e6,
        description="Where nodes bring data of their own: a node's number of samples counts at "
        "most as so many times the round's median; null: as it says.",
    )


class Adversaries(Section):
    """Nodes that falsify their updates on purpose, to try strategies that withstand it."""

    nodes: int = Field(
        default=0,
        ge=0,
        le=10_000,
        description="Number of adversaries; which partitions they are is drawn from the seed.",
    )
    kind: Literal["sign-flip", "noise", "scale", "nan"] = Field(
        default="sign-flip",
        description="What they send: 'sign-flip': the opposite of their update, 'noise': noise of "
        "its length, 'scale': a multiple of it, 'nan': NaN (with 'codec.up' raw, exact or bf16).",
    )
    scale: float = Field(
        default=5.0,
        gt=0,
        le=1e6,
        description="Factor on the length of what they send; 'nan' has none.",
    )


class Stragglers(Section):
    """Nodes that are slowed down on purpose, to try rounds and selections that cope with them."""

    nodes: int = Field(
        default=0,
        ge=0,
        le=10_000,
        description="Number of stragglers; which partitions they are is drawn from the seed.",
    )
    factor: float = Field(
        default=5.0,
        gt=1,
        le=1000,
        description="How many times as long they train: having trained, they wait.",
    )
