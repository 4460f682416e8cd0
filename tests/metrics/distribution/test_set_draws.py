"""Distances between sets, resampled by halves of the prompts: what is drawn, that it pairs up, and how often it errs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.special import stdtrit
from support import simulation

from bench import stats
from bench.errors import ConfigError
from bench.metrics.distribution.base import Pictures, SetDistance
from bench.metrics.distribution.formulas import frechet, influence, kernel, precision_recall
from bench.metrics.distribution.frechet import FrechetDistance, FrechetInfinity
from bench.metrics.distribution.kernel import ClipDiscrepancy, KernelDistance
from bench.metrics.distribution.precision_recall import PrecisionRecall
from bench.metrics.distribution.reference import ReferenceFeatures
from bench.types import Column, ImageRecord, Request, ScoreRow

D = 6


@dataclass(frozen=True)
class Given:
    """An extractor that is never asked: the features are given."""

    name: str = "given"

    def fingerprint_fields(self) -> dict[str, Any]:
        return {"weights": "none"}

    def features(self, images: Sequence[object]) -> np.ndarray:
        raise NotImplementedError(images)


def records(prompts: int, seeds: int = 1, run: int = 0) -> list[ImageRecord]:
    return [
        ImageRecord(f"p{i:03d}", "x", "s", "h", Request("m", "r", f"prompt {i}", None, seed, 8, 8), "ok", "e", "now",
                    image=f"images/{i}-{seed}.png", sha256=f"{run * 10**6 + i * 100 + seed:064d}")
        for i in range(prompts) for seed in range(seeds)
    ]  # fmt: skip


def sample(n: int, seed: int, shift: float = 0.0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=(n, D)) * np.linspace(1, 2, D) + shift).astype(np.float32)


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("reference") / "features.npz"
    np.savez(path, features=sample(300, 99))
    return str(path)


def family(where: str, **more: Any) -> list[Any]:
    return [
        FrechetDistance(Given(), "fd_given", where, **more), KernelDistance(Given(), "kid_given", where, **more),
        ClipDiscrepancy(Given(), "cmmd_given", where, **more), PrecisionRecall(Given(), "prdc_given", where, **more),
    ]  # fmt: skip


def details(rows: Sequence[ScoreRow]) -> list[Mapping[str, Any]]:
    assert all(r.status == "ok" for r in rows), [r.reason for r in rows]
    return [r.detail for r in rows]


def test_every_column_has_its_draws_and_an_interval_around_its_value(where: str) -> None:
    for metric in family(where):
        rows = metric.compare(sample(80, 1, 0.5), records(40, 2))
        for row, detail in zip(rows, details(rows), strict=True):
            assert (len(detail["draws"]), detail["prompts"], len(detail["drawn"])) == (50, 40, 16)
            assert detail["low"] < row.value < detail["high"]
            assert np.std(detail["draws"]) > 0
        assert len({tuple(d["draws"]) for d in details(rows)}) == len(rows)


def test_halves_pair_up_between_runs_of_the_same_prompts_in_any_order(where: str) -> None:
    metric, features, mine = FrechetDistance(Given(), "fd_given", where), sample(40, 1), records(20, 2)
    first = metric.compare(features, mine)[0]
    turned = metric.compare(features[::-1], mine[::-1])[0]
    assert turned == first
    other = metric.compare(sample(40, 2), records(20, 2, run=1))[0].detail
    assert other["drawn"] == first.detail["drawn"]
    assert other["draws"] != first.detail["draws"]
    assert metric.compare(sample(20, 2), records(20, run=1))[0].detail["drawn"] != first.detail["drawn"], "other seeds a prompt"
    assert metric.compare(features[:38], mine[:38])[0].detail["drawn"] != first.detail["drawn"]
    again = FrechetDistance(Given(), "fd_given", where, resamples=60).compare(features, mine)[0].detail
    assert again["drawn"] != first.detail["drawn"]


def test_draws_can_be_left_out_and_are_no_part_of_value_or_fingerprint(where: str) -> None:
    features, mine = sample(40, 1), records(40)
    for with_, without in zip(family(where), family(where, resamples=0), strict=True):
        assert with_.fingerprint() == without.fingerprint()
        one, other = with_.compare(features, mine), without.compare(features, mine)
        assert [r.value for r in one] == [r.value for r in other]
        assert not {"draws", "drawn", "undrawn"} & set(other[0].detail)
    for wrong in (-1, 5):
        with pytest.raises(ConfigError, match=f"resamples={wrong}"):
            FrechetDistance(Given(), "fd_given", resamples=wrong)


def test_what_would_say_nothing_is_not_drawn_and_says_so(where: str) -> None:
    few = FrechetDistance(Given(), "fd_given", where).compare(sample(36, 1), records(9, 4))[0]
    assert (few.status, few.detail["undrawn"]) == ("ok", "9 prompts; resampling needs at least 10")
    near = PrecisionRecall(Given(), "prdc_given", where).compare(sample(10, 1), records(10))
    assert ["draws" in r.detail for r in near] == [False] * 4
    assert "more than 5 pictures" in near[0].detail["undrawn"]
    fitted = FrechetInfinity(Given(), "fd_given_infinity", where, smallest=20).compare(sample(60, 1), records(60))[0]
    assert "random subsets of the fit" in fitted.detail["undrawn"]
    assert not {"low", "high", "draws"} & set(fitted.detail)
    assert fitted.detail["fit_error"] > 0


def test_a_rank_deficient_covariance_is_resampled_all_the_same(where: str) -> None:
    small = FrechetDistance(Given(), "fd_given", where, allow_small=True)
    repeated = sample(24, 1)
    repeated[:, 3:] = repeated[:, :3]
    found = small.compare(repeated, records(12, 2))[0]
    assert found.detail["rank"] == 3
    assert np.isfinite(found.detail["draws"]).all()


@pytest.mark.parametrize(("n", "m"), [(400, 300), (400, 4), (5, 300)])
def test_the_influence_is_what_leaving_a_picture_out_changes(n: int, m: int) -> None:
    x, reference = sample(n, 1, 0.4).astype(float), frechet.gaussian(sample(m, 2).astype(float))
    by = influence.frechet(x, reference)
    assert by.mean() == pytest.approx(0, abs=1e-9)
    if n < 100:
        assert np.isfinite(by).all()
        return
    whole = frechet.distance(frechet.gaussian(x), reference)
    left = np.array([frechet.distance(frechet.gaussian(np.delete(x, i, 0)), reference) for i in range(60)])
    assert np.corrcoef(by[:60], whole - left)[0, 1] > 0.999
    assert by[:60].std() == pytest.approx((n - 1) * left.std(), rel=0.05)


def test_both_forms_of_the_influence_agree() -> None:
    x, there = sample(7, 1).astype(float), sample(7, 2).astype(float)
    square = frechet.gaussian(there)
    wide = influence.frechet(x, square._replace(factor=np.concatenate([square.factor, np.zeros((9, D))])))
    assert wide == pytest.approx(influence.frechet(x, square), rel=1e-6)


def test_the_influence_on_a_discrepancy_is_the_jackknifes() -> None:
    x, y = sample(60, 1, 0.3), sample(50, 2)
    by = influence.discrepancy(x, y, kernel.cubic, np.arange(60))
    left = np.array([kernel.mmd2(np.delete(x, i, 0), y) for i in range(60)])
    assert np.corrcoef(by, -left)[0, 1] > 0.999
    assert by.std() == pytest.approx(59 * left.std(), rel=0.05)
    some = influence.discrepancy(x, y, kernel.cubic, np.arange(0, 60, 2))
    assert np.corrcoef(by, some)[0, 1] > 0.8


def test_the_influence_over_different_prompts_is_the_jackknifes_too() -> None:
    x, y = sample(60, 1, 0.3), sample(50, 2)
    mine, theirs = np.arange(60) // 4, np.arange(50) % 20
    by = influence.discrepancy(x, y, kernel.cubic, np.arange(60), of_features=mine, of_reference=theirs)
    kept = [mine != prompt for prompt in range(15)]
    left = np.array([kernel.mmd2(x[k], y, kernel.cubic, mine[k], theirs) for k in kept])
    sums = np.array([by[~k].sum() for k in kept])
    assert by.mean() == pytest.approx(0, abs=1e-9)
    assert np.corrcoef(sums, -left)[0, 1] > 0.99
    assert sums.std() == pytest.approx(56 * left.std(), rel=0.1)


def given(where: ReferenceFeatures, **more: Any) -> KernelDistance:
    """KID to a reference in memory."""
    metric = KernelDistance(Given(), "kid_given", "memory", **more)
    metric.__dict__["_reference"] = SimpleNamespace(identity="memory", load=lambda *_: where)
    return metric


def test_a_reference_that_shows_the_runs_prompts_is_paired_with_other_prompts_only() -> None:
    """A perfect model: the same prompts through the same process. It is at 0, not below."""
    rng, low, values, notes = np.random.default_rng(7), 0, [], []
    for _ in range(12):
        asked = rng.normal(size=(30, 1, D))
        mine, theirs = ((asked + 0.5 * rng.normal(size=(30, k, D))).reshape(-1, D).astype(np.float32) for k in (2, 8))
        told = ReferenceFeatures(features=theirs, n=240, prompts=tuple(f"prompt {i}" for i in range(30) for _ in range(8)))
        untold = ReferenceFeatures(features=theirs, n=240)
        (row,), (blind,) = (given(r, subsets=5).compare(mine, records(30, 2)) for r in (told, untold))
        values.append(row.value)
        assert row.detail["low"] < 0 < row.detail["high"]
        assert "note" not in row.detail
        low += blind.detail["high"] < 0
        assert ("note" in blind.detail) == (blind.detail["high"] < 0)
        notes += [blind.detail["note"]] if "note" in blind.detail else []
    assert abs(np.mean(values)) < 3 * np.std(values) / math.sqrt(12)
    assert low >= 6
    assert "the interval lies wholly below zero, where no squared distance can be" in notes[0]


def test_kids_interval_is_of_the_prompts_and_of_the_references_pictures(where: str) -> None:
    mine, whose = sample(120, 1, 0.5), records(30, 4)
    with np.load(where) as stored:
        reference = stored["features"]
    (row,) = KernelDistance(Given(), "kid_given", where).compare(mine, whose)
    prompts = np.arange(120) // 4
    theirs = [kernel.mmd2(mine, np.delete(reference, j, 0), kernel.cubic, prompts) for j in range(0, 300, 3)]
    of_reference = math.sqrt(299 / 300 * 3 * np.square(np.array(theirs) - np.mean(theirs)).sum())
    error = math.sqrt(np.var(row.detail["draws"], ddof=1) + of_reference**2 + row.detail["std"] ** 2 / 100)
    assert row.detail["high"] - row.value == pytest.approx(stdtrit(1 / (1 / 49 + 1 / 29), 0.975) * error, rel=0.1)
    assert row.detail["high"] - row.value == pytest.approx(row.value - row.detail["low"])


@pytest.mark.parametrize("share", [True, False])
def test_one_prompt_has_no_pair(share: bool, where: str) -> None:  # noqa: FBT001 - pytest names it
    mine = [replace(r, request=replace(r.request, prompt="one")) for r in records(12)] if share else records(12, 2)
    there = ReferenceFeatures(features=sample(9, 3), n=9, prompts=("prompt 0",) * 9)
    (row,) = (KernelDistance(Given(), "kid_given", where) if share else given(there)).compare(sample(len(mine), 1), mine)
    assert (row.status, "pictures of different prompts" in str(row.reason)) == ("unscored", True)


def test_cmmds_influence_is_a_thousand_times_its_kernels(where: str) -> None:
    x, y = sample(60, 1, 0.5).astype(float), sample(300, 99)
    found = ClipDiscrepancy(Given(), "cmmd_given", where).compare(x.astype(np.float32), records(60))[0]
    left = np.array([kernel.cmmd(np.delete(x, i, 0), y) for i in range(60)])
    error = math.sqrt(59 / 60 * np.square(left - left.mean()).sum())
    assert np.std(found.detail["draws"], ddof=1) == pytest.approx(error, rel=0.25)


def test_parts_of_a_set_have_the_shares_that_each_part_has_alone() -> None:
    x, y = sample(50, 1, 0.5), sample(40, 2)
    members = stats.halves([f"p{i}" for i in range(50)], 20).members
    each = [precision_recall.prdc(x[m], y, 3) for m in members]
    assert precision_recall.prdc_halves(x, y, 3, members) == pytest.approx(np.array(each))
    with pytest.raises(ValueError, match="every part"):
        precision_recall.prdc_halves(x, y, 25, members)


def draws(features: np.ndarray, reference: frechet.Gaussian, members: np.ndarray) -> tuple[float, np.ndarray]:
    value = frechet.distance(frechet.gaussian(features), reference)
    return value, value + members @ influence.frechet(features, reference) / members.sum(1)


@pytest.mark.parametrize(("shift", "least"), [(0.7, 0.025), (0.0, 0.0)])
def test_alike_runs_differ_by_chance_alone_in_one_of_twenty(shift: float, least: float) -> None:
    """Far from the reference the rate is that of the test; at it a distance is a square, and the test is careful."""
    assert least <= simulation.alike_sets(40, shift, 600) <= 0.075


def test_the_interval_covers_the_value_of_a_large_set() -> None:
    rng, prompts = np.random.default_rng(13), 150
    reference = frechet.gaussian(rng.normal(size=(4000, 3)))
    spread = np.array([1.5, 1.0, 0.6])
    truth = frechet.distance(frechet.gaussian(rng.normal(size=(200_000, 3)) * spread + 0.7), reference)
    members = stats.halves([f"p{i}" for i in range(prompts)], 50).members
    inside = 0
    for _ in range(500):
        value, found = draws(rng.normal(size=(prompts, 3)) * spread + 0.7, reference, members)
        interval = stats.half_interval(value, found, prompts, minimum=0.0)
        inside += interval.low <= truth <= interval.high
    assert 0.92 <= inside / 500 <= 0.98


@dataclass(frozen=True)
class MeanDistance(SetDistance):
    """The mean of the first feature: a distance whose standard error is known."""

    extractor: Given = Given()  # type: ignore[assignment]
    name: str = "mean_given"
    resamples: int = 4000

    @property
    def columns(self) -> tuple[Column, ...]:
        return (self._column("x", order=1),)

    @property
    def expected_name(self) -> str:
        return "mean_given"

    def measure(self, pictures: Pictures, reference: ReferenceFeatures) -> tuple[Sequence[float], dict[str, Any]]:  # noqa: ARG002
        return [float(pictures.features[:, 0].mean())], {}

    def draws(self, pictures: Pictures, reference: object, values: Sequence[float], members: np.ndarray) -> np.ndarray:  # noqa: ARG002
        means: np.ndarray = members @ pictures.features[:, :1] / members.sum(1, keepdims=True)
        return means


@pytest.mark.parametrize("prompts", [21, 40])
def test_the_draws_lie_around_the_value_with_its_standard_error(prompts: int) -> None:
    features = np.random.default_rng(1).normal(5.0, size=(prompts, 1))
    names = [f"p{i}" for i in range(prompts)]
    (column,) = MeanDistance()._resample(Pictures(features, names, names), ReferenceFeatures(), [float(features.mean())], {})
    assert np.std(column["draws"]) == pytest.approx(features.std(ddof=1) / math.sqrt(prompts), rel=0.06)
    assert np.mean(column["draws"]) == pytest.approx(features.mean(), abs=0.02)
    members = stats.halves(names, MeanDistance.resamples).members
    assert np.corrcoef(column["draws"], members @ features[:, 0])[0, 1] == pytest.approx(1.0)
