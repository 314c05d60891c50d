"""What masks say, as tables for a terminal."""

from __future__ import annotations

import math
from collections.abc import Callable

from rich.console import Group
from rich.table import Table

from winnow.anatomy import Anatomy, Limits
from winnow.experiments.experiment import TICKET
from winnow.results import in_percent

_MOST_COLUMNS = 6
"""Levels that a table of layers has room for; the CSV has them all."""

_MOST_OVERLAPS = 4

_MOST_WARNINGS = 12


def overlap_table(found: Anatomy) -> Group:
    """One line for each level: the overlap of its masks with others, and in brackets what chance would give."""
    recipe = found.experiment.recipe
    title = (
        f"{recipe.name} ({found.identity}): overlap of masks (Jaccard index), {recipe.replicates} replicates.\n"
        f"Means of all pairs; in brackets, exactly, that of independent random masks with\n"
        f"as many weights in every layer."
    )
    columns: dict[str, Callable[[int], tuple[float, float]]] = {}
    order = {"replicates": 0, "levels": 0, "noise": 0, "controls": 1}
    for relation, control, other in sorted(found.comparisons(), key=lambda of: (of[1] != TICKET, order[of[0]])):

        def both(
            level: int, relation: str = relation, control: str = control, other: str = other
        ) -> tuple[float, float]:
            named = {"relation": relation, "control": control, "other": other}
            return found.mean("jaccard", level, **named), found.mean("chance_jaccard", level, **named)

        if relation == "levels" and control != TICKET:
            continue  # the CSV has them
        prefix = "" if control == TICKET else f"{control}: "
        words = {"replicates": "replicates", "levels": "level before", "controls": other, "noise": "other noise"}
        columns[prefix + words[relation]] = both
    levels = found.levels()
    tables: list[Table | str] = []
    for start in range(0, len(columns), _MOST_OVERLAPS):
        table = _table()
        names = list(columns)[start : start + _MOST_OVERLAPS]
        for column in ("level", "density", *names):
            table.add_column(column, justify="right", no_wrap=True)
        for level, density in levels.items():
            cells = [_overlap(*columns[name](level)) for name in names]
            table.add_row(str(level), f"{in_percent(density)} %", *cells)
        tables += ["", table] if tables else [table]
    notes = [line] if (line := _against_chance(found, list(levels))) else []
    if recipe.prune.rounds == "iterative":
        notes.append("A level's masks lie within those before: their overlap is a ratio of densities.")
    if found.same:
        notes.append(f"Trained under tickets' masks, with none of their own: {', '.join(sorted(found.same))}.")
    if found.missing:
        notes.append(f"Not stored, and left out: {found.missing} of the masks that these options ask for.")
    if "other noise" not in columns:
        notes.append(
            "Under other noise: none, since no network of this run was trained under another\n"
            "sample of noise. `winnow stability` and `winnow instability` train some."
        )
    return Group(title, *tables, *notes)


def _against_chance(found: Anatomy, levels: list[int]) -> str:
    """How far the overlap of replicates is from chance at the deepest level that has pairs."""
    for level in reversed(levels):
        named = {"relation": "replicates", "other": TICKET}
        pairs = len(found.values("jaccard", level, **named))
        if pairs:
            overlap, chance, std = (found.mean(m, level, **named) for m in ("jaccard", "chance_jaccard", "chance_std"))
            of = f"mean of {pairs} pairs" if pairs > 1 else "one pair"
            return f"Replicates at level {level}: {overlap:.4f}, {of}; chance gives {chance:.4f} ± {std:.4f} a pair."
    return ""


def _overlap(jaccard: float, chance: float) -> str:
    return "" if math.isnan(jaccard) else f"{jaccard:.3f} ({chance:.3f})"


