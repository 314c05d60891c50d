"""A recipe: everything that defines an experiment, as frozen, validated data.

A recipe is read from TOML (`read`, `from_toml`), written back (`to_toml`), and derived by editing another
(`Recipe.edited`). It holds values in the units people write; experiments turn them into iterations.
"""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from winnow.errors import RecipeError
from winnow.timeline import Amount, Written
from winnow.validation import validated

# Strict: `batch = true` is a slip, not 1, and `batch = "60"` is text.
Number = Annotated[float, Field(strict=True)]
Fraction01 = Annotated[Number, Field(gt=0, lt=1)]
Positive = Annotated[Number, Field(gt=0)]
NotNegative = Annotated[Number, Field(ge=0)]
Whole = Annotated[int, Field(strict=True)]
Count = Annotated[Whole, Field(ge=1)]

LayerKind = Literal["conv", "linear", "output"]
"""The kinds of prunable layer. `output` is the last linear layer, which the papers prune at half the rate."""

ITERATIONS_0 = Amount.parse("0it")


def _amount_or_auto(written: object) -> object:
    return written if written == "auto" else Amount.parse(written)


Rewind = Annotated[Literal["auto"] | Amount, BeforeValidator(_amount_or_auto), PlainSerializer(str)]
"""An amount of training, or "auto"."""


@validated
class Data:
    """The examples a network is trained, validated and tested on."""

    name: str = "digits"
    """Which data set, as `winnow data list` names it."""

    validation: Count = 200
    """How many training examples are held out for validation. The papers: 5,000 (LTH, §2 and §3)."""

    mean: tuple[Number, ...] | None = None
    """Subtracted from each channel, after scaling to [0, 1]. Left out: nothing is subtracted."""

    std: tuple[Positive, ...] | None = None
    """What each channel is divided by, after the mean is subtracted. Left out: 1."""

    augment: tuple[Literal["flip", "crop"], ...] = ()
    """How training images are varied: mirrored at random, cut at random after padding by 4 pixels."""


@validated
class Model:
    """The network."""

    name: str = "lenet-300-100"
    """A family and its sizes: `lenet-300-100` (hidden units), `conv-4` (convolutional layers)."""

    init: Literal["glorot-normal", "kaiming-normal"] = "glorot-normal"
    """How kernels are drawn: Gaussian Glorot (LTH, Fig. 2) or Kaiming. Biases start at zero."""


@validated
class Train:
    """How long the network is trained, on how much at a time, and how often it is looked at."""

    length: Written = Amount.parse("600it")
    """T, the whole length of training. A ticket rewound to k trains for T - k."""

    batch: Count = 60
    """Examples per iteration. An epoch's last partial batch is dropped."""

    evaluate: Written = Amount.parse("100it")
    """How often validation and test loss and accuracy are taken. Early stopping is found on this grid."""

    precision: Literal["float32", "bfloat16"] = "float32"
    """In what the network computes. Weights, masks, pruning and distances are float32 in either."""


