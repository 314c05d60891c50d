"""A recipe: everything that defines an experiment, as frozen, validated data.

A recipe is read from TOML (`read`, `from_toml`), written back (`to_toml`), and derived by editing another
(`Recipe.edited`). It holds values in the units people write; experiments turn them into iterations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from decimal import Decimal
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, model_validator

from winnow.errors import RecipeError
from winnow.pattern import Pattern
from winnow.timeline import Amount, Written
from winnow.validation import validated

# Strict: `batch = true` is a slip, not 1, and `batch = "60"` is text.
Number = Annotated[float, Field(strict=True)]
Fraction01 = Annotated[Number, Field(gt=0, lt=1)]
Positive = Annotated[Number, Field(gt=0)]
NotNegative = Annotated[Number, Field(ge=0)]
Whole = Annotated[int, Field(strict=True)]
Count = Annotated[Whole, Field(ge=1)]

LayerKind = Literal["conv", "linear", "output", "attention", "embedding"]
"""The kinds of prunable layer. `output` is the last linear layer, which the papers prune at half the rate."""

ITERATIONS_0 = Amount.parse("0it")


def _amount_or(*words: str) -> BeforeValidator:
    return BeforeValidator(lambda written: written if written in words else Amount.parse(written))


Rewind = Annotated[Literal["auto"] | Amount, _amount_or("auto"), PlainSerializer(str)]
"""An amount of training, or "auto"."""

RankedAt = Annotated[Literal["end", "rewind"] | Amount, _amount_or("end", "rewind"), PlainSerializer(str)]
"""An amount of training, its end, or the rewind point."""

Length = Annotated[Literal["rest"] | Amount, _amount_or("rest"), PlainSerializer(str)]
"""An amount of training, or what is left of it."""


@validated
class Data:
    """The examples a network is trained, validated and tested on."""

    name: str = "digits"
    """Which data set, as `winnow data list` names it. Or one's own: `npz:FILE`, `hf:FOLDER` (a Hugging Face dataset
    saved to disk), `package.module:function` or `path/file.py:function`."""

    validation: Count = 200
    """How many training examples are held out for validation. The papers: 5000 (LTH, §2 and §3)."""

    mean: tuple[Number, ...] | None = None
    """Subtracted from each channel, after scaling to [0, 1]. Left out: nothing is subtracted."""

    std: tuple[Positive, ...] | None = None
    """What each channel is divided by, after the mean is subtracted. Left out: 1."""

    augment: tuple[Literal["flip", "crop", "resized-crop"], ...] = ()
    """How training images are varied: mirrored at random, cut at random after padding by 4 pixels; or, images on disk,
    a part of random size and shape (Szegedy et al. 2015, arXiv 1409.4842, §6)."""

    size: Count | None = None
    """The side of images on disk, in pixels, once they are cut. Left out: 224."""

    corrupt: Literal["skip"] | None = None
    """`skip`: images in a folder that `winnow data check` found to be corrupt are each replaced by the next one. Left
    out: a corrupt image is an error where it is met."""


@validated
class Model:
    """The network."""

    name: str = "lenet-300-100"
    """A family and its sizes: `lenet-300-100` (hidden units), `conv-4` (convolutional layers). Or one from elsewhere:
    `package.module:function`, `path/file.py:function`, `timm:NAME`, `torchvision:NAME`, `transformers:CONFIG.json`,
    with settings in parentheses: `timm:vit_tiny_patch16_224(img_size=32, patch_size=4)`."""

    init: Literal["glorot-normal", "kaiming-normal", "own"] = "glorot-normal"
    """How kernels are drawn: Gaussian Glorot (LTH, Fig. 2) or Kaiming, with biases at zero; or as the network's own
    code initializes it, under a seed of Winnow's."""


@validated
class Train:
    """How long the network is trained, on how much at a time, and how often it is looked at."""

    length: Written = Amount.parse("600it")
    """T, the whole length of training. A ticket rewound to k trains for T - k."""

    batch: Count = 60
    """Examples per iteration. An epoch's last partial batch is dropped."""

    evaluate: Written = Amount.parse("100it")
    """How often validation and test loss and accuracy are taken. Early stopping is found on this grid."""

    task: str = "classification"
    """What outputs are held against: `classification`; `regression` (squared error, R²); `tokens` (the next token at
    every position); or one's own, `package.module:function` or `path/file.py:function`, which gives a
    `winnow.training.Task`."""

    precision: Literal["float32", "bfloat16"] = "float32"
    """In what the network computes. Weights, masks, pruning and distances are float32 in either."""

    label_smoothing: Annotated[Number, Field(ge=0, lt=1)] = 0.0
    """How much of each target is spread evenly over all classes, in training alone; evaluation is of plain
    cross-entropy (Szegedy et al. 2016, arXiv 1512.00567, §7)."""

    auxiliary: Positive | None = None
    """What the loss of an auxiliary classifier counts beside the network's own, in training. For networks that have
    one, such as `inception-3`."""

    accumulate: Count = 1
    """Into how many parts a batch is split, one after the other in memory; their gradients are averaged. Where there is
    batch norm, it normalizes each part by itself."""

    batch_norm: Literal["synchronized", "local"] = "synchronized"
    """Where several processes train together: whether batch normalization takes its statistics over the whole batch, as
    one process would, or each over its own share: faster, but another training for each number of processes."""


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

    attention: Fraction01 | None = None
    """Projections of attention: queries, keys, values and what follows them. Left out: as linear layers."""

    embedding: Fraction01 | None = None
    """Embeddings, and output layers that share their weights."""


