"""Fréchet distance: closed forms, parity with scipy and torchmetrics, naming, and the real Inception weights."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import scipy.linalg
from PIL import Image

from bench.errors import ConfigError
from bench.metrics import frechet, inception

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Means:
    """A toy extractor: mean colour of each quarter of the picture."""

    name = "means"

    def fingerprint(self) -> str:
        return "means"

    def features(self, images: Sequence[Image.Image]) -> np.ndarray:
        small = [np.asarray(i.convert("RGB").resize((2, 2), Image.Resampling.BOX), dtype=np.float32).ravel() for i in images]
        return np.stack(small)


def sets(n: int, m: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, d)), rng.normal(0.3, 1.4, size=(m, d)) @ rng.normal(size=(d, d)) / math.sqrt(d)


def by_scipy(x: np.ndarray, y: np.ndarray) -> float:
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(a @ b)
    return float(np.square(x.mean(0) - y.mean(0)).sum() + np.trace(a + b - 2 * root.real))


def test_one_dimension_is_the_textbook_formula() -> None:
    assert frechet.frechet_distance(np.array([1.0]), np.array([[4.0]]), np.array([3.0]), np.array([[9.0]])) == pytest.approx(4 + 1)


@pytest.mark.parametrize(("n", "m", "d"), [(200, 150, 8), (64, 80, 64)])
def test_parity_with_scipy(n: int, m: int, d: int) -> None:
    x, y = sets(n, m, d)
    assert frechet.distance(frechet.gaussian(x), frechet.gaussian(y)) == pytest.approx(by_scipy(x, y), rel=1e-6)


def test_fewer_pictures_than_features_is_exact_too() -> None:
    x, y = sets(20, 30, 50)
    from_cov = frechet.frechet_distance(x.mean(0), np.cov(x, rowvar=False), y.mean(0), np.cov(y, rowvar=False))
    assert frechet.distance(frechet.gaussian(x), frechet.gaussian(y)) == pytest.approx(from_cov, rel=1e-7)


def test_parity_with_torchmetrics() -> None:
    import torch
    from torchmetrics.image.fid import FrechetInceptionDistance

    rng = np.random.default_rng(2)
    x, y = (rng.integers(0, 255 - k, (n, 3, 2, 2), dtype=np.uint8) for n, k in ((80, 0), (90, 60)))

    class Flat(torch.nn.Module):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return pixels.flatten(1).double()

    other = FrechetInceptionDistance(feature=Flat(), input_img_size=(3, 2, 2))
    for real, data in ((True, x), (False, y)):
        other.update(torch.from_numpy(data), real=real)
    mine = frechet.distance(frechet.gaussian(x.reshape(80, -1)), frechet.gaussian(y.reshape(90, -1)))
    assert mine == pytest.approx(float(other.compute()), rel=1e-4)


def test_a_set_is_at_distance_zero_from_itself() -> None:
    x, _ = sets(30, 2, 6)
    assert frechet.distance(frechet.gaussian(x), frechet.gaussian(x)) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", ["fid", "fd_inception", "fd_other"])
def test_the_name_says_what_the_number_is(name: str) -> None:
    with pytest.raises(ConfigError, match="must be called 'fd_means'"):
        frechet.FrechetDistance(Means(), name)
    with pytest.raises(ConfigError, match="must be called 'fid'"):
        frechet.FrechetDistance(inception.Inception(), "fd_inception")


def test_without_reference_or_pictures_it_is_unscored_with_the_way_out(tmp_path: Path) -> None:
    features = np.zeros((4, 12))
    rows = [
        frechet.FrechetDistance(Means(), "fd_means", reference).compare(data, ["x"])[0]
        for reference, data in ((None, features), (str(tmp_path), features), (str(tmp_path / "no"), features), ("renderer", features[:1]))
    ]
    assert all(r.status == "unscored" and math.isnan(r.value) for r in rows)
    assert "metric.fd_means.reference=" in str(rows[0].reason)


def test_references_by_folder_and_by_statistics_agree(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    pictures = [Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)) for _ in range(40)]
    for i, picture in enumerate(pictures):
        picture.save(tmp_path / f"{i:02d}.png")
    features = Means().features(pictures)
    np.savez(tmp_path / "stats.npz", mu=features.mean(0), sigma=np.cov(features, rowvar=False), n=40)
    other = Means().features(pictures[:20])
    rows = [frechet.FrechetDistance(Means(), "fd_means", str(r)).compare(other, [])[0] for r in (tmp_path, tmp_path / "stats.npz")]
    assert rows[0].value == pytest.approx(rows[1].value, rel=1e-6)
    assert rows[0].detail["n"] == 20
    assert rows[0].detail["reference_n"] == rows[1].detail["reference_n"] == 40


def test_resize_is_tensorflow_1s() -> None:
    ramp = np.tile(np.arange(4, dtype=np.float32)[None, :, None], (4, 1, 3))
    wide = inception.resize(ramp, 8)
    assert wide[0, :, 0].tolist() == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3]


@pytest.mark.slow
def test_real_fid_grows_with_noise() -> None:
    if inception.weights_file() is None:
        pytest.skip("the Inception weights are not installed (make fid)")
    from bench.tiny import scenes

    rng = np.random.default_rng(0)
    clean = [scenes.draw(scenes.sample(rng), i) for i in range(24)]
    network = inception.Inception()
    reference = frechet.gaussian(network.features(clean[:12]))
    values = []
    for level in (0, 20, 60):
        noisy = [Image.fromarray(np.clip(np.asarray(i) + rng.normal(0, level, (128, 128, 3)), 0, 255).astype(np.uint8)) for i in clean[12:]]
        values.append(frechet.distance(reference, frechet.gaussian(network.features(noisy))))
    assert values == sorted(values)
    assert network.features(clean[:1]).shape == (1, 2048)
