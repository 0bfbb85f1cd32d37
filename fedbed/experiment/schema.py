"""The experiment file: every key with its type, its default, its unit and one sentence.

This is the only definition. The reference in docs/experiment.md is generated from it
(`python -m fedbed.experiment.docs`), and so are the "allowed" parts of error messages.
"""

from __future__ import annotations

from typing import Annotated, Any, Dict, Literal, Tuple

from pydantic import Field, Strict, ValidationInfo, field_validator, model_validator

from fedbed.experiment import checks
from fedbed.experiment.base import BatchSize, Duration, PositiveDuration, Section

Name = Annotated[str, Field(min_length=1, max_length=200)]
UpProfile = Literal["raw", "exact", "bf16", "int8", "small"]
# Of a model itself, an eighth is no use.
DownProfile = Literal["raw", "exact", "bf16", "int8"]
Share = Annotated[float, Field(gt=0, le=1)]
Beta = Annotated[float, Field(ge=0, lt=1)]
# 32 bits are what every random generator in use (numpy, torch, Python) takes as a seed.
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class Partition(Section, extra="allow"):
    """How the training samples are divided among the nodes; docs/partitions.md shows the schemes.

    Further keys are the arguments of the scheme; `fedbed.data.partition.SCHEMES` defines them.
    A bare name stands for the scheme with its default arguments.
    """

    scheme: str = Field(
        default="iid",
        description="Scheme of the partition; its arguments stand beside it as further keys.",
        json_schema_extra={"allowed": "a scheme, such as iid, shards or dirichlet"},
    )

    @property
    def args(self) -> Dict[str, Any]:
        """The scheme's arguments, complete."""
        return dict(self.__pydantic_extra__ or {})

    @model_validator(mode="before")
    @classmethod
    def _check(cls, given: object) -> object:
        return checks.partition(given)


class Data(Section):
    """Which samples the nodes learn from, and how they get them."""

    dataset: str = Field(
        default="mnist",
        description="Data set, which must fit the task; 'auto' is mnist where it is present or "
        "can be fetched, else synthetic-digits.",
        json_schema_extra=lambda schema: schema.update(
            allowed=" | ".join([*checks.shipped_datasets(), "one of your own"])
        ),
    )
    delivery: Literal["shared", "shipped", "node"] = Field(
        default="shared",
        description="'shared': a node reads its partition from its own copy of the data set; "
        "'shipped': it receives just its partition from the coordinator; "
        "'node': it uses data of its own.",
    )
    partition: Partition = Field(
        default_factory=Partition,
        description="How the training samples are divided among the nodes.",
    )
    train_samples: int | None = Field(
        default=None, ge=1, description="Use only the first so many training samples; null: all."
    )
    test_samples: int | None = Field(
        default=None, ge=1, description="Use only the first so many test samples; null: all."
    )
    image_size: int | None = Field(
        default=None,
        ge=1,
        le=4096,
        description="Scale pictures and masks down to so many pixels at their shorter side, by a "
        "whole factor; null: as they are.",
    )
    validation_samples: int = Field(
        default=0,
        ge=0,
        description="Training samples, drawn from the seed, that the coordinator keeps back from "
        "nodes and twin, for strategies that look at losses.",
    )

    @field_validator("dataset")
    @classmethod
    def _known(cls, dataset: str, info: ValidationInfo) -> str:
        return dataset if checks.is_stored(info) else checks.dataset(dataset)


