"""One HTML page that holds everything: it opens from disk, and asks nothing of the network."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from winnow.handed import has_objects
from winnow.recipe import Recipe
from winnow.recipes import to_toml
from winnow.report.asked import bundled, own_file
from winnow.report.chart import Chart
from winnow.report.html import Markup, element, resource
from winnow.report.parts import Part
from winnow.report.svg import svg
from winnow.report.table import Table
from winnow.report.values import values_table
from winnow.report.verdict import Fact, Verdict
from winnow.store.manifest import winnow_version


@dataclass(frozen=True, kw_only=True)
class Opening:
    """What a page says before its parts, such as how a reproduction compares with the paper."""

    title: str
    deck: str
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()


def page(parts: Sequence[Part], *, opening: Opening, extra: Sequence[Chart] = (), refresh: int | None = None) -> str:
    """The page: the opening, figures over several parts (`extra`), then part by part.

    With `refresh`, the page loads itself again every so many seconds.
    """
    numbers = _Numbers()
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", http_equiv="refresh", content=str(refresh)) if refresh else None,
        element("title", f"{opening.title} · Winnow"),
        element("style", resource("chart.css"), resource("page.css")),
    )
    main = element(
        "main",
        *(_table(table) for table in opening.tables),
        _notes(opening.notes),
        _figures(extra, numbers) if extra else None,
        *(_part(part, title, numbers) for part, title in zip(parts, _titles(parts), strict=True)),
        id="content",
    )
    body = element(
        "body",
        element("a", "Skip to the results", href="#content", class_="skip"),
        _header(parts, opening, refresh),
        main,
        _footer(parts),
        element("div", class_="tip", id="tip", role="status", aria_live="polite", hidden=True),
        element("script", resource("page.js")),
    )
    return "<!doctype html>\n" + element("html", head, body, lang="en") + "\n"


class _Numbers:
    """Counts figures and tables through the page."""

    def __init__(self) -> None:
        self._counts = {"Figure": 0, "Table": 0}

    def next(self, what: str) -> str:
        """The next number of a kind."""
        self._counts[what] += 1
        return f"{what} {self._counts[what]}"


def _header(parts: Sequence[Part], opening: Opening, refresh: int | None) -> Markup:
    done = sum(part.made.stored for part in parts)
    wanted = sum(len(part.made.wanted) for part in parts)
    live = f"Live: {done:,} of {wanted:,} trainings are stored. This page loads itself again every {refresh} seconds."
    links = [
        element("li", element("a", title, href=f"#{part.name}"), Markup(" "), element("small", part.kind))
        for part, title in zip(parts, _titles(parts), strict=True)
    ]
    return element(
        "header",
        element("p", "Winnow", class_="kicker"),
        element("h1", opening.title),
        element("p", opening.deck, class_="deck"),
        element("p", live, class_="live") if refresh else None,
        element("nav", element("ol", *links), aria_label="Experiments") if len(parts) > 1 else None,
    )


def _titles(parts: Sequence[Part]) -> list[str]:
    """The parts' titles; those of one title with the end of their identity, as in figures over several parts."""
    count = Counter(part.title for part in parts)
    return [
        part.title if count[part.title] == 1 else f"{part.title}, {part.identity.rpartition('-')[2]}" for part in parts
    ]


def _part(part: Part, title: str, numbers: _Numbers) -> Markup:
    return element(
        "section",
        element("p", part.kind, class_="kicker"),
        element("h2", title),
        element("p", part.about, class_="about") if part.about else None,
        _verdict(part.verdict),
        _cautions(part),
        _asked(part),
        _figures(part.charts, numbers) if part.charts else None,
        *(_table(table, numbers) for table in part.tables),
        _provenance(part),
        id=part.name,
        class_="part",
    )


def _verdict(verdict: Verdict) -> Markup:
    return element(
        "div",
        element(
            "div", element("p", _unbroken(verdict.headline), class_="headline"), _waffle(verdict.density), class_="said"
        ),
        element("dl", *(_fact(fact) for fact in verdict.facts), class_="facts") if verdict.facts else None,
        element("p", " ".join(verdict.reasons), class_="reasons") if verdict.reasons else None,
        class_="verdict",
    )


def _fact(fact: Fact) -> Markup:
    return element(
        "div",
        element("dt", fact.what),
        element("dd", element("strong", _unbroken(fact.value)), element("span", _unbroken(fact.beside))),
    )