@validated
class Optimizer:
    """How gradients become updates."""

    name: Literal["sgd", "adam", "rmsprop"] = "adam"
    """Stochastic gradient descent, Adam (Kingma & Ba 2015, arXiv 1412.6980), or RMSprop (Tieleman & Hinton 2012)."""

    learning_rate: Positive = 1.2e-3
    """The rate before warmup and drops apply."""

    momentum: Annotated[Number, Field(ge=0, lt=1)] = 0.0
    """Heavy-ball momentum of SGD and of RMSprop. Adam has its own (beta1)."""

    nesterov: Annotated[bool, Field(strict=True)] = False
    """Whether SGD's momentum looks ahead (Nesterov; as in Sutskever et al. 2013)."""

    beta1: Annotated[Number, Field(ge=0, lt=1)] = 0.9
    """Adam's decay of the gradient's running mean."""

    beta2: Annotated[Number, Field(ge=0, lt=1)] = 0.999
    """Adam's decay of the squared gradient's running mean."""

    smoothing: Annotated[Number, Field(ge=0, lt=1)] = 0.9
    """RMSprop's decay of the squared gradient's running mean."""

    epsilon: Positive = 1e-8
    """Added to the denominator of Adam and of RMSprop, after the root."""

    weight_decay: NotNegative = 0.0
    """The L2 penalty's factor; it is added to the gradient, of every parameter but those in `no_decay`."""

    no_decay: tuple[str, ...] = ()
    """Parameters that weight decay leaves alone: `bias` (all of them), `norm` (all of normalizations), or patterns of
    names such as `"*.shortcut.*"`. The papers decay every parameter."""

    clip: Positive | None = None
    """The greatest L2 norm of a training's whole gradient; a longer one is scaled to it. Left out: none is."""

    at_rewind: Literal["restored", "fresh"] = "restored"
    """The optimizer's buffers when training restarts from the rewind point: those saved at k, or zeros."""

    @model_validator(mode="after")
    def _no_setting_without_effect(self) -> Optimizer:
        if self.name == "adam" and self.momentum:
            raise RecipeError("momentum belongs to 'sgd' and 'rmsprop'; Adam's is called beta1. Leave one of them out.")
        if self.name == "sgd" and (self.beta1, self.beta2, self.epsilon) != (0.9, 0.999, 1e-8):
            raise RecipeError("beta1, beta2 and epsilon belong to 'adam'; SGD has momentum.")
        if self.name == "rmsprop" and (self.beta1, self.beta2) != (0.9, 0.999):
            raise RecipeError("beta1 and beta2 belong to 'adam'; RMSprop has momentum and smoothing.")
        if self.name != "rmsprop" and self.smoothing != 0.9:
            raise RecipeError(f"smoothing belongs to 'rmsprop', and the optimizer is '{self.name}'. Leave it out.")
        if self.nesterov and self.name != "sgd":
            raise RecipeError(f"nesterov belongs to 'sgd', and the optimizer is '{self.name}'. Leave it out.")
        if self.nesterov and not self.momentum:
            raise RecipeError("nesterov changes how momentum is used, and momentum is 0. Give momentum, such as 0.9.")
        if self.no_decay and not self.weight_decay:
            raise RecipeError("no_decay names parameters to leave out of weight_decay, which is 0. Give weight_decay.")
        return self


@validated
class Schedule:
    """The learning rate as a function of the iteration alone, so that a rewound ticket continues it from k."""

    decay: Literal["step", "linear", "exponential", "cosine"] = "step"
    """How the rate falls after warmup: in `drops`, or smoothly to `final`, which it reaches as training ends."""

    warmup: Written = ITERATIONS_0
    """How long the rate rises linearly: iteration i trains at (i + 1) / warmup of it, so none trains at zero."""

    drops: tuple[Written, ...] = ()
    """When the rate is multiplied by `factor`, each in turn."""

    factor: Fraction01 = 0.1
    """What each drop multiplies the rate by."""

    final: NotNegative | None = None
    """The rate that linear, exponential or cosine decay leads to. Left out: 0, which an exponential never reaches."""

    @model_validator(mode="after")
    def _drops_or_a_final_rate(self) -> Schedule:
        if self.decay == "step":
            if self.final is not None:
                raise RecipeError(
                    f"final is {self.final:g}, but with decay = 'step' the rate ends where its drops lead.\n"
                    f"Leave final out, or give decay = 'linear', 'exponential' or 'cosine'."
                )
        elif self.drops or self.factor != 0.1:
            raise RecipeError(
                f"drops and factor belong to decay = 'step', and it is '{self.decay}', which leads to final."
            )
        elif self.decay == "exponential" and not self.final:
            raise RecipeError("exponential decay never reaches zero. Give final, a rate above 0, such as 6.6e-5.")
        return self


@validated
class Rates:
    """The fraction of the remaining weights removed per round, by kind of layer. A kind left out is never pruned."""

    conv: Fraction01 | None = None
    """Convolutions."""

    linear: Fraction01 | None = None
    """Linear layers but the last."""

    output: Fraction01 | None = None
    """The last linear layer."""


@validated
class Pruning:
    """What each round removes."""

    rate: Rates = Rates(linear=0.2, output=0.1)

    scope: Literal["global", "layerwise"] = "layerwise"
    """Whether layers compete: deep networks need `global` (LTH, §4), or small layers become bottlenecks."""

    rounds: Literal["iterative", "one-shot"] = "iterative"
    """Whether a level prunes the level before it, retrained, or the dense network at once."""

    score: str = "magnitude"
    """What ranks the weights; the lowest go."""

    exclude: tuple[str, ...] = ()
    """Parameters that are never pruned, by name or pattern: `"*.shortcut.*"`."""

    @model_validator(mode="after")
    def _something_is_pruned_at_one_rate_where_layers_compete(self) -> Pruning:
        rates = {rate for rate in (self.rate.conv, self.rate.linear, self.rate.output) if rate is not None}
        if not rates:
            raise RecipeError("every rate is left out, so nothing would be pruned. Give rate.conv or rate.linear.")
        if self.scope == "global" and len(rates) > 1:
            raise RecipeError(
                f"scope 'global' ranks all layers together, at one rate; given were {sorted(rates)}.\n"
                f"Give each kind the same rate, leave kinds out, or use scope 'layerwise'."
            )
        return self


