"""bench.stats against scipy and statsmodels, cases reckoned by hand, and a light simulation."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import scipy.stats
from support import simulation

from bench import stats


def test_the_interval_of_a_mean_is_scipys_bca_where_units_are_many() -> None:
    values = np.random.default_rng(1).exponential(size=600)
    rng = np.random.default_rng(0)
    low, high = scipy.stats.bootstrap((values,), np.mean, method="BCa", n_resamples=20_000, rng=rng).confidence_interval
    mine = stats.mean_interval(values)
    assert mine.value == pytest.approx(values.mean())
    assert [mine.low, mine.high] == pytest.approx([low, high], abs=0.04 * (high - low))
    assert mine.high - mine.value > mine.value - mine.low


@pytest.mark.parametrize("n", [6, 12, 30])
def test_few_units_widen_the_interval_as_students_t_does(n: int) -> None:
    values = scipy.stats.norm.ppf((np.arange(n) + 0.5) / n)
    half = float(scipy.stats.t.ppf(0.975, n - 1) * values.std(ddof=1) / math.sqrt(n))
    mine = stats.mean_interval(values)
    assert (mine.high - mine.low) / 2 == pytest.approx(half, rel=0.06)
    plain = scipy.stats.bootstrap((values,), np.mean, method="BCa", rng=np.random.default_rng(0)).confidence_interval
    assert mine.high - mine.low > plain.high - plain.low


def test_an_interval_moves_and_scales_with_its_values() -> None:
    values = np.random.default_rng(2).gamma(2, size=40)
    one, far, wide = (stats.mean_interval(v) for v in (values, values + 1e6, values * 1e-6))
    assert [far.low - 1e6, far.high - 1e6] == pytest.approx([one.low, one.high], abs=1e-6)
    assert [wide.low * 1e6, wide.high * 1e6] == pytest.approx([one.low, one.high])
    turned = stats.mean_interval(-values)
    assert [-turned.high, -turned.low] == pytest.approx([one.low, one.high], abs=0.01)


def test_what_does_not_vary_has_no_width_and_one_unit_no_ends() -> None:
    assert stats.mean_interval(np.full(9, 0.1)) == (pytest.approx(0.1), pytest.approx(0.1), pytest.approx(0.1))
    one = stats.mean_interval(np.array([3.0]))
    assert (one.value, math.isnan(one.low), math.isnan(one.high)) == (3.0, True, True)
    two = stats.mean_interval(np.array([1.0, 2.0]))
    assert two[1:] == pytest.approx(scipy.stats.t.interval(0.95, 1, 1.5, 0.5))


@pytest.mark.parametrize("n", [8, 9, 12])
def test_a_lone_outlier_leaves_ends_in_order(n: int) -> None:
    values = np.zeros(n)
    values[0] = 1000.0
    found = stats.mean_interval(values)
    assert 0 <= found.low <= found.value <= found.high <= 1000


def test_seeds_of_a_prompt_count_once() -> None:
    values = np.random.default_rng(3).normal(size=30)
    once = stats.cluster_mean(values, np.arange(30))
    five = stats.cluster_mean(np.repeat(values, 5), np.repeat(np.arange(30), 5))
    assert five == pytest.approx(once)
    uneven = stats.cluster_mean(np.array([1.0, 0.5, 0.0, 0.0]), np.array(["a", "a", "b", "c"]))
    assert uneven.value == pytest.approx(0.25)


def test_yes_or_no_has_wilsons_interval_and_statsmodels_agrees() -> None:
    from statsmodels.stats.proportion import proportion_confint

    for k, n in ((0, 10), (3, 20), (10, 10), (499, 1000)):
        mine = stats.cluster_mean(np.repeat(np.arange(n) < k, 2).astype(float), np.repeat(np.arange(n), 2), ends=(0, 1))
        assert mine == stats.wilson(k, n)
        assert mine[1:] == pytest.approx(proportion_confint(k, n, method="wilson"))
    halves = stats.cluster_mean(np.array([1.0, 0.0, 1.0, 1.0, 0.0, 0.0]), np.repeat(np.arange(3), 2), ends=(0, 1))
    assert halves != stats.wilson(1, 3)
    none = stats.cluster_mean(np.zeros(10), np.arange(10))
    assert none == (0, 0, 0)


def test_scores_at_the_end_of_their_scale_have_an_interval_that_looks_at_the_other_end() -> None:
    found = stats.mean_interval(np.ones(8), ends=(0, 1))
    assert found == (1, pytest.approx(0.9 - scipy.stats.t.ppf(0.975, 9) * math.sqrt(0.1 / 10)), 1)
    cleverer = stats.mean_interval(np.append(np.ones(40), [0.0, 0.2]), ends=(0, 1))
    assert cleverer.value - cleverer.low > 2 * (cleverer.high - cleverer.value)
    hundred = stats.mean_interval(np.full(30, 99.0), ends=(0, 100))
    assert [end * 100 for end in stats.mean_interval(np.full(30, 0.99), ends=(0, 1))] == pytest.approx(list(hundred))


def test_a_score_is_near_its_ends_where_half_of_the_prompts_are() -> None:
    assert stats.near_ends(np.array([1.0, 0.95, 0.5, 0.4]), (0, 1))
    assert not stats.near_ends(np.array([1.0, 0.85, 0.5, 0.4]), (0, 1))
    assert stats.extremes(np.ones(4), np.full(4, 0.5), (0, 1)) == (-1, 1, True)
    far = np.array([0.2, 0.4, 0.6, 0.8, 0.7, 0.3])
    assert stats.extremes(far, far[::-1], (0, 1)) == (-1, 1, False)
    assert stats.extremes(far, far[::-1], None) is None


def test_differences_that_are_small_beside_the_scale_reckon_with_a_pair_not_met_yet() -> None:
    rng = np.random.default_rng(8)
    for a, b in (
        (np.full(12, 0.89), np.full(12, 0.96 * 0.89)),
        (np.append(np.zeros(2), np.full(10, 0.6)), np.full(12, 0.5)),
        (0.5 + 0.07 * rng.normal(size=60), np.full(60, 0.5)),
    ):
        known = stats.extremes(a, b, (0, 1))
        assert known is not None
        assert known.added
    steady = stats.paired(np.full(12, 0.89), np.full(12, 0.96 * 0.89), ends=(0, 1))
    assert steady.difference.low < 0 < steady.difference.high
    for sd, n in ((0.17, 100), (0.08, 400)):
        wide = stats.extremes(0.5 + sd * rng.normal(size=n), np.full(n, 0.5), (0, 1))
        assert wide is not None
        assert not wide.added, "a pair more or less decides nothing there"


def test_no_difference_is_larger_than_the_scale() -> None:
    found = stats.paired(np.array([0.2, 0.8]), np.array([0.6, 0.3]), ends=(0, 1)).difference
    assert found == (pytest.approx(0.05), -1, 1)


def test_a_micro_average_has_scipys_bca_interval_where_prompts_are_many() -> None:
    rng = np.random.default_rng(4)
    words = rng.integers(1, 20, 400).astype(float)
    hits = rng.binomial(words.astype(int), 0.6).astype(float)
    mine = stats.cluster_ratio(hits, words, np.arange(400))
    theirs = scipy.stats.bootstrap(
        (hits, words), lambda a, b, axis: a.sum(axis) / b.sum(axis), paired=True, method="BCa", n_resamples=10_000, rng=rng
    ).confidence_interval
    assert mine.value == hits.sum() / words.sum()
    assert mine[1:] == pytest.approx(tuple(theirs), abs=0.05 * (theirs.high - theirs.low))


def test_a_micro_average_bears_prompts_without_words_and_equal_ones() -> None:
    sparse = stats.cluster_ratio(np.array([1.0, 0.0, 0.0]), np.array([2.0, 0.0, 0.0]), np.arange(3))
    assert sparse.value == 0.5
    right = stats.cluster_ratio(np.full(10, 4.0), np.full(10, 4.0), np.arange(10))
    assert right == (1, pytest.approx(stats.mean_interval(np.ones(10), ends=(0, 1)).low), 1)
    assert math.isnan(stats.cluster_ratio(np.ones(2), np.ones(2), np.zeros(2)).low)
    assert stats.cluster_ratio(np.zeros(5), np.ones(5), np.arange(5))[:2] == (0, 0)
    assert np.isnan(stats.cluster_ratio(np.zeros(3), np.zeros(3), np.arange(3))).all()


def test_a_prompt_with_more_seeds_weighs_no_more_in_a_micro_average() -> None:
    hits, words, prompts = np.array([4.0, 4.0, 4.0, 0.0]), np.array([4.0, 4.0, 4.0, 4.0]), np.array(["a", "a", "a", "b"])
    assert stats.cluster_ratio(hits, words, prompts) == stats.cluster_ratio(hits[2:], words[2:], prompts[2:])


@pytest.mark.parametrize("n", [3, 6, 9, 13])
def test_p_is_the_share_of_all_signs_and_scipys(n: int) -> None:
    rng = np.random.default_rng(n)
    a, b = rng.normal(size=n).round(1), rng.normal(size=n).round(1)
    gap = a - b
    signs = np.array(list(product([1, -1], repeat=n)))
    by_hand = (np.abs(signs @ gap) >= abs(gap.sum()) - 1e-9).mean()
    theirs = scipy.stats.permutation_test((a, b), lambda x, y, axis: (x - y).mean(axis), permutation_type="samples", n_resamples=np.inf)
    mine = stats.paired(a, b)
    assert mine.p == pytest.approx(by_hand)
    assert mine.p == pytest.approx(theirs.pvalue)


def test_p_of_many_prompts_is_scipys_to_the_noise_of_the_flips() -> None:
    rng = np.random.default_rng(5)
    a = rng.normal(0.25, 1, 60)
    b = rng.normal(size=60)
    theirs = scipy.stats.permutation_test(
        (a, b), lambda x, y, axis: (x - y).mean(axis), permutation_type="samples", n_resamples=50_000, rng=rng
    ).pvalue
    mine = stats.paired(a, b).p
    assert mine == pytest.approx(theirs, abs=4 * math.sqrt(theirs / 10_000))
    assert mine == stats.paired(b, a).p


def test_p_can_be_small_enough_for_a_long_table_and_is_never_zero() -> None:
    a = np.random.default_rng(6).normal(3, 1, 50)
    assert stats.paired(a, np.zeros(50)).p == 1 / 100_001


def test_with_five_prompts_nothing_can_be_shown_and_with_six_it_can() -> None:
    five, six = (stats.paired(np.arange(n) + 1.0, np.zeros(n)).p for n in (stats.MIN_PROMPTS - 1, stats.MIN_PROMPTS))
    assert (five, six) == (2 / 2**5, 2 / 2**6)
    assert six <= 0.05 < five


def test_wins_ties_losses_and_effects_are_reckoned_by_hand() -> None:
    found = stats.paired(np.array([1.0, 2, 3, 4]), np.array([0.0, 2, 4, 1]))
    assert (found.n, found.wins, found.ties, found.losses, found.cliff) == (4, 0.5, 0.25, 0.25, 0.25)
    gap = np.array([1.0, 0, -1, 3])
    assert found.difference.value == pytest.approx(0.75)
    assert found.sd == pytest.approx(gap.std(ddof=1))
    assert found.effect == pytest.approx(0.75 / gap.std(ddof=1))


def test_runs_that_are_the_same_differ_by_nothing() -> None:
    same = stats.paired(np.arange(20.0), np.arange(20.0))
    assert (same.difference, same.p, same.ties, same.cliff, same.effect, same.sd) == ((0, 0, 0), 1, 1, 0, 0, 0)
    steady = stats.paired(np.arange(20.0) + 1, np.arange(20.0))
    assert (steady.difference, steady.sd) == ((1, 1, 1), 0)
    assert math.isnan(steady.effect)
    assert steady.p == pytest.approx(2.0**-20)
    one = stats.paired(np.array([1.0]), np.array([0.0]))
    assert (one.p, math.isnan(one.sd), math.isnan(one.difference.low)) == (0.5, True, True)
    for a, b in (([1.0], [1.0, 2.0]), ([], [])):
        with pytest.raises(ValueError, match="one value for each prompt"):
            stats.paired(np.array(a), np.array(b))


def test_yes_or_no_is_tested_by_mid_p_and_one_prompt_that_carries_the_difference_is_known() -> None:
    a, b = np.repeat([1.0, 0, 1, 0], [8, 2, 20, 20]), np.repeat([0.0, 1, 1, 0], [8, 2, 20, 20])
    found = stats.paired(a, b, ends=(0, 1))
    exact = scipy.stats.binomtest(2, 10).pvalue
    assert found.p == pytest.approx(exact - scipy.stats.binom.pmf(2, 10, 0.5))
    assert (found.even, found.carrier, found.differing) == (True, None, 10)
    carried = stats.paired(np.array([0.1, 0.0, 0.9, 0.2]), np.zeros(4))
    assert (carried.even, carried.carrier) == (False, 2)


def test_many_pairs_together_have_the_numbers_of_each() -> None:
    rng = np.random.default_rng(7)
    pairs = [(rng.normal(size=n), rng.normal(size=n)) for n in (30, 9, 30, 400)]
    for one, (a, b) in zip(stats.paired_many(pairs), pairs, strict=True):
        alone = stats.paired(a, b)
        assert one.difference == pytest.approx(alone.difference, rel=1e-5)
        assert (one.n, one.p) == (alone.n, alone.p)
    assert stats.paired_many([]) == []


def test_the_same_numbers_give_the_same_answer_and_other_seeds_nearly_the_same() -> None:
    rng = np.random.default_rng(8)
    a, b = rng.normal(size=80), rng.normal(0.3, 1, 80)
    assert stats.paired(a, b) == stats.paired(a, b)
    first, second = stats.paired(a, b), stats.paired(a, b, seed=1)
    assert first != second
    assert second.difference == pytest.approx(first.difference, abs=0.03)
    assert second.p == pytest.approx(first.p, abs=0.01)


def test_q_is_statsmodels_and_skips_what_was_not_asked() -> None:
    from statsmodels.stats.multitest import multipletests

    p = np.random.default_rng(9).random(40) ** 3
    theirs = multipletests(p, method="fdr_bh")[1]
    assert stats.adjust(p) == pytest.approx(theirs)
    some = np.insert(p, 7, math.nan)
    assert np.delete(stats.adjust(some), 7) == pytest.approx(theirs)
    assert np.isnan(stats.adjust(some)[7])
    assert np.isnan(stats.adjust(np.full(3, math.nan))).all()


@pytest.mark.parametrize("alpha", [0.05, 0.001])
@pytest.mark.parametrize("n", [15, 20, 150, 5000])
def test_the_detectable_difference_is_statsmodels(n: int, alpha: float) -> None:
    from statsmodels.stats.power import TTestPower

    found = stats.detectable(2.5, n, alpha=alpha)
    limit = scipy.stats.t.isf(alpha / 2, n - 1)
    assert scipy.stats.nct.sf(limit, n - 1, found / 2.5 * math.sqrt(n)) == pytest.approx(0.8, abs=1e-3)
    assert TTestPower().power(found / 2.5, n, alpha) == pytest.approx(0.8, abs=1e-3)


@pytest.mark.parametrize("effect", [0.02, 0.1, 0.5, 0.9])
def test_the_prompts_that_settle_it_are_statsmodels_rounded_up(effect: float) -> None:
    from statsmodels.stats.power import tt_solve_power

    theirs = tt_solve_power(effect_size=effect, alpha=0.05, power=0.8)
    mine = stats.needed(-3 * effect, 3.0)
    assert mine == pytest.approx(theirs, rel=2e-4, abs=1)
    assert mine == int(mine)
    assert stats.detectable(3.0, mine) <= 3 * effect * (1 + 1e-9) < stats.detectable(3.0, mine - 1)


def test_planning_knows_its_edges() -> None:
    assert stats.needed(0.0, 1.0) == math.inf
    assert stats.needed(5.0, 1e-9) == stats.needed(1.0, 0.0) == stats.fewest_prompts(0.05) == 8
    assert stats.needed(1e-5, 1.0) == pytest.approx(7.849e10, rel=1e-3)
    assert math.isnan(stats.needed(math.nan, 1.0))
    assert math.isnan(stats.detectable(1.0, 7))
    assert math.isnan(stats.detectable(1.0, 12, alpha=0.05 / 24))
    assert math.isnan(stats.detectable(math.nan, 50))
    assert math.isnan(stats.detectable(0.0, 50))
    assert stats.spread(np.full(9, 0.3) - 0.1 * np.array([1, 1, 2, 2, 2, 3, 3, 3, 3]) / np.array([1, 1, 2, 2, 2, 3, 3, 3, 3])) == 0
    assert stats.spread(np.array([1e-17, 0.0]), beside=0.5) == 0
    assert math.isnan(stats.spread(np.ones(1)))


def test_a_plan_reckons_with_the_pairs_that_the_interval_has() -> None:
    assert stats.detectable(0.2, 1000, scale=1.0) >= stats.detectable(0.2, 1000)
    least = stats.detectable(0.05, 20, scale=1.0)
    gaps = np.full(20, least) + 0.05 * np.tile([1.0, -1.0], 10)
    shown = stats.mean_interval(gaps, ends=(-1, 1))
    assert 0 < shown.low < 0.05
    n = int(stats.needed_beyond(-0.1, 0.05, 1.0))
    assert stats.beyond_pairs(0.05, n, 1.0) <= 0.1 < stats.beyond_pairs(0.05, n - 1, 1.0)
    assert math.isinf(stats.needed_beyond(0.0, 0.05, 1.0))
    n = int(stats.needed_within(0.0, 0.05, scale=1.0))
    assert stats.mean_interval(np.zeros(n), ends=(-1, 1)).high <= 0.05 < stats.mean_interval(np.zeros(n - 1), ends=(-1, 1)).high
    assert stats.needed_within(0.2, 0.05, scale=1.0) > stats.needed_within(0.2, 0.05)


def test_yes_or_no_shows_what_the_exact_test_shows() -> None:
    assert math.isnan(stats.detectable_yes_no(0.02, 50)), "one of 50: never"
    found = stats.detectable_yes_no(0.3, 100)
    assert stats.needed_yes_no(found, 0.3) <= 100 < stats.needed_yes_no(found - 0.005, 0.3)
    assert stats.detectable_yes_no(0.3, 1990) == pytest.approx(stats.detectable_yes_no(0.3, 2001), rel=0.01)


def test_a_share_above_its_end_by_rounding_counts_as_that_end() -> None:
    assert stats.needed_yes_no(0.1, 1 - 0.9) == stats.needed_yes_no(0.1, 0.1) == 66
    assert stats.needed_yes_no(1.0, 1.0 + 1e-15) == stats.needed_yes_no(1.0, 1.0)
    assert stats.detectable_yes_no(1.0 + 1e-15, 20) == stats.detectable_yes_no(1.0, 20)


def test_holm_is_statsmodels_and_skips_what_was_not_asked() -> None:
    from statsmodels.stats.multitest import multipletests

    p = np.append(np.random.default_rng(15).random(20) ** 3, math.nan)
    assert stats.holm(p)[:-1] == pytest.approx(multipletests(p[:-1], method="holm")[1])
    assert np.isnan(stats.holm(p)[-1])


@pytest.mark.slow
@pytest.mark.parametrize(("gap", "discordant", "alpha"), [(0.1, 0.2, 0.05), (0.2, 0.2, 0.01), (0.05, 0.3, 0.05)])
def test_the_prompts_that_yes_or_no_needs_show_it_four_times_in_five(gap: float, discordant: float, alpha: float) -> None:
    n = int(stats.needed_yes_no(gap, discordant, alpha=alpha))
    rng = np.random.default_rng(n)
    outcome = rng.choice([1.0, -1.0, 0.0], p=[(discordant + gap) / 2, (discordant - gap) / 2, 1 - discordant], size=(1500, n))
    shown = np.mean([stats.paired(row, np.zeros(n)).p <= alpha for row in outcome])
    assert 0.77 <= shown <= 0.85
    assert math.isinf(stats.needed_yes_no(0.0, 0.2))


def test_planning_of_a_gate_goes_by_its_formulas() -> None:
    assert stats.needed_within(0.3, 0.09) == math.ceil(((1.96 + 0.8416) * 0.3 / 0.09) ** 2)
    assert stats.needed_if_true(30, 1.0, 2.0) == pytest.approx(2.04 * 4 * 30, abs=1.5)
    assert math.isinf(stats.needed_if_true(30, 0.0, 2.0))


def by_minorisation(wins: np.ndarray) -> np.ndarray:
    """Hunter's (2004) iteration, a loop."""
    k = len(wins)
    strength = np.ones(k)
    for _ in range(20_000):
        strength = np.array([
            wins[i].sum() / sum((wins[i, j] + wins[j, i]) / (strength[i] + strength[j]) for j in range(k) if j != i) for i in range(k)
        ])  # fmt: skip
        strength /= np.exp(np.log(strength).mean())
    return np.log(strength)