def _unbroken(text: str) -> str:
    """The same, with no line ending between a number and its per cent."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


_ACROSS, _DOWN = 40, 25


def _waffle(density: float | None) -> Markup | None:
    """A thousand weights, of which as many are dark as remain; they lie as if strewn, as in a mask."""
    if density is None:
        return None
    count = _ACROSS * _DOWN
    kept = round(density * count)
    strewn = sorted(random.Random(0).sample(range(count), kept))
    dark = "".join(f"M{cell % _ACROSS * 5} {cell // _ACROSS * 5}h4v4h-4z" for cell in strewn)
    all_cells = "".join(f"M{x * 5} {y * 5}h4v4h-4z" for y in range(_DOWN) for x in range(_ACROSS))
    label = f"Of a thousand squares, {kept} are dark: the share of weights that remain."
    picture = element(
        "svg",
        element("path", d=all_cells, class_="gone"),
        element("path", d=dark, class_="kept"),
        viewBox=f"0 0 {_ACROSS * 5 - 1} {_DOWN * 5 - 1}",
        role="img",
        aria_label=label,
    )
    return element("div", picture, element("small", "each square a thousandth of the weights"), class_="waffle")


def _cautions(part: Part) -> Markup | None:
    if not part.cautions:
        return None
    items = [element("li", *_emphasized(text)) for text in part.cautions]
    label = f"Read with care: {part.title}"
    return element("aside", element("h3", "Read with care"), element("ul", *items), class_="cautions", aria_label=label)


def _emphasized(text: str) -> list[str]:
    """A sentence that begins with a word and a colon has that word in bold; then a field keeps its small letter."""
    beginning, colon, rest = text.partition(": ")
    if colon and len(beginning.split()) <= 4:
        is_field = "." in rest.split()[0][:-1]
        return [element("strong", beginning + "."), f" {rest[0] if is_field else rest[0].upper()}{rest[1:]}"]
    return [text]


def _asked(part: Part) -> Markup:
    recipe = element("pre", element("code", to_toml(part.recipe)), tabindex=0, aria_label=f"Recipe {part.title}")
    return element(
        "div",
        element("h3", "What was asked"),
        _how(part.recipe),
        element("pre", element("code", part.command), class_="command", tabindex=0, aria_label="The command"),
        element("details", element("summary", "The recipe, as TOML"), recipe),
        class_="asked",
    )


def _how(recipe: Recipe) -> Markup | None:
    """What stands before the command that asks for it again."""
    if has_objects(recipe):
        call = "winnow.run(model=..., data=...)"
        return element("p", f"It was run from Python, with objects; {call} with the same ones goes on. In its store:")
    return None if bundled(recipe) else element("p", f"Save the recipe below as {own_file(recipe)} and run it:")


def _figures(charts: Sequence[Chart], numbers: _Numbers) -> Markup:
    return element("div", *(_figure(chart, numbers) for chart in charts), class_="figures")


def _figure(chart: Chart, numbers: _Numbers) -> Markup:
    caption = element(
        "figcaption",
        element("b", f"{numbers.next('Figure')}. {chart.title}."),
        Markup(" "),
        element("span", chart.about),
    )
    values = element("details", element("summary", "Values"), values_table(chart).to_html(), class_="values")
    return element("figure", svg(chart), caption, values, id=chart.name)


def _table(table: Table, numbers: _Numbers | None = None) -> Markup:
    if numbers is None:
        return table.to_html()
    return table.to_html(label=numbers.next("Table"))


def _notes(notes: Sequence[str]) -> Markup | None:
    return element("div", *(element("p", note) for note in notes), class_="notes") if notes else None


def _provenance(part: Part) -> Markup:
    recipe = part.recipe
    facts = [("replicates; seed", f"{recipe.replicates}; {recipe.seed}"), *part.made.facts()]
    facts.insert(1, ("repeats to the bit", "yes, --deterministic" if recipe.deterministic else "up to rounding"))
    entries = [element("div", element("dt", name), element("dd", value)) for name, value in facts]
    return element("div", element("h3", "Provenance"), element("dl", *entries, class_="provenance"), class_="made")


def _footer(parts: Sequence[Part]) -> Markup:
    last = max((part.made.last for part in parts), default="")
    until = f" The latest result is of {last} UTC." if last else ""
    return element(
        "footer",
        element(
            "p",
            f"Made by winnow {winnow_version()} from stored results.{until} Point at a figure, or focus it and use "
            f"the arrow keys, to read its values; each figure’s values are in a table beneath it.",
        ),
    )
