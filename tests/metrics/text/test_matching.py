"""The string formulas, with values computed by hand and by jiwer and rapidfuzz."""

from __future__ import annotations

import random

import pytest

from bench.metrics.text import matching as t
from bench.metrics.text import published as f

ALPHABET = "abAB é1。营业 時間"


def texts(count: int, longest: int, seed: int = 7) -> list[tuple[str, str]]:
    rng = random.Random(seed)

    def one() -> str:
        return "".join(rng.choices(ALPHABET, k=rng.randint(0, longest)))

    return [(one(), one()) for _ in range(count)]


@pytest.mark.parametrize(
    ("a", "b", "edits"),
    [("", "", 0), ("abc", "", 3), ("kitten", "sitting", 3), ("flaw", "lawn", 2), ("营业中", "营业", 1), ("ca", "abc", 3)],
)
def test_distance(a: str, b: str, edits: int) -> None:
    assert t.edit_distance(a, b) == t.edit_distance(b, a) == edits


def test_distance_is_rapidfuzz_distance_on_characters_and_on_words() -> None:
    from rapidfuzz.distance import Levenshtein

    for a, b in [*texts(400, 30), *texts(20, 300)]:
        assert t.edit_distance(a, b) == Levenshtein.distance(a, b), (a, b)
        assert t.edit_distance(a.split(), b.split()) == Levenshtein.distance(a.split(), b.split()), (a, b)
        assert t.similarity(a, b) == pytest.approx(Levenshtein.normalized_similarity(a, b), abs=1e-12)


def test_the_character_error_rate_is_jiwers() -> None:
    import jiwer

    for asked, read in texts(300, 40):
        if t.letters(asked):
            assert t.match(asked, read).cer == pytest.approx(jiwer.cer(t.letters(asked), t.letters(read)), abs=1e-12)


def test_edits_over_several_regions_are_summed_as_jiwer_sums_them() -> None:
    import jiwer

    pairs = [(a, b) for a, b in texts(60, 20) if t.letters(a)]
    found = [t.match(a, b) for a, b in pairs]
    ours = sum(m.edits for m in found) / sum(m.length for m in found)
    assert ours == pytest.approx(jiwer.cer([t.letters(a) for a, _ in pairs], [t.letters(b) for _, b in pairs]), abs=1e-12)


def test_word_edits_are_jiwers_word_error_counts() -> None:
    import jiwer

    rng = random.Random(3)
    for _ in range(300):
        asked, read = (rng.choices(["was", "made", "by", "a", "machine"], k=rng.randint(1, 9)) for _ in range(2))
        theirs = jiwer.process_words(" ".join(asked), " ".join(read))
        assert t.edit_distance(asked, read) == theirs.substitutions + theirs.deletions + theirs.insertions


def test_counts_agree_with_an_independent_precision_and_recall() -> None:
    """sklearn has no multiset form, so sort both lists and walk along them as a merge does."""
    for asked, read in texts(200, 25):
        if t.letters(asked) == t.letters(read):
            continue
        a, b = sorted(t.words(asked)), sorted(t.words(read))
        i = j = hits = 0
        while i < len(a) and j < len(b):
            hits += a[i] == b[j]
            i, j = i + (a[i] <= b[j]), j + (b[j] <= a[i])
        counts = t.match(asked, read).counts
        assert (counts.hits, counts.expected, counts.read) == (hits, len(a), len(b))


def test_the_word_that_was_lost() -> None:
    found = t.match("this picture was made by a machine", "This picture made by a machine.")
    assert not found.exact
    assert (found.missing, found.added, found.changed) == (("was",), (), ())
    assert found.recall == pytest.approx(6 / 7)
    assert found.cer == pytest.approx(3 / 28)
    assert found.ned == pytest.approx(1 - 3 / 28)


def test_recall_precision_and_f1_by_hand() -> None:
    """Asked: the the cat sat (4); read: the cat cat (3); in common: the, cat (2). 2/4, 2/3, 2·2/(4+3) = 4/7."""
    counts = t.match("the the cat sat", "the cat cat").counts
    assert (counts.recall, counts.precision, counts.f1) == (pytest.approx(1 / 2), pytest.approx(2 / 3), pytest.approx(4 / 7))


