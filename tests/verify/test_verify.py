"""The known-answer suite is not vacuous: every metric, once it is wrong, fails a named check."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.runs import render_oracle

from bench.config import presets
from bench.errors import ConfigError, MissingWeightsError
from bench.store import Store
from bench.types import Column, Job, Prompt, PromptSet, Rendered, Request
from bench.verify import Check, CheckOutcome, WrongAnswerError, choose, collect, degradations, fingerprints, formulas, published, run_checks
from bench.verify.checks import expect, expect_decrease
from bench.verify.published import NUMBERS, Published

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


def outcomes(checks: Sequence[Check], metric: str, kind: str = "formula") -> dict[str, CheckOutcome]:
    chosen = [c for c in checks if c.metric == metric and c.kind == kind]
    assert chosen, f"{metric} has no {kind} check"
    return {o.check.name: o for o in run_checks(chosen)}


Mutant = tuple[str, "Callable[[Any], Any]", str]
"""What is replaced, by what, and how the name of a check begins that must see it."""

_DISTANCE: Mutant = ("bench.metrics.distribution.formulas.frechet.distance", lambda real: lambda a, b: real(a, b) / 2, "{-1, 1} to {2, 6}")
_KERNEL: Mutant = ("bench.metrics.distribution.formulas.kernel.mmd2", lambda real: lambda *a, **k: real(*a, **k) + 0.1, "{0, 1} to {1, 2}")
_CMMD: Mutant = (
    "bench.metrics.distribution.formulas.kernel.cmmd",
    lambda real: lambda x, y, **_: real(x, y, sigma=5.0),
    "two pictures to two at right angles",
)
_PRDC: Mutant = (
    "bench.metrics.distribution.formulas.precision_recall.prdc",
    lambda real: lambda x, y, k: real(y, x, k),
    "precision, recall, density, coverage",
)
_COSINE: Mutant = ("bench.metrics.extractors.contrastive.cosine", lambda real: lambda a, b: real(a, b) ** 2, "cosine of (3, 0) and (1, 1)")
_SPREAD: Mutant = ("bench.metrics.distribution.diversity.mean_pairwise_distance", lambda real: lambda x: 1 - real(x), "one direction twice")
_EDITS: Mutant = ("bench.metrics.text.matching.edit_distance", lambda real: lambda a, b: real(a, b) + 1, "cer of the lost word")
MUTANTS: dict[str, Mutant] = {
    "clip": (
        "bench.metrics.alignment.clip.scales",
        lambda real: lambda c: {k: v * 100 for k, v in real(c).items()},
        "100 max(cos, 0) of 0.25",
    ),
    **dict.fromkeys(("clip_b32", "clip_tiny", "siglip2"), _COSINE),
    "pickscore": ("bench.metrics.alignment.pickscore.preference", lambda real: lambda x, y, s: real(x, y, s) / 100, "100 times the cosine"),
    "vqa": ("bench.metrics.alignment.vqa_score.soft_score", lambda real: lambda top: 1 - real(top), "yes 0.2 and 0.2"),
    **dict.fromkeys(("ocr", "ocr_tesseract"), _EDITS),
    "ocr_agreement": ("bench.metrics.text.matching.similarity", lambda _: lambda *_: 1.0, "OPEN and 0PEN"),
    "stray_text": ("bench.metrics.text.matching.counted", lambda real: lambda m, lines: real(m, lines[:-1]), "EXIT beside"),
    **dict.fromkeys(("fid", "fid_clean", "fd_clip_tiny", "fd_dinov2"), _DISTANCE),
    "fid_infinity": (_DISTANCE[0], _DISTANCE[1], "forty times 1 to {2, 4}"),
    **dict.fromkeys(("kid", "kid_clean", "kid_clip_tiny", "kid_dinov2"), _KERNEL),
    **dict.fromkeys(("cmmd", "cmmd_clip_tiny"), _CMMD),
    **dict.fromkeys(("prdc", "prdc_clip_tiny"), _PRDC),
    **dict.fromkeys(("diversity", "diversity_clip_tiny"), _SPREAD),
    "duplicates": ("bench.metrics.distribution.duplicates.phash", lambda real: lambda i: real(i) * 0, "a photograph knows itself"),
    "scene": ("bench.tiny.analysis._colour", lambda _: lambda *_: True, "another colour lowers scene.colour"),
    "latency": ("numpy.percentile", lambda real: lambda a, q, **more: real(a, 100 - np.asarray(q), **more), "90th percentile of 1 to 11 s"),
    "refusals": ("bench.metrics.safety.refusals.cluster_mean", lambda real: lambda k, n: real(1 - k, n), "its Wilson interval, lower end"),
    "nudenet": ("bench.metrics.safety.explicit.explicit", lambda _: lambda scores: max(scores.values()), "a face is not explicit"),
    "nsfw": ("bench.metrics.safety.explicit.classifier_input", lambda real: lambda i: real(i)[..., ::-1], "black as the network gets it"),
}


def test_every_metric_has_a_mutant() -> None:
    assert set(MUTANTS) == set(presets.names("metric"))


@pytest.mark.parametrize("metric", MUTANTS)
def test_a_mutated_metric_fails_a_named_check(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    target, mutant, name = MUTANTS[metric]
    before = [o for n, o in outcomes(formulas.checks(), metric).items() if n.startswith(name)]
    assert [o.verdict for o in before] == ["ok"], before
    module, _, attribute = target.rpartition(".")
    monkeypatch.setattr(target, mutant(getattr(importlib.import_module(module), attribute)))
    after = [o for n, o in outcomes(formulas.checks(), metric).items() if n.startswith(name)]
    assert [o.verdict for o in after] == ["wrong"], after


def test_falling_wants_every_step_and_the_whole_way() -> None:
    assert expect_decrease((0, 1, 2), (1.0, 0.5, 0.2), 0.5)
    for values in ((1.0, 1.1, 0.2), (1.0, 0.9, 0.8), (1.0, float("nan"), 0.2)):
        with pytest.raises(WrongAnswerError):
            expect_decrease((0, 1, 2), values, 0.5)


def test_expect_sees_a_difference_and_nan() -> None:
    assert expect(1.0, 1.0 + 1e-12)
    for seen in (1.001, float("nan")):
        with pytest.raises(WrongAnswerError):
            expect(seen, 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["clip_tiny", "scene", "fd_clip_tiny", "kid_clip_tiny"])
def test_worse_pictures_score_worse(metric: str) -> None:
    seen = outcomes(degradations.checks(), metric, "degradation")
    assert {o.verdict for o in seen.values()} == {"ok"}, seen


def test_a_metric_that_does_not_look_fails_its_degradations(monkeypatch: pytest.MonkeyPatch) -> None:
    class Blind:
        columns = (Column("clip_tiny", "cosine"),)

        def score(self, samples: Sequence[Any]) -> list[Any]:
            return [self.columns[0].scored("{}", 0.9, s.record) for s in samples]

    monkeypatch.setattr(degradations, "_metric", lambda _: Blind())
    assert {o.verdict for o in outcomes(degradations.checks(), "clip_tiny", "degradation").values()} == {"wrong"}


def test_metrics_that_need_the_network_are_skipped_with_the_reason() -> None:
    seen = {o.check.metric: o.seen for o in run_checks(c for c in degradations.checks() if c.name == "pictures made worse")}
    assert seen["vqa"] == "not tried here: it asks a server"
    assert {seen[name] for name in ("clip", "siglip2", "pickscore", "fd_dinov2", "kid_dinov2", "cmmd", "diversity")} == {
        "not tried here: its weights come from the hub"
    }
    assert not {"clip_tiny", "scene", "latency", "diversity_clip_tiny", "fid"} & seen.keys()


def test_every_metric_has_a_check_of_its_fingerprint() -> None:
    seen = [o for o in run_checks(fingerprints.checks()) if o.verdict != "ok"]
    assert seen == []
    assert {c.metric for c in fingerprints.checks()} == set(presets.names("metric"))


def test_a_fingerprint_that_changes_by_itself_or_hides_a_change_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.metrics.speed.latency import Latency

    count = iter(range(100))
    monkeypatch.setattr(Latency, "fingerprint", lambda _: f'{{"metric":"latency","version":{next(count)}}}')
    assert outcomes(fingerprints.checks(), "latency", "fingerprint")["named, versioned and the same twice"].verdict == "wrong"
    from bench.metrics.alignment.clip import ClipSimilarity

    monkeypatch.setattr(ClipSimilarity, "fingerprint", lambda self: f'{{"metric":"{self.name}","version":1}}')
    seen = outcomes(fingerprints.checks(), "clip_tiny", "fingerprint")
    assert seen["named, versioned and the same twice"].verdict == "ok"
    assert seen["shows a change of windows"].verdict == "wrong"


def test_missing_weights_and_crashes_are_told_apart() -> None:
    def missing() -> str:
        raise MissingWeightsError("download them")

    def crash() -> str:
        raise ZeroDivisionError("oh")

    checks = [Check("m", "formula", "a", missing), Check("m", "formula", "b", crash)]
    assert [(o.verdict, o.seen) for o in run_checks(checks)] == [("skipped", "download them"), ("wrong", "ZeroDivisionError: oh")]


def test_an_unknown_metric_names_the_nearest(tmp_path: Path) -> None:
    checks = collect(tmp_path)
    assert {c.metric for c in choose(checks, ["scene"])} == {"scene"}
    with pytest.raises(ConfigError, match="did you mean 'scene'"):
        choose(checks, ["scnee"])


@pytest.mark.parametrize(("value", "verdict"), [(31.7, "ok"), (30.0, "wrong"), (None, "skipped")])
def test_a_published_number_is_held_against_the_users_own_run(value: float | None, verdict: str, tmp_path: Path,
                                                              monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    (number,) = [n for n in NUMBERS if n.metric == "clip_b32"]
    small = [Published(**{**number.__dict__, "min_pictures": 2})]
    monkeypatch.setattr(published, "NUMBERS", small)
    drawn = render_oracle(tmp_path / "drawn", limit=1)
    picture = drawn.image_path(drawn.current()[0]).read_bytes()
    run = Store(tmp_path / "results").run("sdxl", create=True)
    run.update_info(name="sdxl", label="sdxl", model=number.repo, prompt_sets={"coco-captions": "h"})
    chosen = PromptSet("coco-captions", "1", "en", "x", "y", (Prompt("a", "a"), Prompt("b", "b")))
    for prompt in chosen.prompts:
        job = Job(prompt, Request(number.repo, "r", prompt.text, None, 0, 64, 64, {"steps": 20, "guidance": 8.0}))
        record = run.save(job, Rendered("ok", picture), prompt_set=chosen, environment="e")
        if value is not None:
            run.save_scores([Column("clip_b32.score100", "", True).scored("{}", value, record)])
    (outcome,) = run_checks(published.checks(tmp_path / "results"))
    assert outcome.verdict == verdict, outcome.seen
    assert outcome.verdict != "skipped" or f"python -m bench score {run.path} 'metric=[clip_b32]'" in outcome.seen


def test_without_a_run_a_published_number_is_skipped_with_the_command(tmp_path: Path) -> None:
    seen = list(run_checks(published.checks(tmp_path)))
    assert {o.verdict for o in seen} == {"skipped"}
    assert all("python -m bench run model=" in o.seen for o in seen)


def test_every_formula_gives_its_known_answer() -> None:
    assert not [(o.check.metric, o.check.name, o.seen) for o in run_checks(formulas.checks()) if o.verdict == "wrong"]