def layers_tables(found: Anatomy) -> Group:
    """By layer and level, of the tickets: density, dead units, sign agreement. Means over replicates."""
    every = found.levels()
    levels = _spaced(list(every))
    left_out = "" if len(levels) == len(every) else f" (of {len(every)} levels; all with --out)"

    def density(layer: str, level: int) -> str:
        return in_percent(found.mean("density", level, layer=layer))

    def dead(layer: str, level: int) -> str:
        return f"{_over_layers(found, 'dead', level, layer):.1f}"

    def signs(layer: str, level: int) -> str:
        value = found.mean("sign_agreement", level, layer=layer)
        return "" if math.isnan(value) else f"{100 * value:.1f}"

    blocks: list[Table | str] = [f"\nTickets by layer, means of the replicates{left_out}."]
    for title, cell in (
        ("density %", density),
        ("dead units: without an incoming or without an outgoing weight", dead),
        ("remaining weights with the sign of their initialization, %", signs),
    ):
        is_signs = cell is signs
        if is_signs and not any(found.values("sign_agreement", level) for level in levels):
            blocks.append("\nSigns: not known, since the trained weights were not kept. `--keep weights` keeps them.")
            continue
        table = _table(title=f"\n{title}")
        table.add_column("layer", no_wrap=True)
        for level in levels:
            table.add_column(f"level {level}", justify="right", no_wrap=True)
        told = [layer for layer in found.layers if cell is not dead or found.values("units", levels[0], layer=layer)]
        for layer in (*told, ""):
            count = f", {found.mean('units', levels[0], layer=layer):.0f}" if cell is dead and layer else ""
            table.add_row((layer or "all") + count, *(cell(layer, level) for level in levels))
        blocks.append(table)
        if cell is dead:
            lacking = [_over_layers(found, metric, levels[-1]) for metric in ("no_incoming", "no_outgoing")]
            blocks.append(
                f"At level {levels[-1]}: {lacking[0]:.1f} lack incoming weights, {lacking[1]:.1f} outgoing ones."
            )
        if is_signs and found.without_states:
            blocks.append(f"Of {found.without_states} trainings the weights were not kept; they are left out.")
    return Group(*blocks)


def _over_layers(found: Anatomy, metric: str, level: int, layer: str = "") -> float:
    """The mean of a count over replicates: of a layer, or of all that compute units together."""
    means = [found.mean(metric, level, layer=each) for each in ([layer] if layer else found.layers)]
    return sum(mean for mean in means if not math.isnan(mean))


def _spaced(levels: list[int]) -> list[int]:
    """At most so many of the levels, evenly, the first and the last among them."""
    if len(levels) <= _MOST_COLUMNS:
        return levels
    steps = [round(number * (len(levels) - 1) / (_MOST_COLUMNS - 1)) for number in range(_MOST_COLUMNS)]
    return [levels[step] for step in steps]


def warnings(found: Anatomy, limits: Limits) -> str:
    """The layers that come close to letting no signal pass, the worst of each layer."""
    collapsing = found.collapsing(limits)
    stated = (
        f"fewer than {limits.weights_per_unit:g} weights a unit, or below "
        f"{100 * limits.relative_density:g} % of the mask's density"
    )
    if not collapsing:
        return f"\nNo layer is close to collapse ({stated})."
    lines = [f"\nLayers close to collapse ({stated}):"]
    by_layer: dict[tuple[str, str], list[int]] = {}
    for each in collapsing:
        by_layer.setdefault((each.control, each.layer), []).append(each.level)
    for control, layer in list(by_layer)[:_MOST_WARNINGS]:
        worst = min(
            (each for each in collapsing if (each.control, each.layer) == (control, layer)),
            key=lambda each: each.weights_per_unit,
        )
        lines.append(
            f"  {control}, {layer}: from level {min(by_layer[control, layer])} on; at level {worst.level} down to "
            f"{worst.weights_per_unit:.2f} weights a unit, {100 * worst.relative_density:.0f} % of the mask's density"
        )
    if len(by_layer) > _MOST_WARNINGS:
        lines.append(f"  and {len(by_layer) - _MOST_WARNINGS} more")
    return "\n".join(lines)


def _table(title: str | None = None) -> Table:
    return Table(title=title, title_justify="left", box=None, pad_edge=False)
