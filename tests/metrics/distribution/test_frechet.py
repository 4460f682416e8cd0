"""The pure distances: closed forms by hand, parity with scipy, torchmetrics, torch-fidelity's formulas and mpmath."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.linalg

from bench.metrics.distribution.formulas import frechet, kernel, precision_recall


def sets(n: int, m: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, d)), rng.normal(0.3, 1.4, size=(m, d)) @ rng.normal(size=(d, d)) / math.sqrt(d)


def fd(x: np.ndarray, y: np.ndarray) -> float:
    return frechet.distance(frechet.gaussian(x), frechet.gaussian(y))


def by_scipy(x: np.ndarray, y: np.ndarray) -> float:
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(a @ b)
    return float(np.square(x.mean(0) - y.mean(0)).sum() + np.trace(a + b - 2 * root.real))


def by_mpmath(x: np.ndarray, y: np.ndarray) -> float:
    """The definition with 60 digits: eigenvalues of the product of two covariances of whole numbers."""
    from mpmath import mp, mpf

    mp.dps = 60

    def covariance(rows: np.ndarray) -> Any:
        centred = mp.matrix([[mpf(int(v)) for v in row] for row in rows])
        for c in range(centred.cols):
            mean = sum(centred[r, c] for r in range(centred.rows)) / centred.rows
            for r in range(centred.rows):
                centred[r, c] -= mean
        return centred.T * centred / (centred.rows - 1)

    a, b = covariance(x), covariance(y)
    values, _ = mp.eig(a * b)
    between = sum((mpf(int(p)) / len(x) - mpf(int(q)) / len(y)) ** 2 for p, q in zip(x.sum(0), y.sum(0), strict=True))
    trace = sum(a[i, i] + b[i, i] for i in range(a.rows))
    return float(between + trace - 2 * sum(mp.sqrt(abs(v.real) if abs(v) > mpf(10) ** -40 else 0) for v in map(mp.mpc, values)))


def test_one_dimension_is_the_textbook_formula() -> None:
    assert frechet.frechet_distance(np.array([1.0]), np.array([[4.0]]), np.array([3.0]), np.array([[9.0]])) == pytest.approx(4 + 1)


def test_covariances_that_do_not_commute_give_the_value_reckoned_by_hand() -> None:
    # S1 = diag(1, 4), S2 = [[2, 1], [1, 2]]: S1 S2 = [[2, 1], [4, 8]], trace 10, determinant 12; the root's trace is
    # sqrt(10 + 2 sqrt(12)).
    value = frechet.frechet_distance(np.zeros(2), np.diag([1.0, 4.0]), np.array([3.0, 4.0]), np.array([[2.0, 1.0], [1.0, 2.0]]))
    assert value == pytest.approx(25 + 5 + 4 - 2 * math.sqrt(10 + 2 * math.sqrt(12)), rel=1e-12)


@pytest.mark.parametrize(("n", "m", "d"), [(200, 150, 8), (80, 64, 32), (300, 300, 128)])
def test_parity_with_scipy(n: int, m: int, d: int) -> None:
    x, y = sets(n, m, d)
    assert fd(x, y) == pytest.approx(by_scipy(x, y), rel=1e-6)


@pytest.mark.parametrize(("n", "m", "d"), [(20, 30, 50), (20, 300, 50), (50, 51, 50), (300, 20, 50)])
def test_features_and_covariances_give_the_same_whatever_the_rank(n: int, m: int, d: int) -> None:
    x, y = sets(n, m, d)
    from_cov = frechet.frechet_distance(x.mean(0), np.cov(x, rowvar=False), y.mean(0), np.cov(y, rowvar=False))
    assert fd(x, y) == pytest.approx(from_cov, rel=1e-7)
    assert frechet.gaussian(x).rank == min(n - 1, d)
    assert frechet.gaussian(y).rank == min(m - 1, d)


@pytest.mark.parametrize(("n", "m", "d", "dead"), [(3, 3, 4, 0), (4, 12, 5, 0), (12, 12, 4, 1), (9, 3, 6, 2)])
def test_singular_covariances_agree_with_sixty_digits(n: int, m: int, d: int, dead: int) -> None:
    rng = np.random.default_rng(3)
    x, y = rng.integers(-9, 10, (n, d)), rng.integers(-20, 21, (m, d))
    if dead:
        x[:, -dead:], y[:, -1] = 7, y[:, 0]
    exact = by_mpmath(x, y)
    assert fd(x.astype(float), y.astype(float)) == pytest.approx(exact, rel=1e-12)
    stored = frechet.frechet_distance(x.mean(0), np.cov(x, rowvar=False), y.mean(0), np.cov(y, rowvar=False))
    assert stored == pytest.approx(exact, rel=1e-6)


def test_features_that_never_fire_and_repeat_leave_a_finite_distance() -> None:
    x, y = sets(400, 300, 40)
    x[:, 30:], y[:, 30:] = 0, 0
    x[:, 20:30], y[:, 20:30] = x[:, :10], y[:, :10]
    assert frechet.gaussian(x).rank == 20
    smaller = [np.concatenate([math.sqrt(2) * z[:, :10], z[:, 10:20]], axis=1) for z in (x, y)]
    assert fd(x, y) == pytest.approx(fd(*smaller), rel=1e-9)
    assert fd(x, x[::-1]) == pytest.approx(0, abs=1e-9)


def test_a_wide_spectrum_does_not_disturb_a_small_distance() -> None:
    rng = np.random.default_rng(5)
    scale = np.logspace(3, -3, 60)
    x = rng.normal(size=(500, 60))
    shifted = x + np.array([0.0] * 59 + [1.0])
    assert fd(x * scale, shifted * scale) == pytest.approx(1e-6, rel=1e-2)


def test_fid_has_torchmetrics_value() -> None:
    import torch
    from torchmetrics.image.fid import FrechetInceptionDistance

    rng = np.random.default_rng(2)
    x, y = (rng.integers(0, 255 - k, (n, 3, 2, 2), dtype=np.uint8) for n, k in ((80, 0), (90, 60)))

    class Flat(torch.nn.Module):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return pixels.flatten(1).double()

    other = FrechetInceptionDistance(feature=Flat(), input_img_size=(3, 2, 2)).set_dtype(torch.float64)
    for real, data in ((True, x), (False, y)):
        other.update(torch.from_numpy(data), real=real)
    assert fd(x.reshape(80, -1), y.reshape(90, -1)) == pytest.approx(float(other.compute()), rel=1e-6)


def test_a_set_is_at_distance_zero_from_itself() -> None:
    x, _ = sets(30, 2, 6)
    assert fd(x, x) == pytest.approx(0, abs=1e-9)
    with pytest.raises(ValueError, match="two pictures"):
        frechet.gaussian(x[:1])


def test_the_root_of_many_features_is_scipys() -> None:
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(512, 512)) / math.sqrt(512)
    a, b = (np.cov(rng.normal(size=(1500, 512)) @ mix * s, rowvar=False) for s in (1, 2))
    theirs = float(np.trace(a + b) - 2 * np.trace(scipy.linalg.sqrtm(a @ b)).real)
    assert frechet.frechet_distance(np.zeros(512), a, np.zeros(512), b) == pytest.approx(theirs, rel=1e-6)


def test_the_limit_is_the_line_through_its_distances_and_nearer_the_truth() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 16))
    x[:, 0] += 1
    exact = frechet.from_statistics(np.zeros(16), np.eye(16), 0)
    limit = frechet.extrapolate_to_infinity(x, exact, smallest=50)
    assert limit.sizes == tuple(int(s) for s in np.linspace(50, 400, 15))
    assert limit.distances[-1] == pytest.approx(frechet.distance(frechet.gaussian(x), exact), rel=1e-9)
    slope, intercept = np.polyfit(1 / np.array(limit.sizes), limit.distances, 1)
    assert limit.value == pytest.approx(intercept, rel=1e-9)
    assert limit.slope == pytest.approx(slope, rel=1e-9)
    assert limit.slope > 0
    mean_shift = float(np.square(x.mean(0)).sum())
    assert abs(limit.value - mean_shift) < abs(limit.distances[-1] - mean_shift)
    fitted = scipy.stats.linregress(1 / np.array(limit.sizes), limit.distances)
    assert limit.error == pytest.approx(fitted.intercept_stderr, rel=1e-9)
    with pytest.raises(ValueError, match="cannot be fitted"):
        frechet.extrapolate_to_infinity(x, exact, smallest=400)


def test_kid_of_two_numbers_each_is_reckoned_by_hand() -> None:
    # k = (xy + 1)^3: within 1 and 27, across 1, 1, 8, 27 -> 28 - 2 * 37 / 4.
    x, y = np.array([[0.0], [1.0]]), np.array([[1.0], [2.0]])
    assert kernel.mmd2(x, y) == pytest.approx(9.5)
    assert kernel.kid(x, y) == (pytest.approx(9.5), 0.0, 2)


def test_kid_has_torchmetrics_value() -> None:
    import torch
    from torchmetrics.image.kid import KernelInceptionDistance

    rng = np.random.default_rng(2)
    x, y = (rng.integers(0, 255 - k, (60, 3, 2, 2), dtype=np.uint8) for k in (0, 60))

    class Flat(torch.nn.Module):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return pixels.flatten(1).double() / 255

    with pytest.warns(UserWarning, match="save all extracted features"):
        other = KernelInceptionDistance(feature=Flat(), subsets=2, subset_size=60).set_dtype(torch.float64)
    for real, data in ((True, y), (False, x)):
        other.update(torch.from_numpy(data), real=real)
    mine = kernel.kid(x.reshape(60, -1) / 255, y.reshape(60, -1) / 255)
    assert mine.value == pytest.approx(float(other.compute()[0]), rel=1e-6)


def test_kid_has_torch_fidelitys_value_on_the_same_features() -> None:
    x, y = sets(40, 50, 8)
    rng, found = np.random.RandomState(2020), []
    for _ in range(7):
        a, b = x[rng.choice(40, 25, replace=False)], y[rng.choice(50, 25, replace=False)]
        xx = sum((p @ q / 8 + 1) ** 3 for i, p in enumerate(a) for j, q in enumerate(a) if i != j)
        yy = sum((p @ q / 8 + 1) ** 3 for i, p in enumerate(b) for j, q in enumerate(b) if i != j)
        xy = sum((p @ q / 8 + 1) ** 3 for p in a for q in b)
        found.append((xx + yy) / (25 * 24) - 2 * xy / 25**2)
    mine = kernel.kid(x, y, subsets=7, subset_size=25)
    assert mine.value == pytest.approx(np.mean(found), rel=1e-9)
    assert mine.std == pytest.approx(np.std(found), rel=1e-9)


def test_kid_is_unbiased() -> None:
    rng = np.random.default_rng(0)
    values = [kernel.mmd2(rng.normal(size=(30, 4)), rng.normal(size=(40, 4))) for _ in range(200)]
    assert abs(np.mean(values)) < 3 * np.std(values) / math.sqrt(200)


def test_kid_is_over_pairs_of_different_prompts() -> None:
    # k = (xy + 1)^3, x of prompts 0, 0, 1 and y of 0, 1: within x 1 and 27, within y 27, between 1, 27 and 27.
    x, y = np.array([[0.0], [1.0], [2.0]]), np.array([[1.0], [2.0]])
    mine, theirs = np.array([0, 0, 1]), np.array([0, 1])
    assert kernel.mmd2(x, y, kernel.cubic, mine, theirs) == pytest.approx(14 + 27 - 2 * 55 / 3)
    assert kernel.mmd2(x, y, kernel.cubic, mine) == pytest.approx(14 + 27 - 2 * (1 + 1 + 8 + 27 + 27 + 125) / 6)
    assert math.isnan(kernel.mmd2(x, y, kernel.cubic, np.zeros(3)))
    assert kernel.kid(x, y, of_x=np.arange(3)).value == kernel.kid(x, y).value


def test_subsets_without_two_prompts_are_left_out() -> None:
    x, y = sets(6, 30, 3)
    mine = np.array([0, 0, 0, 0, 0, 1])
    found = kernel.kid(x, y, subsets=40, subset_size=2, of_x=mine)
    assert math.isfinite(found.value)
    assert math.isnan(kernel.kid(x, y, subsets=3, subset_size=2, of_x=np.zeros(6)).value)


def test_cmmd_of_two_right_angles_is_reckoned_by_hand() -> None:
    value = kernel.cmmd(np.array([[2.0, 0.0]]), np.array([[0.0, 5.0]]))
    assert value == pytest.approx(1000 * 2 * (1 - math.exp(-0.01)), rel=1e-12)


def test_cmmd_is_the_double_loop() -> None:
    x, y = sets(13, 11, 6)
    a, b = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (x, y))

    def mean(p: np.ndarray, q: np.ndarray) -> float:
        return float(np.mean([math.exp(-float(np.square(u - v).sum()) / 200) for u in p for v in q]))

    assert kernel.cmmd(x, y) == pytest.approx(1000 * (mean(a, a) + mean(b, b) - 2 * mean(a, b)), rel=1e-8)
    assert kernel.cmmd(x, x) == pytest.approx(0, abs=1e-12)


def test_prdc_on_a_line_is_reckoned_by_hand() -> None:
    # references 0, 1, 3 reach 1, 1, 2; pictures 0.5, 0.6, 10 reach 0.1, 0.1, 9.4
    found = precision_recall.prdc(np.array([[0.5], [0.6], [10.0]]), np.array([[0.0], [1.0], [3.0]]), k=1)
    assert found == pytest.approx((2 / 3, 2 / 3, 4 / 3, 2 / 3))
    with pytest.raises(ValueError, match="more than 5 pictures"):
        precision_recall.prdc(np.zeros((5, 2)), np.zeros((9, 2)))


@pytest.mark.slow
@pytest.mark.parametrize("k", [1, 3, 5])
def test_prdc_is_the_papers_definition(k: int) -> None:
    rng = np.random.default_rng(k)
    x, y = rng.normal(1.2, 0.8, size=(60, 3)), rng.normal(size=(45, 3))

    def reach(z: np.ndarray, i: int) -> float:
        return sorted(float(np.linalg.norm(z[i] - z[j])) for j in range(len(z)) if j != i)[k - 1]

    in_y = [[float(np.linalg.norm(p - q)) <= reach(y, j) for j, q in enumerate(y)] for p in x]
    in_x = [[float(np.linalg.norm(p - q)) <= reach(x, i) for i, p in enumerate(x)] for q in y]
    found = precision_recall.prdc(x, y, k)
    assert found.precision == pytest.approx(np.mean([any(row) for row in in_y]))
    assert found.recall == pytest.approx(np.mean([any(row) for row in in_x]))
    assert found.density == pytest.approx(sum(map(sum, in_y)) / (k * len(x)))
    assert found.coverage == pytest.approx(np.mean([any(row[j] for row in in_y) for j in range(len(y))]))
    assert 0 < found.precision < 1
    assert 0 < found.recall < 1
    assert found.density != found.precision != found.coverage


def test_shared_pictures_are_found_and_near_ones_are_not() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(1, 0.01, size=(200, 32)).astype(np.float32)
    x = rng.normal(1, 0.01, size=(50, 32)).astype(np.float32)
    x[7], x[31] = y[3] * np.float32(1 + 1e-6), y[199] * np.float32(1 + 1e-4)
    assert np.flatnonzero(frechet.shared(x, y)).tolist() == [7]
