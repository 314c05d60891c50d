"""Controls: what a ticket is compared with. A control is one function from a ticket's place to a training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from winnow.errors import RecipeError, UnknownName
from winnow.experiments.retraining import way
from winnow.recipe import Recipe
from winnow.steps import Alter, Draw, Init, Prune, Train

ALL = "all"
"""What stands for every control in a recipe's `control`."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a ticket stands: all that a control may be made from."""

    ticket: Train
    """The ticket's own training, from the rewind point to the end, under its mask."""

    mask: Prune
    init: Init
    """The replicate's initialization."""

    dense: Train
    """The replicate's dense network, trained to the end."""

    extra: int
    """The iterations trained after the dense network to get here: those of every level behind the ticket, and its own.
    """

    replicates: int = 1
    """How many replicates the experiment has."""


Control = Callable[[Place], Train]

_CONTROLS: dict[str, Control] = {}
_OF_SEVERAL: set[str] = set()
_ON_WHOLE: set[str] = set()


def register_control(name: str, *, of_several: bool = False, on_whole: bool = False) -> Callable[[Control], Control]:
    """Add a control under the name by which a recipe's `control` finds it.

    `of_several` is whether it needs several replicates, `on_whole` whether it lays another mask on the weights that the
    ticket starts from, which then must all be there. `all` leaves it out where that is not so.
    """

    def add(control: Control) -> Control:
        _CONTROLS[name] = control
        if of_several:
            _OF_SEVERAL.add(name)
        if on_whole:
            _ON_WHOLE.add(name)
        return control

    return add


def controls() -> dict[str, Control]:
    """The controls by name."""
    return dict(_CONTROLS)


def named_control(name: str) -> Control:
    """The control of that name; raises UnknownName with the valid ones."""
    check_is_one("control", name)
    if name not in _CONTROLS:
        raise UnknownName("control", name, (*_CONTROLS, ALL))
    return _CONTROLS[name]


def check_is_one(what: str, name: str) -> None:
    """Raise RecipeError for a word that means that there shall be none."""
    if name.strip().lower() in ("", "none", "no"):
        raise RecipeError(
            f"{what} '{name}' names none. For none write `--{what}` with nothing after it; in a file, {what} = []."
        )


def chosen_controls(recipe: Recipe) -> dict[str, Control]:
    """The controls that a recipe's `control` names, each once; `all` names every one that it can have.

    Raises UnknownName, and RecipeError for one that it cannot have.

    >>> from winnow.recipes import read
    >>> list(chosen_controls(read("digits").edited({"control": ["random", "reinit", "random"]})))
    ['random', 'reinit']
    >>> list(chosen_controls(read("digits").edited({"control": ["all"]}))) == list(controls())
    True
    """
    starts_sparse = recipe.prune.rounds == "iterative" and way(recipe.retrain)[0] == "end"
    every = [
        name
        for name in _CONTROLS
        if not (name in _OF_SEVERAL and recipe.replicates == 1) and not (name in _ON_WHOLE and starts_sparse)
    ]
    chosen = {name: named_control(name) for each in recipe.control for name in (every if each == ALL else (each,))}
    for name in chosen:
        if starts_sparse and name in _ON_WHOLE:
            raise RecipeError(
                f"the control '{name}' lays another mask on the weights that a ticket starts from. Those are of the "
                f"training before here (retrain.weights 'end'): under its mask, most of the others are zero.\n"
                f"Rewind the weights (retrain.how 'weight-rewinding'), prune at once (prune.rounds 'one-shot'), or "
                f"leave the control out."
            )
    return chosen


@register_control("reinit")
def reinit(place: Place) -> Train:
    """The ticket's mask on weights drawn anew, trained from iteration 0 on the whole schedule.

    With a rewind point k > 0 it thus trains k iterations longer than the ticket. Each level draws its own
    weights. Source: LTH (arXiv 1803.03635), §2, "random reinitialization".
    """
    drawn_anew = replace(place.init, sample=place.mask.level)
    return replace(place.ticket, origin=drawn_anew, start=0, stop=place.dense.stop, fresh_optimizer=False)


