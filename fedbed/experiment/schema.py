"""The experiment file: every key with its type, its default, its unit and one sentence.

With `federation.py`, this is the only definition. The reference in docs/experiment.md is generated
from it (`python -m fedbed.experiment.docs`), and so are the "allowed" parts of error messages.
"""

from __future__ import annotations

from typing import Annotated, Any, Dict, Literal, Tuple

from pydantic import Field, Strict, ValidationInfo, field_validator, model_validator

from fedbed.experiment import checks, consistency
from fedbed.experiment.base import BatchSize, Name, Section
from fedbed.experiment.federation import Adversaries, Federation, Screening, Stragglers
from fedbed.tasks.schedule import learning_rate

UpProfile = Literal["raw", "exact", "bf16", "int8", "small"]
# Of a model itself, an eighth is no use.
DownProfile = Literal["raw", "exact", "bf16", "int8"]
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
    hold: int = Field(
        default=0,
        ge=0,
        le=100_000,
        description="Number of rounds after those in which 'cosine' keeps the full learning rate.",
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

    def rate(self, server_round: int, rounds: int, lr: float | None = None) -> float:
        """Return the learning rate of a round, 1 to `rounds`; `lr` stands in for our own."""
        lr = self.lr if lr is None else lr
        return learning_rate(
            lr, self.schedule, self.lr_decay, server_round, rounds, self.warmup, self.hold
        )

    @model_validator(mode="after")
    def _check(self) -> Optimizer:
        checks.optimizer(self)
        return self


class Centralised(Section):
    """The twin: one machine learns with the same model, initial weights, samples and test set."""

    enabled: bool = Field(
        default=True, description="Whether the coordinator trains the centralised twin too."
    )
    batch_size: BatchSize | None = Field(
        default=None,
        description="Samples in each of its steps, where other steps suit one machine than suit "
        "nodes whose updates are averaged; null: `federation.batch_size`.",
    )
    lr: Annotated[float, Field(gt=0, le=1000)] | None = Field(
        default=None, description="Its learning rate; null: `optimizer.lr`."
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

    @property
    def twin_batch_size(self) -> int:
        """Samples in a step of the centralised twin."""
        return self.centralised.batch_size or self.federation.batch_size

    @property
    def twin_lr(self) -> float:
        """Learning rate of the centralised twin, before schedule and decay."""
        return self.centralised.lr or self.optimizer.lr

    @model_validator(mode="after")
    def _check(self, info: ValidationInfo) -> Experiment:
        if not checks.is_stored(info):
            consistency.shapes(self)
        consistency.experiment(self)
        return self