def test_words_are_missing_added_or_changed_and_never_two_of_these() -> None:
    found = t.match("Fresh bread was baked today", "fresh bred baked by today")
    assert (found.changed, found.missing, found.added) == ((("bread", "bred"),), ("was",), ("by",))


def test_a_word_moved_is_neither_missing_nor_changed() -> None:
    found = t.match("opening time", "time opening")
    assert (found.changed, found.missing, found.added, found.exact) == ((), (), (), False)


@pytest.mark.parametrize(
    ("expected", "read"),
    [
        ("OPEN 24h", "open 24H"),
        ("Ｆｌｕｘ", "flux"),
        ("STOP!", "stop"),
        ("营业 时间", "营业时间"),
        ("don't", "don’t"),
        ("e\u0301tat", "état"),
    ],
)
def test_case_width_spaces_and_punctuation_do_not_matter(expected: str, read: str) -> None:
    assert t.match(expected, read).exact


def test_a_space_in_the_wrong_place_still_reads_as_the_words() -> None:
    found = t.match("STARBUCKS coffee", "STAR BUCKS COFFEE")
    assert (found.exact, found.recall, found.cer, found.missing, found.added) == (False, 1.0, 0.0, (), ())


@pytest.mark.parametrize(
    ("expected", "read", "exact", "strict"),
    [
        ("$4.50", "$450", False, False),
        ("Objective-C++", "Objective-C", False, False),
        ("open 24/7", "open 247", False, False),
        ("-18°C", "18°C", False, False),
        ("x³ + y", "x3 + y", False, False),
        ("1⁄2 or ¼", "1⁄2 or 14", False, False),
        ("②", "2", False, False),
        ("hi@shop.org", "hi@shoporg", False, False),
        ("B&B", "BB", False, False),
        ("আমি", "আম", False, False),
        ("தமிழ்", "தமிழ", False, False),
        ("???", "...", False, False),
        ("re-open", "re open", False, False),
        ("FREE ENTRY", "FREEENTRY", False, False),
        (".5 l", "5 l", False, False),
        ("１００％", "100%", True, True),
        ("8–10", "8-10", True, True),
        ("it‘s", "it's", True, True),
        ("co­op", "coop", True, True),
        ("it's", "its", True, False),
        ("«Bon» appétit!", "bon appétit", True, False),
        ("50 % – today", "50% today", True, False),
        ("", "", False, True),
    ],
)
def test_what_is_exact_and_what_is_strict(*, expected: str, read: str, exact: bool, strict: bool) -> None:
    assert (t.match(expected, read).exact, t.is_exact(expected, read), t.is_strict(expected, read)) == (exact, exact, strict)


def test_marks_of_letters_count_as_characters() -> None:
    """তোমার has 5 characters, three letters and two vowel signs; তমর has the letters."""
    assert t.letters("তোমার") == "তোমার"
    found = t.match("তোমার", "তমর")
    assert (found.edits, found.cer, found.recall) == (2, pytest.approx(2 / 5), 0.0)


def test_case_can_matter() -> None:
    assert not t.match("Open", "OPEN", fold=False).exact


def test_words_count_with_multiplicity() -> None:
    found = t.match("no no no", "no no")
    assert found.recall == pytest.approx(2 / 3)
    assert found.missing == ("no",)


def test_chinese_counts_by_character() -> None:
    assert t.words("今天 open") == ["今", "天", "open"]
    found = t.match("今天营业", "今天休业")
    assert found.recall == pytest.approx(3 / 4)
    assert found.changed == (("营", "休"),)


def test_nothing_read_is_zero_not_missing() -> None:
    (found,) = t.assign(["HELLO"], [])
    assert (found.exact, found.cer, found.ned, found.recall) == (False, 1.0, 0.0, 0.0)


def test_a_region_unlike_every_line_is_unread() -> None:
    (found,) = t.assign(["HELLO"], ["QQ", "★"])
    assert (found.read, found.cer, found.missing) == ("", 1.0, ("hello",))