def _each_once(given: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(set(given)))


Patterns = Annotated[tuple[str, ...], AfterValidator(_each_once)]
"""A set of names: in which order, and how often, they are written makes no other experiment."""


@validated
class Pruning:
    """What each round removes."""

    rate: Rates = Rates(linear=0.2, output=0.1)

    scope: Literal["global", "layerwise"] = "layerwise"
    """Whether layers compete: deep networks need `global` (LTH, §4), or small layers become bottlenecks."""

    rounds: Literal["iterative", "one-shot"] = "iterative"
    """Whether a level prunes the level before it, retrained, or the dense network at once."""

    score: str = "magnitude"
    """What ranks the weights; the lowest go: `magnitude`, `magnitude-change`, `movement`, `gradient-x-weight`,
    `random`; `snip`, `grasp` and `synflow`, which are made for initialization; or a function of your own, as
    `path/to/file.py:function`."""

    at: RankedAt = "end"
    """When weights are ranked: at the end of training; after so much of it, k at the least, which is cheaper, since
    only levels in `train_levels` are trained on; or at the `rewind` point itself, without training, one-shot."""

    train_levels: tuple[Count, ...] | None = None
    """The levels whose tickets are trained to the end, where ranking their weights does not need it. Left out: all."""

    granularity: str = "weight"
    """What is removed in one piece: a `weight`; all but N of every M weights along the inputs, as `2:4`, which has one
    level; or a whole output `unit` (a row, a filter)."""

    exclude: Patterns = ()
    """Parameters that are never pruned, by name or pattern: `"*.shortcut.*"`."""

    include: Patterns = ()
    """Parameters that are pruned though they would not be by their kind, by name or pattern, at the rate of their kind
    or else of linear layers. `winnow inspect` shows what is pruned and why. `exclude` has the last word."""

    densities: tuple[Fraction01, ...] | None = None
    """The fraction of the weights that remains at level 1, 2 and so on, in place of `rate`; kernels of all kinds are
    pruned then. Left out: `rate` says what remains."""

    @model_validator(mode="after")
    def _densities_fall_and_stand_alone(self) -> Pruning:
        if self.densities is None:
            return self
        if not self.densities:
            raise RecipeError(
                "densities is an empty list. Give one for each level, such as [0.7, 0.5], or leave it out."
            )
        if self.rate != Rates(linear=0.2, output=0.1):
            raise RecipeError("densities and rate both say how much is pruned. Leave one of them out.")
        if list(self.densities) != sorted(set(self.densities), reverse=True):
            raise RecipeError(f"densities are {list(self.densities)}; each must be below the one before.")
        return self

    @model_validator(mode="after")
    def _something_is_pruned_at_one_rate_where_layers_compete(self) -> Pruning:
        kinds = (self.rate.conv, self.rate.linear, self.rate.output, self.rate.attention, self.rate.embedding)
        rates = {rate for rate in kinds if rate is not None}
        if not rates:
            raise RecipeError("every rate is left out, so nothing would be pruned. Give rate.conv or rate.linear.")
        if self.scope == "global" and len(rates) > 1 and not self.densities:
            raise RecipeError(
                f"scope 'global' ranks all layers together, at one rate; given were {sorted(rates)}.\n"
                f"Give each kind the same rate, leave kinds out, or use scope 'layerwise'."
            )
        return self

    @model_validator(mode="after")
    def _what_is_trained_and_removed_is_consistent(self) -> Pruning:
        if Pattern.parse(self.granularity) and self.densities:
            raise RecipeError(
                f"granularity is '{self.granularity}', which has one density, and densities are "
                f"{list(self.densities)}. Leave one of them out."
            )
        if self.granularity == "unit" and self.rate.output is not None:
            raise RecipeError(
                "granularity 'unit' would remove classes from the output layer. Leave rate.output out "
                "(on the command line: --prune.rate.output None)."
            )
        if self.at == "rewind" and self.rounds == "iterative":
            raise RecipeError(
                "at is 'rewind', so weights are ranked before any training, and there is nothing between rounds.\n"
                "Give rounds = 'one-shot': each level's mask is made from the whole network."
            )
        if self.train_levels is not None and self.at == "end" and self.rounds == "iterative":
            raise RecipeError(
                "train_levels spares training that ranking needs here: at the end, iteratively.\n"
                "Leave it out, or give an earlier prune.at, or rounds = 'one-shot'."
            )
        return self

    def rate_at(self, level: int) -> Rates:
        """What is removed to reach a level: per round, or, where densities are given, at once."""
        if not self.densities:
            return self.rate
        removed = float(1 - Decimal(repr(self.densities[level - 1])))  # 0.7 of 0.3, not 0.7000000000000001
        return Rates(conv=removed, linear=removed, output=removed)


