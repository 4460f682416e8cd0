"""Worse pictures must score worse: each metric is tried on pictures of its own domain, as far as its weights are here."""

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
from bench.weights import hub

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class _Damage:
    """What is done to a picture at each level, and how far a score must fall from the first level to the last at least."""

    change: Callable[[Any, Any], Any]
    levels: Sequence[Any]
    min_fall: float = 0.0


_SCENES = 16


def checks() -> list[Check]:
    """One check a metric and kind of damage; a skipped one of each metric that cannot be tried without network."""
    tried = _tried()
    names = [name for name in presets.names("metric") if name not in {check.metric for check in tried}]
    reasons = {name: reason for name in names if (reason := _needs_network(_metric(name)))}
    return [*tried, *(Check(name, "degradation", "pictures made worse", partial(_skip, reason)) for name, reason in reasons.items())]


def _needs_network(metric: Any) -> str | None:  # noqa: ANN401 - any metric
    if hasattr(metric, "api_key_env"):
        return "it asks a server"
    repo = getattr(getattr(metric, "extractor", metric), "repo", None)
    return "its weights come from the hub" if repo and hub.local_folder(repo) is None else None


def _skip(reason: str) -> str:
    raise SkipCheck(f"not tried here: {reason}")


def _tried() -> list[Check]:
    return [
        *(_falls("ocr", column, name, _signs, _Damage(damage, levels, min_fall))
          for column in ("ocr.ned", "ocr.recall")
          for name, damage, levels, min_fall in (
              ("blur of the sign", _on(pictures.blurred), (0, 4, 8, 16), 0.3),
              ("noise on the sign", _on(pictures.noisy), (0, 120, 400), 0.3),
              ("JPEG of a small sign", _small_jpeg, (90, 10, 3), 0.2),
              ("the sign cut off", _on(pictures.cut), (0.0, 0.3, 0.6), 0.3),
              ("letters deleted", _deleted, (0, 2, 4), 0.2))),
        *(_falls("clip_tiny", "clip_tiny", name, _scenes, _Damage(damage, levels, min_fall))
          for name, damage, levels, min_fall in (
              ("blur", _on(pictures.blurred), (0, 2, 6), 0.1),
              ("noise", _on(pictures.noisy), (0, 60, 200), 0.1),
              ("crop", _on(pictures.cut), (0.0, 0.25, 0.5), 0.1),
              ("captions of other pictures", _shuffled, (0.0, 0.5, 1.0), 0.2))),
        *(_falls("scene", "scene", name, _scenes, _Damage(damage, levels, min_fall))
          for name, damage, levels, min_fall in (
              ("noise", _on(pictures.noisy), (0, 60, 200), 0.5),
              ("captions of other pictures", _shuffled, (0.0, 0.5, 1.0), 0.7))),
        *(_grows(metric, name, _scene_images, _scene_reference, damage)
          for metric in ("fd_clip_tiny", "kid_clip_tiny")
          for name, damage in (("blur", _Damage(pictures.blurred, (0, 2, 6))), ("noise", _Damage(pictures.noisy, (0, 60, 200))))),
        *(_grows(metric, name, _photo_crops, _photo_reference, damage)
          for metric in ("fid", "fid_clean", "kid")
          for name, damage in (("blur", _Damage(pictures.blurred, (0, 2, 8))), ("noise", _Damage(pictures.noisy, (0, 30, 120))))),
    ]  # fmt: skip


def _on(change: Callable[[Image.Image, Any], Image.Image]) -> Callable[[Drawn, Any], Drawn]:
    def damage(drawn: Drawn, level: Any) -> Drawn:  # noqa: ANN401 - each damage has levels of its own
        return replace(drawn, image=change(drawn.image, level))

    return damage


def _small_jpeg(drawn: Drawn, quality: int) -> Drawn:
    return replace(drawn, image=pictures.jpeg(drawn.image.resize((120, 36)), quality))


def _deleted(drawn: Drawn, letters: int) -> Drawn:
    return pictures.sign(pictures.shortened(drawn.expected[0], letters), drawn.expected[0])


def _shuffled(drawn: Drawn, share: float) -> Drawn:
    """The first ``share`` of the pictures get the caption of the next one."""
    every = _scenes()
    i = every.index(drawn)
    return replace(drawn, prompt=every[(i + 1) % len(every)].prompt) if i < share * len(every) else drawn


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
            samples = [pictures.sample(damage.change(drawn, level), f"{name} {level} {i}") for i, drawn in enumerate(make())]
            means.append(float(np.mean([row.value for row in _metric(metric).score(samples) if row.metric == column])))
        return expect_decrease(damage.levels, means, damage.min_fall)

    return Check(metric, "degradation", f"{column} falls: {name}", test)


def _grows(
    metric: str, name: str, make: Callable[[], Sequence[Image.Image]], reference: Callable[[], Sequence[Image.Image]], damage: _Damage
) -> Check:
    """The distance to the reference grows from level to level, in all to more than twice its value for sound pictures."""

    def test() -> str:
        extractor = _metric(metric).extractor
        theirs = extractor.features(reference())
        seen = [extractor.features([damage.change(image, level) for image in make()]) for level in damage.levels]
        values = [_distance(metric, features, theirs) for features in seen]
        expect_decrease(damage.levels, [-v for v in values], abs(values[0]))
        return ", ".join(f"{level}: {value:.4g}" for level, value in zip(damage.levels, values, strict=True))

    return Check(metric, "degradation", f"{metric} grows: {name}", test)


def _distance(metric: str, features: np.ndarray, reference: np.ndarray) -> float:
    if metric.startswith("kid"):
        return kernel.kid(features, reference).value
    return frechet.distance(frechet.gaussian(features), frechet.gaussian(reference))
