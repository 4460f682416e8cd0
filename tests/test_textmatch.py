"""The string formulas, with values computed by hand."""

from __future__ import annotations

import pytest

from bench.metrics import textmatch as t


@pytest.mark.parametrize(
    ("a", "b", "edits"),
    [("", "", 0), ("abc", "", 3), ("kitten", "sitting", 3), ("flaw", "lawn", 2), ("营业中", "营业", 1)],
)
def test_distance(a: str, b: str, edits: int) -> None:
    assert t.distance(a, b) == t.distance(b, a) == edits


def test_the_word_that_was_lost() -> None:
    found = t.match("this picture was made by a machine", "This picture made by a machine.")
    assert not found.exact
    assert found.missing == ("was",)
    assert found.added == ()
    assert found.recall == pytest.approx(6 / 7)
    assert found.cer == pytest.approx(3 / 28)
    assert found.ned == pytest.approx(1 - 3 / 28)


@pytest.mark.parametrize(
    ("expected", "read"),
    [("OPEN 24h", "open 24H"), ("Ｆｌｕｘ", "flux"), ("STOP!", "stop"), ("营业 时间", "营业时间"), ("don't", "don't")],
)
def test_case_width_spaces_and_punctuation_do_not_matter(expected: str, read: str) -> None:
    assert t.match(expected, read).exact


def test_case_can_matter() -> None:
    assert not t.match("Open", "OPEN", fold=False).exact


def test_words_count_with_multiplicity() -> None:
    found = t.match("no no no", "no no")
    assert found.recall == pytest.approx(2 / 3)
    assert found.missing == ("no",)


def test_chinese_counts_by_character() -> None:
    assert t.words("今天 open") == ["今", "天", "open"]
    assert t.match("今天营业", "今天休业").recall == pytest.approx(3 / 4)


def test_nothing_read_is_zero_not_missing() -> None:
    (found,) = t.assign(["HELLO"], [])
    assert (found.exact, found.cer, found.ned, found.recall) == (False, 1.0, 0.0, 0.0)


def test_regions_are_matched_in_any_order_and_over_lines() -> None:
    found = t.assign(["GRAND OPENING", "half price"], ["Half price", "Grand", "opening"])
    assert [m.exact for m in found] == [True, True]


def test_a_line_serves_one_region_only() -> None:
    found = t.assign(["SALE", "SALE"], ["SALE", "EXIT"])
    assert sorted(m.exact for m in found) == [False, True]