@pytest.mark.slow
def test_strengths_are_those_of_hunters_iteration() -> None:
    wins = np.random.default_rng(10).integers(0, 9, (1, 4, 4)).astype(float)
    prior = 0.5 / 3 * (1 - np.eye(4))
    expected = by_minorisation(wins[0] * (1 - np.eye(4)) + prior)
    assert [s.value for s in stats.bradley_terry(wins)] == pytest.approx(expected.tolist(), abs=1e-6)


@pytest.mark.parametrize(("won", "lost"), [(20, 0), (13, 7), (2, 30)])
def test_two_models_have_jeffreys_interval(won: int, lost: int) -> None:
    wins = np.zeros((won + lost, 2, 2))
    wins[:won, 0, 1] = wins[won:, 1, 0] = 1
    one, other = stats.bradley_terry(wins, resamples=40_000)
    assert one.value == pytest.approx(math.log((won + 0.5) / (lost + 0.5)) / 2)
    share = [1 / (1 + math.exp(-2 * end)) for end in (one.low, one.high)]
    assert share == pytest.approx(scipy.stats.beta(won + 0.5, lost + 0.5).ppf([0.025, 0.975]).tolist(), abs=0.005)
    assert other.value == pytest.approx(-one.value)
    assert {one.rank, other.rank} == {1, 2}


