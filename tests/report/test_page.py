"""The page as a file: whole, self-contained, small, and safe."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from statistics import fmean

import pytest

from winnow.execution.masks import anatomy
from winnow.report.against_k import study_table
from winnow.report.curves import learning_curves
from winnow.report.overlap import overlaps
from winnow.report.parts import held, study_part
from winnow.report.svg import svg
from winnow.store import Store


class Outline(HTMLParser):
    """Which tags are open, and which ids and targets there are."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.links += [given["href"] or ""] if "href" in given else []
        self.sources += [value or "" for name, value in attrs if name in ("src", "srcset", "xlink:href")]
        if tag not in ("meta", "br", "hr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_well_formed_self_contained_and_small(written: Path) -> None:
    text = written.read_text("utf-8")
    outline = Outline(text)
    assert outline.open == []
    assert len(set(outline.ids)) == len(outline.ids)
    assert all(link.startswith("#") and link[1:] in outline.ids for link in outline.links)
    assert outline.sources == []
    assert "@import" not in text and "url(http" not in text
    assert written.stat().st_size < 1_000_000


def test_the_contents_tell_runs_of_one_name_apart(written: Path) -> None:
    contents = written.read_text("utf-8").partition("<nav")[2].partition("</nav>")[0]
    links = re.findall("<a [^>]*>([^<]*)</a>", contents)
    assert len(set(links)) == 4
    assert [link for link in links if not re.fullmatch("digits, [0-9a-f]{8}", link)] == [
        "digits: instability",
        "digits: stability",
    ]
    assert links == re.findall("<h2>([^<]*)</h2>", written.read_text("utf-8"))


def test_what_a_recipe_says_is_escaped(written: Path) -> None:
    text = written.read_text("utf-8")
    assert text.count("<script>") == 1  # our own
    assert "&lt;script&gt;alert" in text


def test_accuracies_that_are_all_the_same_are_drawn(store: Store) -> None:
    results = held(store).runs[0]
    trainings = [
        replace(
            each,
            curve=replace(each.curve, rows={at: {**row, "test_accuracy": 1.0} for at, row in each.curve.rows.items()}),
        )
        for each in results.trainings
    ]
    chart = learning_curves(replace(results, trainings=tuple(trainings)))[0]
    assert (chart.y.least, chart.y.most) == (99.0, 101.0)
    assert "learning" in str(svg(chart))


def test_the_rows_of_a_study_are_in_order_however_it_was_measured(store: Store) -> None:
    for findings in held(store).studies:
        table = study_table(findings)
        assert study_table(replace(findings, measured=findings.measured[::-1])) == table
        assert [row[2] for row in table.rows] == sorted((row[2] for row in table.rows), key=int)


@pytest.mark.parametrize(
    "barriers, said",
    [
        ({0: 0.05, 10: 0.01}, "The dense network is stable to SGD noise from k = 10 on"),
        ({0: 0.01, 10: 0.01}, "stable to SGD noise from k = 0 on"),
        ({0: 0.01, 10: 0.05}, "not stable to SGD noise from any k"),  # what comes and goes has not set in
    ],
)
def test_a_network_is_stable_from_the_k_after_which_every_barrier_is_low(
    store: Store, barriers: dict[int, float], said: str
) -> None:
    (findings,) = (each for each in held(store).studies if each.study.name == "instability")
    measured = tuple(
        replace(each, rows=tuple({"position": x, "test_error": e, "train_error": e} for x, e in line))
        for each in findings.measured
        for line in [((0.0, 0.1), (0.5, 0.1 + barriers[each.comparison.k]), (1.0, 0.1))]
    )
    assert said in study_part(replace(findings, measured=measured), store).verdict.headline


def test_overlap_and_chance_are_those_that_winnow_masks_tells(store: Store, tmp_path: Path) -> None:
    results = held(store).runs[0]
    told = anatomy(
        results.experiment, Store(shutil.copytree(store.root, tmp_path / "store")), identity=results.identity
    )
    found = overlaps(results, store)
    assert [each.level for each in found] == [1, 2, 3]
    for each in found:
        shared, chance = (
            told.mean(metric, each.level, relation="replicates", other="ticket")
            for metric in ("jaccard", "chance_jaccard")
        )
        assert (fmean(each.shared), each.chance) == pytest.approx((shared, chance), abs=1e-12)


def test_a_field_keeps_its_small_letter_and_no_line_ends_before_a_per_cent_sign(written: Path) -> None:
    text = written.read_text("utf-8")
    assert "Train.length" not in text and "train.length 40it instead of 300it" in text
    facts = re.findall(r"<dd><strong>([^<]*)</strong>", text)
    assert any("%" in fact for fact in facts) and not any(" %" in fact for fact in facts)
