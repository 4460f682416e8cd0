"""The comparison of the embedded family tells what the scene check of the same pictures tells, run by run and in order."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from bench import engine, prompts
from bench.analysis.columns import EARLIER_CARDS
from bench.analysis.frames import frames
from bench.analysis.pairwise import LEVEL
from bench.config import presets
from bench.core.progress import Progress
from bench.report.answer import verdict
from bench.store import Run
from bench.tiny import analysis, scenes

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow(seconds=10)


METRICS = ("clip_tiny", "scene", "latency")


def made(
    results: Path,
    model: str,
    seeds: tuple[int, ...],
    *,
    limit: int,
    label: str | None = None,
    metrics: tuple[str, ...] = METRICS,
    **changes: object,
) -> Run:
    """A run of an embedded model with metrics of its domain."""
    provider, chosen = presets.provider(model, **changes), prompts.load("tiny")
    plan = engine.plan(provider, chosen, metrics=presets.metrics(metrics), seeds=seeds, limit=limit, label=label, results=results)
    return engine.run(plan, Progress()).run


def checked(run: Run) -> float:
    """The share of pictures whose scene is right, by the renderer's own analysis."""
    right = []
    for record in run.current():
        with Image.open(run.image_path(record)) as image:
            right.append(analysis.check_picture(image, scenes.parse(record.request.prompt)).places)
    return sum(right) / len(right)


def test_the_order_of_the_family_is_that_of_the_scene_check(tmp_path: Path) -> None:
    runs = [made(tmp_path, name, (0,), limit=32) for name in ("tiny-pro", "tiny-dev", "tiny-schnell")]
    rough = made(tmp_path, "tiny-dev", (0,), limit=32, label="dev-1-step", steps=1)
    tables = frames([*runs, rough])
    table = tables["summary"].query("metric == 'scene'").set_index("run")
    shares = {str(run.info()["label"]): checked(run) for run in [*runs, rough]}
    assert table["mean"].to_dict() == pytest.approx(shares)
    assert table["mean"].idxmin() == min(shares, key=lambda name: shares[name]) == "dev-1-step"
    told = tables["pairwise"].query("metric == 'scene' and b == 'dev-1-step'").set_index("a")["verdict"]
    assert told.to_dict() == dict.fromkeys(("tiny-pro", "tiny-dev", "tiny-schnell"), "better")
    ranks = tables["ranking"].query("metric == 'scene'").set_index("run")
    for better, worse in itertools.permutations(shares, 2):
        assert (ranks.loc[better, "strength"] > ranks.loc[worse, "strength"] + 1e-9) == (shares[better] > shares[worse])
    assert (ranks.loc["dev-1-step", "rank"], ranks.loc["dev-1-step", "rank_low"]) == (4, 4)
    assert "dev-1-step is shown worse on" in verdict(tables).answer


def test_a_model_under_other_seeds_is_not_shown_to_differ_from_itself(tmp_path: Path) -> None:
    read = (*METRICS, "ocr")
    first = made(tmp_path, "tiny-dev", (0, 1), limit=10, metrics=read)
    second = made(tmp_path, "tiny-dev", (2, 3), limit=10, metrics=read, label="again")
    pairs = frames([first, second])["pairwise"]
    quality = pairs[pairs["metric"] != "latency"]
    assert set(EARLIER_CARDS.weighed(quality["metric"])) == {"clip_tiny", "scene", "ocr.exact"}
    assert set(quality["verdict"]) == {LEVEL}