def test_a_model_that_never_lost_leads_and_all_ends_are_finite() -> None:
    wins = np.zeros((40, 3, 3))
    wins[:, 0, 1:] = 1
    wins[:20, 1, 2] = wins[20:, 2, 1] = 1
    found = stats.bradley_terry(wins)
    assert np.isfinite([s[:3] for s in found]).all()
    assert [(s.rank, s.rank_low, s.rank_high) for s in found] == [(1, 1, 1), (2, 2, 3), (2, 2, 3)]
    assert found == stats.bradley_terry(wins)


def test_ties_are_half_a_win_and_no_vote_says_nothing() -> None:
    level = np.full((30, 2, 2), 0.5)
    assert [s.value for s in stats.bradley_terry(level)] == pytest.approx([0, 0])
    none = stats.bradley_terry(np.zeros((0, 3, 3)))
    assert math.isnan(none[0].value)
    assert [s.group for s in none] == [1, 2, 3]


def test_models_that_never_met_have_an_order_each_and_none_together() -> None:
    wins = np.zeros((20, 5, 5))
    wins[:15, [0, 2], [1, 3]] = 1
    wins[15:, [1, 3], [0, 2]] = 1
    found = stats.bradley_terry(wins)
    assert [s.group for s in found] == [1, 1, 2, 2, 3]
    assert [s.rank for s in found] == [1, 2, 1, 2, 1]
    assert [s.value for s in found[:4]] == pytest.approx([s * math.log(15.5 / 5.5) / 2 for s in (1, -1, 1, -1)])
    assert all(0 < s.low < s.high < 1.2 and s.rank_high == 1 for s in (found[0], found[2]))
    assert math.isnan(found[4].value)
    bridged = np.concatenate([wins, np.zeros((1, 5, 5))])
    bridged[-1, 1, 2] = 1
    assert [s.group for s in stats.bradley_terry(bridged)] == [1, 1, 1, 1, 2]


