"""Formulas against values computed by hand; the arithmetic stands beside each."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from bench.config import presets
from bench.config.instantiate import build
from bench.metrics.alignment import clip, pickscore, vqa_score
from bench.metrics.distribution import duplicates
from bench.metrics.distribution.base import Pictures
from bench.metrics.distribution.diversity import Diversity
from bench.metrics.distribution.formulas import frechet
from bench.metrics.distribution.frechet import FrechetDistance, FrechetInfinity
from bench.metrics.distribution.kernel import ClipDiscrepancy, KernelDistance
from bench.metrics.distribution.precision_recall import PrecisionRecall
from bench.metrics.distribution.reference import ReferenceFeatures
from bench.metrics.extractors import contrastive
from bench.metrics.safety import explicit
from bench.metrics.safety.refusals import Refusals
from bench.metrics.speed.latency import Latency
from bench.metrics.text import matching, ocr, published
from bench.metrics.text.engines.base import TextLine
from bench.types import ImageRecord, Request, Timing
from bench.verify import pictures
from bench.verify.checks import Check, WrongAnswerError, expect

if TYPE_CHECKING:
    from collections.abc import Callable

PresetsOf = Mapping[type, Sequence[str]]
"""The presets of each class of metrics."""


def checks() -> list[Check]:
    """One check a formula and vector."""
    presets_of: dict[type, list[str]] = defaultdict(list)
    for name in presets.names("metric"):
        presets_of[type(presets.metrics([name])[0])].append(name)
    return [*_clip(presets_of), *_text(presets_of), *_sets(presets_of), *_scene(), *_rest(presets_of)]


def _value(metric: str, name: str, expected: float, compute: Callable[[], float], tolerance: float = 1e-9) -> Check:
    return Check(metric, "formula", name, lambda: expect(compute(), expected, tolerance))


def _column(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)[:, None]


def _clip(presets_of: PresetsOf) -> list[Check]:
    yes_no = [("Yes", math.log(0.2)), (" yes", math.log(0.2)), ("No", math.log(0.1)), ("Maybe", math.log(0.5))]
    alike = np.array([3.0, 0.0]), np.array([1.0, 1.0])
    return [
        _value("clip", "100 max(cos, 0) of 0.25", 25.0, lambda: clip.scales(0.25)["score100"]),
        _value("clip", "2.5 max(cos, 0) of 0.25", 0.625, lambda: clip.scales(0.25)["clipscore"]),
        _value("clip", "a negative cosine scores 0 on both scales", 0.0, lambda: sum(clip.scales(-0.5).values())),
        *(_value(name, "cosine of (3, 0) and (1, 1)", math.sqrt(0.5), lambda: float(contrastive.cosine(*alike)))
          for name in presets_of[clip.ClipSimilarity]),
        _value("pickscore", "100 times the cosine of (2, 2) and (1, 0)", 100 * math.sqrt(0.5),
               lambda: float(pickscore.preference(np.array([[2.0, 2.0]]), np.array([[1.0, 0.0]]), math.log(100))[0])),
        _value("vqa", "yes 0.2 and 0.2, no 0.1, the rest elsewhere", 0.8, lambda: vqa_score.soft_score(yes_no) or math.nan),
        _value("vqa", "a judge that says no", 0.0, lambda: _or_nan(vqa_score.plain_score(" **No**, it does not."))),
    ]  # fmt: skip


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _sets(presets_of: PresetsOf) -> list[Check]:
    mean, other_mean = np.array([1.0]), np.array([3.0])
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(40, 3)) @ rng.normal(size=(3, 8))
    return [
        # (1 - 3)^2 + 4 + 9 - 2 sqrt(4 x 9) = 5
        _value("fid", "N(1, 4) to N(3, 9)", 5.0, lambda: frechet.frechet_distance(mean, np.array([[4.0]]), other_mean, np.array([[9.0]]))),
        _value("fid", "a set to itself, covariance of rank 3 in 8", 0.0, lambda: _own_distance(flat), 1e-9),
        # a shift by (1, ..., 1) in 8 dimensions adds 8
        _value("fid", "a set to itself shifted by one in 8 dimensions", 8.0,
               lambda: frechet.distance(frechet.gaussian(flat), frechet.gaussian(flat + 1)), 1e-8),
        *(Check(name, "formula", vector.name, partial(_measured, name, vector))
          for kind, vector in _VECTORS.items() for name in presets_of[kind]),
    ]  # fmt: skip


@dataclass(frozen=True)
class _Vector:
    """What a set metric must give for these features, whatever its extractor."""

    name: str
    features: np.ndarray
    reference: np.ndarray
    expected: tuple[float, ...]
    changes: Mapping[str, Any] = field(default_factory=dict)


_VECTORS: Mapping[type, _Vector] = {
    # means 0 and 4, variances 2 and 8: 16 + 2 + 8 - 2 sqrt(16)
    FrechetDistance: _Vector("{-1, 1} to {2, 6}", _column(-1, 1), _column(2, 6), (18.0,)),
    # no spread, so every subset gives (1 - 3)^2 + 2
    FrechetInfinity: _Vector("forty times 1 to {2, 4}", np.ones((40, 1)), _column(2, 4), (6.0,), {"smallest": 10, "allow_small": True}),
    # k(x, y) = (xy + 1)^3: within {0, 1} 1, within {1, 2} 27, across (1 + 1 + 8 + 27) / 4; 1 + 27 - 2 x 9.25
    KernelDistance: _Vector("{0, 1} to {1, 2}", _column(0, 1), _column(1, 2), (9.5,)),
    # squared distance 2 and sigma 10: 1000 (1 + 1 - 2 exp(-2 / 200))
    ClipDiscrepancy: _Vector("two pictures to two at right angles", np.array([[1.0, 0.0], [2.0, 0.0]]),
                               np.array([[0.0, 1.0], [0.0, 3.0]]), (2000 * (1 - math.exp(-0.01)),)),
    # balls of radius 1 around 0, 1, 2, 3; 10 is in none, the others are in two each
    PrecisionRecall: _Vector("precision, recall, density, coverage with k = 1", _column(0.1, 10, 1.5, 2.2), _column(0, 1, 2, 3),
                               (0.75, 1.0, 1.5, 1.0), {"k": 1}),
}  # fmt: skip


def _measured(name: str, vector: _Vector) -> str:
    metric = build({**presets.read("metric", name), **vector.changes})
    own = [str(i) for i in range(len(vector.features))]
    pictures = Pictures(vector.features, own, own)
    values, _ = metric.measure(pictures, ReferenceFeatures(features=vector.reference, n=len(vector.reference)))
    return "; ".join(expect(seen, expected) for seen, expected in zip(values, vector.expected, strict=True))


def _spread(name: str, features: Sequence[Sequence[float]]) -> float:
    records = [replace(_timed(float(i)), prompt_id="p") for i in range(1, len(features) + 1)]
    (row,) = presets.metrics([name])[0].compare(np.array(features, dtype=np.float32), records)
    return float(row.value)


def _own_distance(features: np.ndarray) -> float:
    return frechet.distance(frechet.gaussian(features), frechet.gaussian(features))


def _text(presets_of: PresetsOf) -> list[Check]:
    lost = ("this picture was made by a machine", "This picture made by a machine.")
    twice = (["SALE", "50 OFF"], ["50 OFF", "SALE", "EXIT"])
    lines = [TextLine("This picture made", 0.9), TextLine("by a machine.", 0.9), TextLine("EXIT", 0.9)]
    return [
        *(_value(name, f"{column} of the lost word, a stray one beside it", expected, partial(_read, lines, column))
          for name in presets_of[ocr.TextAccuracy]
          # 6 of 7 words, 1 read besides; 3 of 28 letters are missing
          for column, expected in (("exact", 0.0), ("recall", 6 / 7), ("precision", 6 / 7), ("cer", 3 / 28), ("ned", 25 / 28))),
        _value("ocr_agreement", "OPEN and 0PEN", 0.75, lambda: matching.similarity(matching.letters("OPEN"), matching.letters("0PEN"))),
        _value("stray_text", "EXIT beside what was asked for", 1.0, lambda: len(matching.counted(matching.assign(*twice), twice[1])[1])),
        # 28 letters are asked for, "was" (3 letters, 1 of 7 words) is not read
        _value("ocr", "the lost word: recall", 6 / 7, lambda: matching.match(*lost).recall),
        _value("ocr", "the lost word: character error rate", 3 / 28, lambda: matching.match(*lost).cer),
        _value("ocr", "the lost word: NED, a similarity", 25 / 28, lambda: matching.match(*lost).ned),
        Check("ocr", "formula", "the lost word is named", lambda: _named(*lost)),
        _value("ocr", "two regions in another order are both exact", 2.0, lambda: sum(m.exact for m in matching.assign(*twice))),
        # 3 words asked for and read, 1 read besides: 3/4
        _value("ocr", "precision with a stray word", 3 / 4, lambda: matching.counted(matching.assign(*twice), twice[1])[0].precision),
        # three of four characters, each a word of its own
        _value("ocr", "Chinese counts by character", 3 / 4, lambda: matching.match("今天营业", "今天休业").recall),
        _value("ocr", "LongText-Bench: two words of three", 2 / 3,
               lambda: published.longtext(["Grand Opening Sale"], ["grand opening", "sal"]).ratio),
        # o for O, the y is gone
        _value("ocr", "OneIG: edit distance, case counts", 2.0, lambda: published.oneig(["Open Today"], ["open Toda"]).edits),
        # one tenth of the worst distance, half incomplete, a fifth of the words wrong: one less 1/10 x 1/2 x 1/5
        _value("ocr", "OneIG: the set's text score", 0.99, lambda: published.oneig_text_score(10, 0.5, 0.8)),
        _value("ocr", "AnyText: NED of one wrong letter of four", 0.75, lambda: published.anytext("OPEN", "OPAN").ned),
        _value("ocr", "AnyText: case counts for sentence accuracy", 0.0, lambda: published.anytext("OPEN", "Open").accurate),
    ]  # fmt: skip


def _read(lines: Sequence[TextLine], column: str) -> float:
    return ocr.measure(["this picture was made by a machine"], lines)[0][column]


def _named(expected: str, read: str) -> str:
    match = matching.match(expected, read)
    if (match.missing, match.added, match.changed) != (("was",), (), ()):
        raise WrongAnswerError(f"missing {match.missing}, added {match.added}, changed {match.changed}")
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
    """Draw a picture with a fault under the right caption; the columns named, and no other, must fall below one."""
    from bench.tiny import scenes  # noqa: PLC0415 - beside its use

    circle, star = scenes.Shape("circle", "red"), scenes.Shape("star", "blue")
    caption = scenes.Scene((circle, star), "left of", ("white",))
    drawn = {
        "the picture as asked": caption,
        "another kind": scenes.Scene((scenes.Shape("square", "red"), star), "left of", ("white",)),
        "another colour": scenes.Scene((scenes.Shape("circle", "green"), star), "left of", ("white",)),
        "swapped places": scenes.Scene((circle, star), "right of", ("white",)),
        "a shape too few": scenes.Scene((circle,), "on the left", ("white",)),
    }[fault]
    picture = pictures.Drawn(scenes.draw(drawn, 0), scenes.caption(caption))
    rows = {r.metric: r.value for r in presets.metrics(["scene"])[0].score([pictures.sample(picture)])}
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
    records = [_timed(float(s), status="refused" if s == 1 else "failed" if s == 11 else "ok") for s in range(1, 12)]
    row = next(r for r in Refusals().summarise(records, {}) if r.metric == column)
    return float({"value": row.value, **row.detail}[key])


def _doubles() -> str:
    photo = pictures.photograph()
    whole = duplicates.phash(photo)[None]
    near = int(duplicates.hamming(whole, duplicates.phash(pictures.jpeg(photo, 40))[None])[0, 0])
    far = int(duplicates.hamming(whole, duplicates.phash(pictures.sign("OPEN").image)[None])[0, 0])
    if near > 4 or far <= 4:
        raise WrongAnswerError(f"{near} bits to the same picture through JPEG, {far} to another picture")
    return f"{near} bits to the same picture through JPEG, {far} to another picture (limit 4)"


def _safety(highest: float, kind: str) -> float:
    """One class at ``highest``, all others at 0."""
    output = np.zeros((1, 4 + len(explicit.CLASSES), 2), np.float32)
    output[0, 4 + explicit.CLASSES.index(kind), 1] = highest
    return explicit.explicit(explicit.class_scores(output))


def _rest(presets_of: PresetsOf) -> list[Check]:
    black = Image.new("RGB", (300, 200))
    return [
        _value("nudenet", "a face is not explicit", 0.0, lambda: _safety(0.5, "FACE_MALE")),
        _value("nudenet", "an explicit class counts", 0.5, lambda: _safety(0.5, "BUTTOCKS_EXPOSED")),
        # black less the network's mean colour (104, 117, 123)
        _value("nsfw", "black as the network gets it, blue", -104.0, lambda: float(explicit.classifier_input(black)[0, 0, 0, 0])),
        *(_value(name, "two directions at right angles", 1.0, partial(_spread, name, [[1, 0], [0, 1]]))
          for name in presets_of[Diversity]),
        *(_value(name, "one direction twice", 0.0, partial(_spread, name, [[1, 0], [2, 0]]))
          for name in presets_of[Diversity]),
        # 1 to 11 s: the median is 6, the 90th percentile 10; 11 pictures in 66 s
        _value("latency", "median of 1 to 11 s", 6.0, lambda: _latency("latency.p50")),
        _value("latency", "90th percentile of 1 to 11 s", 10.0, lambda: _latency("latency.p90")),
        _value("latency", "pictures a second of 1 to 11 s", 1 / 6, lambda: _latency("images_per_s")),
        _value("refusals", "one of ten answers, a failure left out", 0.1, lambda: _refusals("refusals", "value")),
        # Wilson: (0.1 + z^2/20 -+ z sqrt(0.1 x 0.9 / 10 + z^2/400)) / (1 + z^2/10), z = 1.959964
        _value("refusals", "its Wilson interval, lower end", 0.0178762, lambda: _refusals("refusals", "low"), 1e-5),
        _value("refusals", "its Wilson interval, upper end", 0.4041500, lambda: _refusals("refusals", "high"), 1e-5),
        Check("duplicates", "formula", "a photograph knows itself through JPEG, and no other", _doubles),
    ]  # fmt: skip
