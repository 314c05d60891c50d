"""How a recipe gets its tickets, in words: for titles of tables and figures."""

from __future__ import annotations

from winnow.experiments.retraining import WAYS, switches, way
from winnow.from_recipe import timeline
from winnow.recipe import Pruning, Recipe, Retrain


def start(recipe: Recipe) -> str:
    """Where tickets start from.

    >>> from winnow.recipes import read
    >>> start(read("digits")), start(read("digits").edited({"retrain.how": "fine-tuning"}))
    ('from initialization', 'fine-tuning')
    """
    amounts = timeline(recipe)
    k = "from initialization" if amounts.rewind == 0 else f"rewound to {recipe.rewind}"
    if recipe.retrain == Retrain():
        return k
    length = "" if recipe.retrain.length == "rest" else f" for {recipe.retrain.length}"
    named = next((name for name, switched in WAYS.items() if switched == way(recipe.retrain)), None)
    names = {
        "weight-rewinding": k,
        "lr-rewinding": f"learning rate rewound to {recipe.rewind}",
        "fine-tuning": "fine-tuning",
        "scratch": "from scratch",
    }
    if named:
        return names[named] + length
    where = switches(recipe.retrain, amounts)
    weights = {"k": f"weights of {recipe.rewind}", "end": "weights going on", "init": "initial weights"}[where.weights]
    return f"{weights}, schedule from {where.start}it{length}"


def pruned(recipe: Recipe) -> str:
    """What is otherwise than in iterative pruning of single weights by magnitude at the end; empty where nothing is.

    >>> from winnow.recipes import read
    >>> pruned(read("digits")), pruned(read("digits").edited({"prune.score": "snip", "prune.at": "300it"}))
    ('', 'pruned by snip at 300it')
    """
    prune, usual = recipe.prune, Pruning()
    at = {"end": "", "rewind": "at the rewind point"}.get(str(prune.at), f"at {prune.at}")
    parts = [
        "" if prune.score == usual.score else f"by {prune.score}",
        at,
        {"weight": "", "unit": "by whole units"}.get(prune.granularity, prune.granularity),
        "" if prune.rounds == usual.rounds else "in one shot",
    ]
    return " ".join(["pruned", *filter(None, parts)]) if any(parts) else ""
