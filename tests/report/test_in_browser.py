"""The page as a reader meets it: in a real browser, by keyboard and by pointer, narrow and wide."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..browser import Page, browsing, chromium


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    program = chromium()
    assert program is not None
    with browsing(program, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.mark.parametrize("width, is_dark", [(1280, False), (1280, True), (390, False)])
def test_it_opens_without_complaint_and_fits_the_screen(shown: Page, written: Path, width: int, is_dark: bool) -> None:
    shown.open(written, width=width, is_dark=is_dark)
    assert shown.run("document.querySelectorAll('figure svg.chart').length") == 1 + 2 * 8 + 3 + 3
    assert shown.run("document.documentElement.scrollWidth") <= width
    sizes = shown.run(
        "[...document.querySelectorAll('svg.chart text')].map(t => { const s = t.ownerSVGElement; return "
        "parseFloat(getComputedStyle(t).fontSize) * s.getBoundingClientRect().width / s.viewBox.baseVal.width })"
    )
    assert min(sizes) >= 10  # pixels
    assert shown.problems == []


@pytest.mark.parametrize("width", [390, 1280])
def test_no_two_names_in_a_legend_touch(shown: Page, written: Path, width: int) -> None:
    shown.open(written, width=width)
    gaps = shown.run(
        "[...document.querySelectorAll('.legend')].flatMap(legend => { const all = [...legend.children].map(each => "
        "each.getBoundingClientRect()); return all.slice(1).map((box, n) => [box.left - all[n].right, all[n].bottom - "
        "box.top]).filter(([, shared]) => shared > 4).map(([gap]) => gap) })"
    )
    assert gaps and min(gaps) >= 6  # pixels


def test_the_title_of_a_table_is_never_cut_however_wide_its_rows(shown: Page, written: Path) -> None:
    shown.open(written, width=390)
    for details in ("", "document.querySelectorAll('details').forEach(each => { each.open = true }); "):
        right = shown.run(
            f"(() => {{ {details}return Math.max(...[...document.querySelectorAll('.title')].map(each => "
            "each.getBoundingClientRect().right)) })()"
        )
        assert 0 < right <= 390
    assert shown.run("[...document.querySelectorAll('.scroll')].some(each => each.scrollWidth > each.clientWidth)")


def test_text_and_lines_stand_out_from_the_page_by_day_and_by_night(shown: Page, written: Path) -> None:
    for is_dark in (False, True):
        shown.open(written, width=1000, is_dark=is_dark)
        found = shown.run(
            "(() => { const of = (e, p) => getComputedStyle(e)[p]; const all = s => [...document.querySelectorAll(s)];"
            "return {paper: of(document.body, 'backgroundColor'), ticks: all('.chart text').map(e => of(e, 'fill')),"
            "text: all('p,dt,dd span,figcaption span,summary,.title').map(e => of(e, 'color')),"
            "lines: all('.chart .line').map(e => of(e, 'stroke'))} })()"
        )
        for part, least in (("text", 4.5), ("ticks", 4.5), ("lines", 3.0)):
            worst = min((contrast(colour, found["paper"]), colour) for colour in set(found[part]))
            assert worst[0] >= least, (is_dark, part, worst)


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, as WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        channels = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_values_are_read_by_arrow_keys_and_by_pointing(shown: Page, written: Path) -> None:
    shown.open(written, width=1280)
    chart = "document.querySelector('svg.chart[aria-label^=\"Test accuracy at the end of training\"]')"
    shown.run(f"{chart}.scrollIntoView()")
    shown.run(f"{chart}.focus()")
    shown.press("ArrowRight")
    told = shown.run("tip.hidden ? '' : tip.textContent")
    assert told.startswith("ticket, level 1, density") and "95 % interval" in told and "to dense" in told
    shown.press("ArrowDown")
    assert shown.run("tip.textContent").startswith("reinitialized, level")
    shown.press("Escape")
    assert shown.run("tip.hidden")
    x, y = shown.run(
        f"(() => {{ const s = {chart}, b = s.getBoundingClientRect(), k = b.width / s.viewBox.baseVal.width;"
        "const [x, y] = JSON.parse(s.querySelector('.series').dataset.points)[0];"
        "return [b.left + x*k, b.top + y*k] })()"
    )
    shown.point(x + 3, y + 3)
    assert shown.run("tip.hidden ? '' : tip.textContent").startswith("dense, level 0, density 100 %")


def test_print_shows_every_figure_and_the_recipe(shown: Page, written: Path) -> None:
    shown.open(written, width=1000)
    shown.send("Emulation.setEmulatedMedia", {"media": "print"})
    assert shown.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert shown.run("getComputedStyle(document.querySelector('.values')).display") == "none"
    assert shown.send("Page.printToPDF", {"printBackground": False})["data"]
    shown.send("Emulation.setEmulatedMedia", {"media": ""})