@validated
class Retrain:
    """How a ticket is trained: where its weights come from, where the schedule starts, and for how long.

    Source: the three switches of Renda, Frankle & Carbin 2020 (arXiv 2003.02389), §2.
    """

    how: Literal["weight-rewinding", "lr-rewinding", "fine-tuning", "scratch"] = "weight-rewinding"
    """Weights and schedule set back to k; the schedule alone, weights going on from the training before; neither,
    at the last learning rate; or both to iteration 0, for as long as the dense network trained."""

    weights: Literal["k", "end", "init"] | None = None
    """The weights a ticket starts with: those at k, those at the end of the training before, or W_0. Left out: as
    `how` says. The optimizer's buffers are those saved with them, unless optimizer.at_rewind is "fresh"."""

    schedule: Literal["k", "end", "init"] | None = None
    """Where learning rate and data order start: at k, at the end (the last rate, new data orders), or at 0. Left out:
    as `how` says."""

    length: Length = "rest"
    """For how long: what is left of the schedule; from its end, as long as from k. The control `reinit` and rivals
    train the whole length nevertheless."""


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


def _without_commas(written: object) -> object:
    """`gmp,set` on a command line as it is in a file: ["gmp", "set"]."""
    if not isinstance(written, (list, tuple)):
        return written
    words: list[object] = []
    for word in cast("Sequence[object]", written):
        if isinstance(word, str) and "," in word:
            words += [part.strip() for part in word.split(",") if part.strip()]
        else:
            words.append(word)
    return tuple(words)


def _a_name(written: str) -> str:
    if not written.strip():
        raise RecipeError("a name is wanted to tell experiments apart, and this one is empty. Give one: 'mine'.")
    if not written.isprintable():
        raise RecipeError(f"{written!r} has a line break, or another character that cannot be shown. Leave it out.")
    return written


Name = Annotated[str, AfterValidator(_a_name)]
"""Printable, since it stands in tables and figures."""

Names = Annotated[tuple[str, ...], BeforeValidator(_without_commas)]
"""Names of controls or rivals."""


@validated
class Dynamic:
    """How the masks of rivals change while they train."""

    every: Written = Amount.parse("1%")
    """How often masks are updated."""

    start: Written = ITERATIONS_0
    """After how much of training gradual pruning (gmp) begins; the first update is `every` later."""

    end: Written = Amount.parse("75%")
    """When masks are final: the last update of gmp; set and rigl make none from there on. RigL's authors take three
    quarters of training (arXiv 1911.11134, §4)."""

    drop: Fraction01 = 0.3
    """Which fraction of the weights an update of set or rigl replaces by others: always of set, at first of rigl,
    whose fraction falls as a cosine. The papers: 0.3."""

    distribution: Literal["recipe", "uniform", "erdos-renyi"] | None = None
    """How many weights each layer keeps, of as many in all as the tickets of a level: as the recipe's rates leave them,
    the same density in each, or denser in narrow layers. Left out: recipe for gmp, erdos-renyi for set and rigl."""


@validated
class Recipe:
    """Everything that defines an experiment.

    >>> from winnow.recipe import Recipe
    >>> Recipe(name="mine", levels=3).edited({"train.length": "2ep"}).train.length
    Amount(value=Fraction(2, 1), unit='ep')
    """

    name: Name = "untitled"
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

    control: Names = ()
    """What tickets are compared with: `reinit`, `random`, `shuffle`, `random-global`, `erdos-renyi`, `signs`,
    `signs-shuffled`, `dense-longer`, `swap`; or `all`."""

    rival: Names = ()
    """Other ways to the densities of the tickets, in one training of the whole length for each: `gmp` prunes gradually
    (Zhu & Gupta, arXiv 1710.01878), `set` and `rigl` are sparse throughout and move their weights (arXiv 1707.04780,
    1911.11134)."""

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
    retrain: Retrain = field(default_factory=Retrain)
    dynamic: Dynamic = field(default_factory=Dynamic)
    matching: Matching = field(default_factory=Matching)
    onset: Onset = field(default_factory=Onset)

    @model_validator(mode="after")
    def _every_level_has_a_density(self) -> Recipe:
        given = len(self.prune.densities or ())
        if given and self.levels > given:
            raise RecipeError(
                f"levels is {self.levels}, but prune.densities has {given}. Give levels = {given} or less."
            )
        return self

    def edited(self, changes: dict[str, Any]) -> Recipe:
        """This recipe with some fields changed, each given by its path: {"train.batch": 128}."""
        from winnow.recipes.toml import edited

        return edited(self, changes)
