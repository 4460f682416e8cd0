"""Worse pictures must score worse: metrics with real or trained weights, each within its own domain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.config import presets
from bench.metrics.distribution.formulas import frechet, kernel
from bench.verify import pictures
from bench.verify.checks import Check, SkipCheck, expect_decrease
from bench.verify.pictures import Drawn

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class _Damage:
    """What is done to a picture at each level, and how far a score must fall from the first level to the last."""

    change: Callable[[Any, Any], Any]
    levels: Sequence[Any]
    least: float = 0.0


_SCENES = 16
_UNTESTED = {
    "clip": "its weights come from the hub", "clip_b32": "its weights come from the hub", "siglip2": "its weights come from the hub",
    "pickscore": "its weights come from the hub", "vqa": "it asks a server", "fd_dinov2": "its weights come from the hub",
    "cmmd": "its weights come from the hub",
}  # fmt: skip


def checks() -> list[Check]:
    """One check a metric and kind of damage."""
    made = [
        *(_falls("ocr", column, name, _signs, _Damage(damage, levels, least))
          for column in ("ocr.ned", "ocr.recall")
          for name, damage, levels, least in (
              ("blur of the sign", _on(pictures.blurred), (0, 4, 8, 16), 0.3),
              ("noise on the sign", _on(pictures.noisy), (0, 120, 400), 0.3),
              ("JPEG of a small sign", _small_jpeg, (90, 10, 3), 0.2),
              ("the sign cut off", _on(pictures.cut), (0.0, 0.3, 0.6), 0.3),
              ("letters deleted", _deleted, (0, 2, 4), 0.2))),
        *(_falls("clip_tiny", "clip_tiny", name, _scenes, _Damage(damage, levels, least))
          for name, damage, levels, least in (
              ("blur", _on(pictures.blurred), (0, 2, 6), 0.1),
              ("noise", _on(pictures.noisy), (0, 60, 200), 0.1),
              ("crop", _on(pictures.cut), (0.0, 0.25, 0.5), 0.1),
              ("captions of other pictures", _shuffled, (0.0, 0.5, 1.0), 0.2))),
        *(_falls("scene", "scene", name, _scenes, _Damage(damage, levels, least))
          for name, damage, levels, least in (
              ("noise", _on(pictures.noisy), (0, 60, 200), 0.5),
              ("captions of other pictures", _shuffled, (0.0, 0.5, 1.0), 0.7))),
        *(_grows(metric, name, _scene_images, _scene_reference, damage)
          for metric in ("fd_clip_tiny", "kid_clip_tiny")
          for name, damage in (("blur", _Damage(pictures.blurred, (0, 2, 6))), ("noise", _Damage(pictures.noisy, (0, 60, 200))))),
        *(_grows(metric, name, _photo_crops, _photo_reference, damage)
          for metric in ("fid", "fid_clean", "kid")
          for name, damage in (("blur", _Damage(pictures.blurred, (0, 2, 8))), ("noise", _Damage(pictures.noisy, (0, 30, 120))))),
    ]  # fmt: skip
    return [*made, *(Check(name, "degradation", "pictures made worse", partial(_skip, why)) for name, why in _UNTESTED.items())]


def _skip(why: str) -> str:
    raise SkipCheck(f"not tried here: {why}")


def _on(change: Callable[[Image.Image, Any], Image.Image]) -> Callable[[Drawn, Any], Drawn]:
    def damage(one: Drawn, level: Any) -> Drawn:  # noqa: ANN401 - each damage has levels of its own
        return replace(one, image=change(one.image, level))

    return damage


def _small_jpeg(one: Drawn, quality: int) -> Drawn:
    return replace(one, image=pictures.jpeg(one.image.resize((120, 36)), quality))


def _deleted(one: Drawn, letters: int) -> Drawn:
    return pictures.sign(pictures.shortened(one.expected[0], letters), one.expected[0])


def _shuffled(one: Drawn, share: float) -> Drawn:
    """The first ``share`` of the pictures get the caption of the next one."""
    held = _scenes()
    i = held.index(one)
    return replace(one, prompt=held[(i + 1) % len(held)].prompt) if i < share * len(held) else one


@cache
def _signs() -> list[Drawn]:
    return [pictures.sign(text) for text in pictures.SIGNS]


@cache
def _scenes() -> list[Drawn]:
    return pictures.drawn(pictures.scenes(_SCENES))


@cache
def _scene_images() -> list[Image.Image]:
    return [d.image for d in pictures.drawn(pictures.scenes(80), seed=0)]


@cache
def _scene_reference() -> list[Image.Image]:
    return [d.image for d in pictures.drawn(pictures.scenes(80), seed=5000)]


@cache
def _photo_crops() -> list[Image.Image]:
    return pictures.crops(pictures.photograph(), 16)


@cache
def _photo_reference() -> list[Image.Image]:
    return pictures.crops(pictures.photograph(), 16, seed=4)


@cache
def _metric(name: str) -> Any:  # noqa: ANN401 - any metric
    return presets.metrics([name])[0]


def _falls(metric: str, column: str, name: str, make: Callable[[], Sequence[Drawn]], damage: _Damage) -> Check:
    """The mean of ``column`` over the pictures falls from level to level."""

    def test() -> str:
        means = []
        for level in damage.levels:
            samples = [pictures.sample(damage.change(one, level), f"{name} {level} {i}") for i, one in enumerate(make())]
            means.append(float(np.mean([row.value for row in _metric(metric).score(samples) if row.metric == column])))
        return expect_decrease(damage.levels, means, damage.least)

    return Check(metric, "degradation", f"{column} falls: {name}", test)


def _grows(
    metric: str, name: str, make: Callable[[], Sequence[Image.Image]], reference: Callable[[], Sequence[Image.Image]], damage: _Damage
) -> Check:
    """The distance to the reference grows from level to level, in all to more than twice its value for sound pictures."""

    def test() -> str:
        extractor = _metric(metric).extractor
        known = extractor.features(reference())
        seen = [extractor.features([damage.change(image, level) for image in make()]) for level in damage.levels]
        values = [_distance(metric, features, known) for features in seen]
        expect_decrease(damage.levels, [-v for v in values], abs(values[0]))
        return ", ".join(f"{level}: {value:.4g}" for level, value in zip(damage.levels, values, strict=True))

    return Check(metric, "degradation", f"{metric} grows: {name}", test)


def _distance(metric: str, features: np.ndarray, known: np.ndarray) -> float:
    if metric.startswith("kid"):
        return kernel.kid(features, known).value
    return frechet.distance(frechet.gaussian(features), frechet.gaussian(known))