@validated
class Matching:
    """When a ticket counts as training to the accuracy of the dense network."""

    tolerance: Literal["std"] | NotNegative = "std"
    """How far below the dense mean still matches: one standard deviation of the dense replicates, or points."""

    at: Literal["end", "early-stop"] = "end"
    """Which accuracy is compared: at the end of training, or at the iteration of least validation loss."""

    on: Literal["test", "validation"] = "test"
    """Which examples the accuracy is taken on."""


@validated
class Onset:
    """How the rewind point is found where `rewind` is "auto": the least k from which training is stable."""

    by: Literal["instability", "pruning", "data-order"] = "instability"
    """What must be small: the error barrier between children of W_k (LMC, arXiv 1912.05671), or the angle of
    stability to pruning or to data order (SLTH, arXiv 1903.01611), which need a density."""

    threshold: Positive | None = None
    """Below what k counts as stable: points of test error for instability (left out: 2, as in LMC), degrees for
    the others, where the papers state none."""

    density: Fraction01 | None = None
    """Of which subnetworks, at the nearest level. Left out: of the dense network, which is stable later than they are
    (LMC, §3-4) and needs no pruning at every k that is tried."""

    until: Written = Amount.parse("20%")
    """The largest k that is tried."""

    resolution: Annotated[Number, Field(gt=1)] = 2.0
    """The ratio of one k that may be tried to the next, and so how exactly the onset is found."""

    samples: Annotated[Whole, Field(ge=2)] = 2
    """Children of each W_k; all pairs of them are compared."""

    points: Annotated[Whole, Field(ge=3)] = 30
    """Points on the line between two children, both ends among them; for instability. LMC: 30."""

    examples: Count = 10_000
    """Of how many training examples, at most, error on the line is taken, and batch norm's statistics; for instability.
    Test examples are all taken."""

    most_replicates: Count | None = None
    """Up to how many replicates are trained where the confidence interval over those there are is not clear of the
    threshold. Left out: none are added, and the mean decides."""

    @model_validator(mode="after")
    def _what_the_papers_leave_open_is_stated(self) -> Onset:
        if self.by != "instability" and (self.density is None or self.threshold is None):
            raise RecipeError(
                f"onset by '{self.by}' needs a density, since a mask is what it measures, and a threshold in degrees, "
                f"since the papers state none.\nGive both, such as density = 0.107 and threshold = 25."
            )
        return self

    @property
    def limit(self) -> float:
        """The threshold, in the unit that is measured in: a fraction of test error, or degrees."""
        if self.by == "instability":
            return (2.0 if self.threshold is None else self.threshold) / 100
        assert self.threshold is not None
        return self.threshold


@validated
class Recipe:
    """Everything that defines an experiment.

    >>> from winnow.recipe import Recipe
    >>> Recipe(name="mine", levels=3).edited({"train.length": "2ep"}).train.length
    Amount(value=Fraction(2, 1), unit='ep')
    """

    name: str = "untitled"
    """What the experiment is called in tables and figures."""

    about: str = ""
    """One line: what it is and where it comes from."""

    levels: Count = 15
    """How many times to prune; level 0 is the dense network."""

    replicates: Count = 5
    """Independent repetitions, each with its own initialization and noise."""

    rewind: Rewind = ITERATIONS_0
    """k, the iteration whose weights every ticket restarts from. 0it is initialization (vanilla IMP); auto is the
    onset of stability, found first."""

    control: tuple[str, ...] = ()
    """What tickets are compared with: `reinit`."""

    seed: Whole = 0
    """Where all randomness comes from, with the replicate and the role."""

    deterministic: Annotated[bool, Field(strict=True)] = False
    """Whether results are the same to the bit each time, on one machine and number of threads. Lanes train singly."""

    data: Data = field(default_factory=Data)
    model: Model = field(default_factory=Model)
    train: Train = field(default_factory=Train)
    optimizer: Optimizer = field(default_factory=Optimizer)
    schedule: Schedule = field(default_factory=Schedule)
    prune: Pruning = field(default_factory=Pruning)
    matching: Matching = field(default_factory=Matching)
    onset: Onset = field(default_factory=Onset)

    def edited(self, changes: dict[str, Any]) -> Recipe:
        """This recipe with some fields changed, each given by its path: {"train.batch": 128}."""
        from winnow.recipes.toml import edited

        return edited(self, changes)