def test_regions_are_matched_in_any_order_and_over_lines() -> None:
    found = t.assign(["GRAND OPENING", "half price"], ["Half price", "Grand", "opening"])
    assert [m.exact for m in found] == [True, True]
    assert [m.span for m in found] == [(1, 3), (0, 1)]


def test_a_line_serves_one_region_only() -> None:
    found = t.assign(["SALE", "SALE"], ["SALE", "EXIT"])
    assert sorted(m.exact for m in found) == [False, True]


def test_the_sum_of_similarities_decides_not_the_first_region() -> None:
    """First come, first served gives abcd its likest line abcx (.75) and leaves abcy (.5, two edits) to abxx: 1.25.
    The other way round it is abcd-abcy (.75) and abxx-abcx (.75), in all 1.5.
    """
    found = t.assign(["abcd", "abxx"], ["abcx", "|", "abcy"])
    assert [m.read for m in found] == ["abcy", "abcx"]


def test_a_long_text_over_many_lines_is_found_in_time() -> None:
    lines = [f"line {i} of a long notice with some words" for i in range(30)]
    assert t.assign([" ".join(lines)], lines)[0].exact


def test_words_of_the_whole_picture() -> None:
    """Asked: half price (2) and grand opening (2, exact over two lines). Read besides: half, prize, today. Hits 1 + 2."""
    lines = ["grand", "opening", "half prize", "today"]
    counts, stray = t.counted(t.assign(["half price", "grand opening"], lines), lines)
    assert (counts.hits, counts.expected, counts.read) == (3, 4, 5)
    assert sorted(stray) == ["prize", "today"]


def test_longtext_by_hand() -> None:
    """ "It's 24h: OPEN, open" -> its 24h open open (4 words). Read: Its / 24 h / open -> its 24 h open. In common: its, open: 2/4.

    Chinese: 今天营业 (4 characters), read 营业今 在: 营, 业, 今 in common: 3/4; case counts there: A and a differ.
    """
    assert f.longtext(["It's 24h:", "OPEN, open"], ["Its", "24 h", "open"]) == f.Hits(2, 4)
    assert f.longtext(["今天", "营业"], ["营业今", "在"]) == f.Hits(3, 4)
    assert f.longtext(["A今"], ["a今"]) == f.Hits(1, 2)


def test_oneig_by_hand() -> None:
    """Case, and spaces between words, count; punctuation does not.

    "Grand Opening!" against "Grand opening": one edit (O, o); incomplete; words Grand of Grand, Opening: 1/2.
    "营业 时间" against "营业时": one edit, characters 3/4. "Stop." against "Stop": complete.
    """
    assert f.oneig(["Grand Opening!"], ["Grand", "opening"]) == f.OneIG(1, False, f.Hits(1, 2))
    assert f.oneig(["营业 时间"], ["营业时"]) == f.OneIG(1, False, f.Hits(3, 4))
    assert f.oneig(["Stop."], ["Stop"]) == f.OneIG(0, True, f.Hits(1, 1))


@pytest.mark.parametrize(
    ("ed", "cr", "wac", "chinese", "score"),
    [(20, 0.5, 0.8, False, 1 - 0.2 * 0.5 * 0.2), (20, 0.5, 0.8, True, 1 - 0.4 * 0.5 * 0.2), (500, 0, 0, False, 0), (0, 1, 1, False, 1)],
)
def test_oneigs_text_score(*, ed: float, cr: float, wac: float, chinese: bool, score: float) -> None:
    assert f.oneig_text_score(ed, cr, wac, chinese=chinese) == pytest.approx(score)


def test_anytext_by_hand() -> None:
    """kitten and sitting: 3 edits over 7 characters, NED 4/7. Case counts: Open and open are 1 edit in 4."""
    assert f.anytext("kitten", "sitting") == f.AnyText(accurate=False, ned=pytest.approx(4 / 7))
    assert f.anytext("Open", "open") == f.AnyText(accurate=False, ned=0.75)
    assert f.anytext("营业时间", "营业时间") == f.AnyText(accurate=True, ned=1.0)
    assert f.anytext("Open", "").ned == 0
