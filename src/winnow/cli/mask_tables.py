"""What masks say, as tables for a terminal."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

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
    columns = _overlap_columns(found)
    levels = found.levels()
    tables: list[Table | str] = []
    for start in range(0, len(columns), _MOST_OVERLAPS):
        table = _table()
        shown = list(columns)[start : start + _MOST_OVERLAPS]
        for column in ("level", "density", *shown):
            table.add_column(column, justify="right", no_wrap=True)
        for level, density in levels.items():
            cells = [_overlap(found, level, columns[name]) for name in shown]
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


def _overlap_columns(found: Anatomy) -> dict[str, dict[str, str]]:
    """What masks are compared with, by the column's name: the tickets' first. Levels of controls are in the CSV."""
    order = {"replicates": 0, "levels": 0, "noise": 0, "controls": 1}
    columns: dict[str, dict[str, str]] = {}
    for relation, control, other in sorted(found.comparisons(), key=lambda of: (of[1] != TICKET, order[of[0]])):
        if relation != "levels" or control == TICKET:
            words = {"replicates": "replicates", "levels": "level before", "controls": other, "noise": "other noise"}
            name = words[relation] if control == TICKET else f"{control}: {words[relation]}"
            columns[name] = {"relation": relation, "control": control, "other": other}
    return columns


def _overlap(found: Anatomy, level: int, named: dict[str, str]) -> str:
    jaccard, chance = (found.mean(metric, level, **named) for metric in ("jaccard", "chance_jaccard"))
    return "" if math.isnan(jaccard) else f"{jaccard:.3f} ({chance:.3f})"


def layers_tables(found: Anatomy) -> Group:
    """By layer and level, of the tickets: density, dead units, sign agreement. Means over replicates."""
    every = found.levels()
    levels = _spaced(list(every))
    left_out = "" if len(levels) == len(every) else f" (of {len(every)} levels; all with --out)"
    return Group(
        f"\nTickets by layer, means of the replicates{left_out}.",
        _by_layer(
            "density %",
            {layer: layer for layer in (*found.layers, "")},
            levels,
            lambda layer, level: in_percent(found.mean("density", level, layer=layer)),
        ),
        *_dead(found, levels),
        *_signs(found, levels),
    )


def _dead(found: Anatomy, levels: list[int]) -> list[Table | str]:
    if not found.is_network_here:
        away = "the network was handed over from Python as an object, which\nthis process does not have."
        return [f"\nDead units: not known, since {away}"]
    counts = {layer: found.mean("units", levels[0], layer=layer) for layer in found.layers}
    table = _by_layer(
        "dead units: without an incoming or without an outgoing weight",
        {layer: f"{layer}, {count:.0f}" for layer, count in counts.items() if not math.isnan(count)} | {"": ""},
        levels,
        lambda layer, level: f"{_over_layers(found, 'dead', level, layer):.1f}",
    )
    lacking = [_over_layers(found, metric, levels[-1]) for metric in ("no_incoming", "no_outgoing")]
    return [
        table,
        f"At level {levels[-1]}: {lacking[0]:.1f} lack incoming weights, {lacking[1]:.1f} outgoing ones.",
    ]


def _signs(found: Anatomy, levels: list[int]) -> list[Table | str]:
    if not any(found.values("sign_agreement", level) for level in levels):
        lost = "the trained weights were not kept. `--keep weights` keeps them."
        away = "trained or initial weights are not stored, and the network, which would draw these, is not here."
        return [f"\nSigns: not known, since {lost if found.is_network_here else away}"]

    def cell(layer: str, level: int) -> str:
        value = found.mean("sign_agreement", level, layer=layer)
        return "" if math.isnan(value) else f"{100 * value:.1f}"

    title = "remaining weights with the sign of their initialization, %"
    table = _by_layer(title, {layer: layer for layer in (*found.layers, "")}, levels, cell)
    if not found.without_states:
        return [table]
    return [table, f"Of {found.without_states} trainings the weights were not kept; they are left out."]


def _by_layer(title: str, names: Mapping[str, str], levels: list[int], cell: Callable[[str, int], str]) -> Table:
    """One line for each layer, by its name in the table, and one for all of them together, which is called so."""
    table = _table(title=f"\n{title}")
    table.add_column("layer", no_wrap=True)
    for level in levels:
        table.add_column(f"level {level}", justify="right", no_wrap=True)
    for layer, name in names.items():
        table.add_row(name or "all", *(cell(layer, level) for level in levels))
    return table


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
    if not found.is_network_here:
        return "\nNor is it known whether layers are close to collapse, which is told by their units."
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