def test_people_who_disagree_widen_every_strength_and_alike_ones_only_by_students_t() -> None:
    prompts, people = (index.ravel() for index in np.indices((30, 4)))
    alike, apart = np.zeros((120, 2, 2)), np.zeros((120, 2, 2))
    first = prompts % 3 > 0
    alike[first, 0, 1] = alike[~first, 1, 0] = 1
    own = np.where(people < 3, prompts % 9 > 0, prompts % 9 == 0)
    apart[own, 0, 1] = apart[~own, 1, 0] = 1
    for wins, least, most in ((alike, 1.5, 1.75), (apart, 5, 20)):
        together = stats.bradley_terry(wins, prompts=prompts)[0]
        crossed = stats.bradley_terry(wins, prompts=prompts, people=people)[0]
        assert crossed.value == together.value > 0
        assert least < (crossed.high - crossed.low) / (together.high - together.low) < most, "t of 3 degrees is 1.62 times 1.96"


def test_the_error_of_judgements_by_people_is_reckoned_by_hand() -> None:
    # with two more at the ends prompts agree (0); people 1, -1, 0, -1, 1 tenths: 4/100 * 5/4 = 1/20; judgements 4/400 * 6/5 = 3/250
    prompts, people = (index.ravel() for index in np.indices((2, 3)))
    found = stats.crossed(np.array([1.0, 0.0, 0.5] * 2), np.ones(6), prompts, people, (0.0, 1.0))
    assert found is not None
    assert (found.centre, found.degrees) == (0.5, 1)
    assert found.error == pytest.approx(math.sqrt(1 / 20 - 3 / 250))
    assert found.p(0.5 + found.error) == pytest.approx(0.5)
    assert found.p(0.5) == 1.0
    assert found.interval(0.5, (0.0, 1.0)) == (0.5, 0.0, 1.0)
    assert stats.crossed(np.ones(4), np.ones(4), np.arange(4) // 2, np.arange(4) % 2, (0.0, 1.0)) is None, "of these two people only"
    # prompts differ as much and people do not: never less than the prompts' own
    shared = np.tile([1.0, 0.0], 50).repeat(20)
    alone = stats.crossed(shared, np.ones(2000), np.repeat(np.arange(100), 20), np.tile(np.arange(20), 100), (0.0, 1.0))
    assert alone is not None
    assert alone.error**2 >= 20**2 / 22**2 * 0.25 / 99


def test_people_who_all_agree_do_not_speak_of_all_people() -> None:
    """Three of firm tastes over equal models agree by chance in one table of four."""
    for count, shown in ((3, False), (5, False), (6, True), (10, True)):
        prompts, people = (index.ravel() for index in np.indices((40, count)))
        found = stats.crossed(np.ones(40 * count), np.ones(40 * count), prompts, people, (0.0, 1.0))
        assert found is not None
        assert (found.p(0.5) <= 0.05) is shown
        low = found.interval(1.0, (0.0, 1.0)).low
        assert (low > 0.5) is shown
    rng, words = np.random.default_rng(3), 0
    prompts, people = (index.ravel() for index in np.indices((10, 4)))
    for _ in range(200):
        firm = (rng.random(4) < 0.5).astype(float)[people]
        words += stats.crossed(firm, np.ones(40), prompts, people, (0.0, 1.0)).p(0.5) <= 0.05
    assert words == 0, "12 of 100 before"


def test_alpha_is_krippendorffs_own_example() -> None:
    nan = math.nan
    ratings = np.array([
        [1, 2, 3, 3, 2, 1, 4, 1, 2, nan, nan, nan], [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, nan, 3],
        [nan, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, nan], [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, nan],
    ]).T  # fmt: skip
    assert stats.krippendorff(ratings) == pytest.approx(0.743, abs=5e-4)
    words = np.array([[None if math.isnan(c) else f"v{c:.0f}" for c in row] for row in ratings], dtype=object)
    assert stats.krippendorff(words) == pytest.approx(0.743, abs=5e-4)


def test_alpha_has_its_ends_and_says_when_there_is_none() -> None:
    assert stats.krippendorff(np.array([["a", "a"], ["b", "b"], ["b", None]], dtype=object)) == 1
    assert stats.krippendorff(np.array([[0.0, 1], [1, 0]])) == pytest.approx(-0.5)
    assert math.isnan(stats.krippendorff(np.array([[1.0, math.nan], [math.nan, 2]])))
    assert math.isnan(stats.krippendorff(np.ones((3, 2))))
    assert math.isnan(stats.krippendorff(np.empty((0, 2))))


def test_halves_are_of_prompts_and_do_not_depend_on_order_or_seeds() -> None:
    names = [f"p{i:02d}" for i in range(21)]
    one = stats.halves(names, 30)
    assert (one.prompts, one.kept) == (21, 10)
    assert (one.members.sum(1) == 10).all()
    turned = stats.halves(names[::-1], 30)
    assert (turned.members[:, ::-1] == one.members).all()
    twice = stats.halves([n for n in names for _ in range(2)], 30)
    assert (twice.members == np.repeat(one.members, 2, axis=1)).all()
    assert (stats.halves(names, 30, seed=1).members != one.members).any()


def test_a_difference_of_resampled_sets_pairs_the_draws() -> None:
    rng = np.random.default_rng(11)
    common = rng.normal(size=50)
    a, b = 5 + common + 0.1 * rng.normal(size=50), 4 + common + 0.1 * rng.normal(size=50)
    found, p = stats.resampled_difference(5.0, 4.0, a, b)
    error = (a - b).std(ddof=1)
    assert found == pytest.approx((1, 1 - scipy.stats.t.ppf(0.975, 49) * error, 1 + scipy.stats.t.ppf(0.975, 49) * error))
    assert p == pytest.approx(2 * scipy.stats.t.sf(1 / error, 49))
    few, _ = stats.resampled_difference(5.0, 4.0, a, b, 10)
    assert few.high > found.high
    assert stats.resampled_difference(5.0, 5.0, a, a) == ((0, 0, 0), 1)
    assert math.isnan(stats.resampled_difference(5.0, 4.0, a, a - 1)[1])
    assert stats.half_interval(0.1, a, 50, minimum=0.0, maximum=1.0)[1:] == (0, 1)


@pytest.mark.slow
def test_a_thousand_replicates_cover_and_err_as_they_should() -> None:
    for kind in ("normal", "skewed: exponential", "yes or no, 80 %"):
        assert 0.91 <= simulation.coverage(simulation.KINDS[kind], 20, 1000) <= 0.97
    rate, covered = simulation.false_positives(simulation.KINDS["normal"], 20, 1000)
    assert 0.03 <= rate <= 0.07
    assert 0.93 <= covered <= 0.97
    gaps = np.random.default_rng(14).normal(0.3, 1, (30, 300))
    assert simulation._tested(gaps).tolist() == [one.p for one in stats.paired_many([(gap, np.zeros(30)) for gap in gaps.T])]