class TaskSpec(Section):
    """What is learnt: model, loss and metrics. A bare name stands for the task as it is."""

    name: Name = Field(
        description="Name of the learning task; docs/tasks.md says which there are.",
        json_schema_extra={"allowed": "a learning task such as mnist_mlp"},
    )
    args: Dict[str, Any] = Field(
        default_factory=dict,
        description="Arguments of the task; what is left out has its default.",
    )

    @model_validator(mode="before")
    @classmethod
    def _check(cls, given: object) -> object:
        return checks.task(given)


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

    A round then closes after `factor` times what the first `share` of its nodes are expected to
    take by their former rounds. `deadline` stays the longest: in the first round, for nodes that
    nobody knows, and for a round that is tried again because it had no quorum.
    """

    factor: float | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="How many times the expected time a round may take; null: up to `deadline`.",
    )
    share: Share = Field(
        default=0.75, description="Share of the asked nodes that the expected time is of."
    )
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


class Optimizer(Section):
    """How nodes and the centralised twin follow the gradient."""

    name: Literal["sgd", "adamw"] = Field(
        default="sgd",
        description="'sgd': stochastic gradient descent with momentum; 'adamw': Adam with weight "
        "decay apart from the gradient.",
    )
    lr: float = Field(
        default=0.05, gt=0, le=1000, description="Learning rate, before schedule and decay."
    )
    momentum: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        default=None, description="Momentum of sgd, 0 switches it off; null: 0.9. Not for adamw."
    )
    betas: Annotated[Tuple[Beta, Beta], Strict(False)] | None = Field(
        default=None,
        description="Decay of adamw's two moments; null: 0.9 and 0.999. Not for sgd.",
        json_schema_extra={"allowed": "two numbers from 0 to below 1, as in [0.9, 0.999]"},
    )
    weight_decay: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Weight decay per step: with sgd an L2 penalty, with adamw decoupled.",
    )
    moments: Literal["restart", "average"] = Field(
        default="restart",
        description="Momentum of sgd, or moments of adamw, between rounds; 'restart': nodes begin "
        "each round without, 'average': they travel with the model and are averaged like it, "
        "which takes twice (sgd) or three times (adamw) the bytes.",
    )
    clip: Annotated[float, Field(gt=0, le=1e6)] | None = Field(
        default=None,
        description="Longest gradient that is followed as it is (L2 norm over all weights); "
        "longer ones are shortened to it; null: any.",
    )
    schedule: Literal["constant", "cosine"] = Field(
        default="constant",
        description="Course of the learning rate over the rounds; 'cosine' ends near 0.",
    )
    warmup: int = Field(
        default=0,
        ge=0,
        le=100_000,
        description="Number of first rounds in which the learning rate grows to its full value.",
    )
    lr_decay: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Factor on the learning rate per round, besides the schedule.",
    )

    @property
    def used_momentum(self) -> float:
        """Momentum, whether or not the file names it; 0 for adamw."""
        if self.momentum is None:
            return 0.9 if self.name == "sgd" else 0.0
        return self.momentum

    @property
    def used_betas(self) -> Tuple[float, float]:
        """Decay of the moments, whether or not the file names it."""
        return self.betas or (0.9, 0.999)

    @model_validator(mode="after")
    def _check(self) -> Optimizer:
        checks.optimizer(self)
        return self


class Centralised(Section):
    """The twin: one machine learns with the same model, initial weights, samples and test set."""

    enabled: bool = Field(
        default=True, description="Whether the coordinator trains the centralised twin too."
    )


class Codec(Section):
    """How models travel; docs/payload.md says what each profile keeps and saves."""

    down: DownProfile = Field(
        default="exact",
        description="From the coordinator to the nodes; 'raw': plain arrays, "
        "'exact': compressed, bit for bit the same, 'bf16' and 'int8': rounded for the nodes "
        "alone, the coordinator's model keeps its precision.",
    )
    up: UpProfile = Field(
        default="exact",
        description="From the nodes to the coordinator; as above, but 'bf16' and 'int8' round "
        "what the node has changed; 'small': the largest eighth of it, the rest follows in "
        "later rounds.",
    )


class Screening(Section):
    """Which updates are believed; docs/bad-nodes.md says what is refused in any case."""

    norm_limit: float | None = Field(
        default=10.0,
        gt=1,
        le=1e6,
        description="How many times longer than the round's median an update may be (L2 norm of "
        "what the node has changed; three updates or more); null: any length.",
    )
    over: Literal["refuse", "clip"] = Field(
        default="refuse",
        description="What becomes of a longer update: 'refuse': the round goes without it, "
        "'clip': it is shortened to the limit.",
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


class Experiment(Section):
    """One experiment: what is learnt, on which data, by whom and how."""

    name: str = Field(
        max_length=60,
        pattern=r"^[a-z0-9][a-z0-9-]*$",
        description="Short name; run folders and pages carry it.",
        json_schema_extra={"allowed": "up to 60 of a-z, 0-9 and '-', not '-' first"},
    )
    description: str = Field(
        default="", max_length=10_000, description="What the experiment is for, in free words."
    )
    task: TaskSpec = Field(
        description=str(TaskSpec.__doc__),
        json_schema_extra={"allowed": "a learning task such as mnist_mlp"},
    )
    data: Data = Field(default_factory=Data, description=str(Data.__doc__))
    federation: Federation = Field(default_factory=Federation, description=str(Federation.__doc__))
    optimizer: Optimizer = Field(default_factory=Optimizer, description=str(Optimizer.__doc__))
    centralised: Centralised = Field(
        default_factory=Centralised, description=str(Centralised.__doc__)
    )
    seeds: Annotated[Tuple[Seed, ...], Strict(False)] = Field(
        default=(1,),
        min_length=1,
        max_length=1000,
        description="Seeds, all different; the experiment runs once with each.",
    )
    codec: Codec = Field(default_factory=Codec, description=str(Codec.__doc__))
    screening: Screening = Field(default_factory=Screening, description=str(Screening.__doc__))
    adversaries: Adversaries = Field(
        default_factory=Adversaries, description=str(Adversaries.__doc__)
    )
    stragglers: Stragglers = Field(default_factory=Stragglers, description=str(Stragglers.__doc__))
    engine: Literal["edge"] = Field(
        default="edge", description="What carries the messages; 'edge' is fedbed's own link."
    )

    @field_validator("seeds")
    @classmethod
    def _unique(cls, seeds: Tuple[int, ...]) -> Tuple[int, ...]:
        return checks.unique(seeds)

    @model_validator(mode="after")
    def _check(self, info: ValidationInfo) -> Experiment:
        if not checks.is_stored(info):
            checks.shapes(self)
        checks.experiment(self)
        return self