@register_control("random", on_whole=True)
def random(place: Place) -> Train:
    """A random mask with the density of each of the ticket's layers, on the ticket's own W_k.

    It keeps how many weights remain in every layer, and nothing else of the mask. This is the random mask of SLTH
    (arXiv 1903.01611), §3, whose study trains the very same network; as a distribution it is also PAI's shuffled mask
    (arXiv 2009.08576, §5), which permutes a mask within its layers. A replicate's random masks are nested by level.
    """
    return _under(place, "layerwise")


@register_control("shuffle", on_whole=True)
def shuffle(place: Place) -> Train:
    """The ticket's mask permuted within each output unit (row of a matrix, filter), on the ticket's own W_k.

    It keeps more than `random`: how many inputs every unit has, which units are dead, and so each layer's density. It
    loses which inputs remain. A ticket of whole units is its own shuffle. Source: shuffling within filters, Frankle,
    Schwab & Morcos 2020 (arXiv 2002.10365), §5.2.
    """
    return _under(place, "units")


@register_control("random-global", on_whole=True)
def random_global(place: Place) -> Train:
    """A random mask of as many weights in all, uniform over the network, on the ticket's own W_k.

    It keeps the ticket's density alone: every layer's is about the same. Source: PAI (arXiv 2009.08576), §3.
    """
    return _under(place, "global")


@register_control("erdos-renyi", on_whole=True)
def erdos_renyi(place: Place) -> Train:
    """A random mask of as many weights in all, told to the layers as in Erdős-Rényi graphs, on the ticket's own W_k.

    Narrow layers are denser than wide ones; with the kernel's lengths for convolutions. Source: Mocanu et al. 2018
    (arXiv 1707.04780); Evci et al. 2020 (arXiv 1911.11134), §3.
    """
    return _under(place, "erdos-renyi")


@register_control("signs")
def signs(place: Place) -> Train:
    """The ticket's mask on the signs of its W_k, with one magnitude for all weights of a layer.

    The optimizer's buffers are the ticket's, so that only magnitudes differ. Source: Zhou et al. 2019 (arXiv
    1905.01067), §3.
    """
    return _altered(place, "signs")


@register_control("signs-shuffled")
def signs_shuffled(place: Place) -> Train:
    """As `signs`, with the signs of the weights that remain permuted within each layer.

    Where it falls behind `signs`, it is the signs that carry the ticket. Source: Zhou et al. 2019 (arXiv 1905.01067),
    §3, "random sign".
    """
    return _altered(place, "signs-shuffled")


@register_control("dense-longer")
def dense_longer(place: Place) -> Train:
    """The dense network, trained on for as many iterations as were trained after it to get the ticket.

    At level n of iterative pruning, n times T - k more. The learning rate stays that of the last iteration, and data
    orders go on. All levels are one training, which a finished run takes up from the last state kept in full.
    """
    return replace(place.dense, stop=place.dense.stop + place.extra)


def _under(place: Place, how: str) -> Train:
    """The ticket's training under a random mask after its own."""
    stream = 1 if how == "erdos-renyi" else 0  # of the same one it would have most weights of `random`'s
    mask = Draw(like=place.mask, how=how, seed=place.init.seed, replicate=place.init.replicate, sample=stream)
    return replace(place.ticket, mask=mask)


def _altered(place: Place, how: str) -> Train:
    """The ticket's training from altered weights."""
    ticket = place.ticket
    assert not isinstance(ticket.origin, Alter), "a ticket starts from weights as they are"
    origin = Alter(origin=ticket.origin, mask=place.mask, how=how, seed=place.init.seed, replicate=place.init.replicate)
    return replace(ticket, origin=origin)
