"""Formulas against values computed by hand; the arithmetic stands beside each."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from bench.metrics import clip, distances, diversity, kernels, manifold, textformulas, textmatch
from bench.metrics.latency import Latency
from bench.types import ImageRecord, Request, Timing
from bench.verify import Check, WrongAnswerError, expect, pictures

if TYPE_CHECKING:
    from collections.abc import Callable


def checks() -> list[Check]:
    """One check a formula and vector."""
    return [*_clip(), *_text(), *_sets(), *_scene(), *_rest()]


def _value(metric: str, name: str, known: float, make: Callable[[], float], tolerance: float = 1e-9) -> Check:
    return Check(metric, "formula", name, lambda: expect(make(), known, tolerance))


def _column(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)[:, None]


def _clip() -> list[Check]:
    return [
        _value("clip", "100 max(cos, 0) of 0.25", 25.0, lambda: clip.scales(0.25)["score100"]),
        _value("clip", "2.5 max(cos, 0) of 0.25", 0.625, lambda: clip.scales(0.25)["clipscore"]),
        _value("clip", "a negative cosine scores 0 on both scales", 0.0, lambda: sum(clip.scales(-0.5).values())),
    ]


def _sets() -> list[Check]:
    one, two = np.array([1.0]), np.array([3.0])
    apart, other = _column(0, 1), _column(1, 2)
    right, up = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    reference, made = _column(0, 1, 2, 3), _column(0.1, 10, 1.5, 2.2)
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(40, 3)) @ rng.normal(size=(3, 8))
    return [
        # (1 - 3)^2 + 4 + 9 - 2 sqrt(4 x 9) = 5
        _value("fid", "N(1, 4) to N(3, 9)", 5.0, lambda: distances.frechet_distance(one, np.array([[4.0]]), two, np.array([[9.0]]))),
        _value("fid", "a set to itself, covariance of rank 3 in 8", 0.0, lambda: _own_distance(flat), 1e-9),
        # a shift by (1, ..., 1) in 8 dimensions adds 8
        _value("fid", "a set to itself shifted by one in 8 dimensions", 8.0,
               lambda: distances.distance(distances.gaussian(flat), distances.gaussian(flat + 1)), 1e-8),
        # k(x, y) = (xy + 1)^3: within {0, 1} 1, within {1, 2} 27, across (1 + 1 + 8 + 27) / 4; 1 + 27 - 2 x 9.25 = 9.5
        _value("kid", "{0, 1} to {1, 2}", 9.5, lambda: kernels.mmd2(apart, other)),
        # 1000 (1 + 1 - 2 exp(-2 / 200))
        _value("cmmd", "one picture to another at a right angle", 2000 * (1 - math.exp(-0.01)), lambda: kernels.cmmd(right, up)),
        # balls of radius 1 around 0, 1, 2, 3; 10 is in none, the others are in two each
        _value("prdc", "precision, k = 1", 0.75, lambda: manifold.prdc(made, reference, 1).precision),
        _value("prdc", "recall, k = 1", 1.0, lambda: manifold.prdc(made, reference, 1).recall),
        _value("prdc", "density, k = 1", 1.5, lambda: manifold.prdc(made, reference, 1).density),
        _value("prdc", "coverage, k = 1", 1.0, lambda: manifold.prdc(made, reference, 1).coverage),
        _value("diversity", "three directions at right angles", 1.0, lambda: diversity.mean_pairwise_distance(np.eye(3))),
        _value("diversity", "one direction twice", 0.0, lambda: diversity.mean_pairwise_distance(np.repeat(right, 2, 0))),
    ]  # fmt: skip


def _own_distance(features: np.ndarray) -> float:
    return distances.distance(distances.gaussian(features), distances.gaussian(features))


def _text() -> list[Check]:
    lost = ("this picture was made by a machine", "This picture made by a machine.")
    twice = (["SALE", "50 OFF"], ["50 OFF", "SALE", "EXIT"])
    return [
        # 28 letters are asked for, "was" (3 letters, 1 of 7 words) is not read
        _value("ocr", "the lost word: recall", 6 / 7, lambda: textmatch.match(*lost).recall),
        _value("ocr", "the lost word: character error rate", 3 / 28, lambda: textmatch.match(*lost).cer),
        _value("ocr", "the lost word: NED, a similarity", 25 / 28, lambda: textmatch.match(*lost).ned),
        Check("ocr", "formula", "the lost word is named", lambda: _named(*lost)),
        _value("ocr", "two regions in another order are both exact", 2.0, lambda: sum(m.exact for m in textmatch.assign(*twice))),
        # 3 words asked for and read, 1 read besides: 3/4
        _value("ocr", "precision with a stray word", 3 / 4, lambda: textmatch.counted(textmatch.assign(*twice), twice[1])[0].precision),
        # three of four characters, each a word of its own
        _value("ocr", "Chinese counts by character", 3 / 4, lambda: textmatch.match("今天营业", "今天休业").recall),
        _value("ocr", "LongText-Bench: two words of three", 2 / 3,
               lambda: textformulas.longtext(["Grand Opening Sale"], ["grand opening", "sal"]).ratio),
        # o for O, the y is gone
        _value("ocr", "OneIG: edit distance, case counts", 2.0, lambda: textformulas.oneig(["Open Today"], ["open Toda"]).edits),
        # one tenth of the worst distance, half incomplete, a fifth of the words wrong: one less 1/10 x 1/2 x 1/5
        _value("ocr", "OneIG: the set's text score", 0.99, lambda: textformulas.oneig_text_score(10, 0.5, 0.8)),
        _value("ocr", "AnyText: NED of one wrong letter of four", 0.75, lambda: textformulas.anytext("OPEN", "OPAN").ned),
        _value("ocr", "AnyText: case counts for sentence accuracy", 0.0, lambda: textformulas.anytext("OPEN", "Open").accurate),
    ]  # fmt: skip


def _named(expected: str, read: str) -> str:
    found = textmatch.match(expected, read)
    if (found.missing, found.added, found.changed) != (("was",), (), ()):
        raise WrongAnswerError(f"missing {found.missing}, added {found.added}, changed {found.changed}")
    return "missing: was"


def _scene() -> list[Check]:
    return [Check("scene", "formula", f"{fault} lowers {', '.join(columns) or 'nothing'}", partial(_faulty, fault, columns))
            for fault, columns in _FAULTS.items()]  # fmt: skip


_FAULTS = {
    "the picture as asked": (),
    "another kind": ("scene.kind",),
    "another colour": ("scene.colour",),
    "swapped places": ("scene.place",),
    "a shape too few": ("scene.kind", "scene.colour", "scene.place", "scene.count"),
}


def _faulty(fault: str, columns: tuple[str, ...]) -> str:
    """Draw a picture with a fault under the sound caption; the columns named, and no other, must fall below one."""
    from bench import presets  # noqa: PLC0415 - beside its use
    from bench.tiny import scenes  # noqa: PLC0415 - beside its use

    circle, star = scenes.Shape("circle", "red"), scenes.Shape("star", "blue")
    asked = scenes.Scene((circle, star), "left of", ("white",))
    drawn = {
        "the picture as asked": asked,
        "another kind": scenes.Scene((scenes.Shape("square", "red"), star), "left of", ("white",)),
        "another colour": scenes.Scene((scenes.Shape("circle", "green"), star), "left of", ("white",)),
        "swapped places": scenes.Scene((circle, star), "right of", ("white",)),
        "a shape too few": scenes.Scene((circle,), "on the left", ("white",)),
    }[fault]
    one = pictures.Drawn(scenes.draw(drawn, 0), scenes.caption(asked))
    rows = {r.metric: r.value for r in presets.metrics(["scene"])[0].score([pictures.sample(one)])}
    low = tuple(name for name, value in rows.items() if value < 1 and name != "scene")
    if low != columns or (rows["scene"] == 1) != (not columns):
        raise WrongAnswerError(f"lowered: {', '.join(low) or 'nothing'}; scene {rows['scene']:g}")
    return ", ".join(f"{name} {value:g}" for name, value in rows.items())


def _timed(seconds: float, *, status: str = "ok") -> ImageRecord:
    request = Request("m", "r", f"{seconds}", None, 0, 64, 64)
    timing = Timing(seconds, 0.1, seconds - 0.2, 0.1, steps=4)
    return ImageRecord(f"p{seconds}", "c", "s", "h", request, status, "e", "now", timing=timing)  # type: ignore[arg-type]


def _latency(column: str) -> float:
    """Eleven pictures of 1 to 11 s."""
    return next(r.value for r in Latency().summarise([_timed(float(s)) for s in range(1, 12)], {}) if r.metric == column)


def _refusals(column: str, key: str) -> float:
    """One refusal among ten answers, one failure beside them."""
    from bench.metrics.refusals import Refusals  # noqa: PLC0415 - beside its use

    records = [_timed(float(s), status="refused" if s == 1 else "failed" if s == 11 else "ok") for s in range(1, 12)]
    row = next(r for r in Refusals().summarise(records, {}) if r.metric == column)
    return float({"value": row.value, **row.detail}[key])


def _doubles() -> str:
    from bench.metrics.duplicates import hamming, phash  # noqa: PLC0415 - beside its use

    photo = pictures.photograph()
    whole = phash(photo)[None]
    near = int(hamming(whole, phash(pictures.jpeg(photo, 40))[None])[0, 0])
    far = int(hamming(whole, phash(pictures.sign("OPEN").image)[None])[0, 0])
    if near > 4 or far <= 4:
        raise WrongAnswerError(f"{near} bits to the same picture through JPEG, {far} to another picture")
    return f"{near} bits to the same picture through JPEG, {far} to another picture (limit 4)"


def _rest() -> list[Check]:
    return [
        # 1 to 11 s: the median is 6, the 90th percentile 10; 11 pictures in 66 s
        _value("latency", "median of 1 to 11 s", 6.0, lambda: _latency("latency.p50")),
        _value("latency", "90th percentile of 1 to 11 s", 10.0, lambda: _latency("latency.p90")),
        _value("latency", "pictures a second of 1 to 11 s", 1 / 6, lambda: _latency("images_per_s")),
        _value("refusals", "one of ten answers, a failure left out", 0.1, lambda: _refusals("refusals", "value")),
        # Wilson: (0.1 + z^2/20 -+ z sqrt(0.1 x 0.9 / 10 + z^2/400)) / (1 + z^2/10), z = 1.959964
        _value("refusals", "its Wilson interval, lower end", 0.0178762, lambda: _refusals("refusals", "low"), 1e-5),
        _value("refusals", "its Wilson interval, upper end", 0.4041500, lambda: _refusals("refusals", "high"), 1e-5),
        Check("duplicates", "formula", "a photograph knows itself through JPEG, and no other", _doubles),
    ]
