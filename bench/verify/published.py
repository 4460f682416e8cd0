"""Published numbers, compared with the user's own runs where there are any of that kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from bench.core.advice import command
from bench.store import Store
from bench.verify.checks import Check, SkipCheck, WrongAnswerError

if TYPE_CHECKING:
    from pathlib import Path

    from bench.store import Run


@dataclass(frozen=True)
class Published:
    """A published mean and the run that reproduces it.

    Attributes:
        metric: the preset that scores it.
        column: of the summary.
        repo: the model's repository.
        prompts: how the name of the prompt set begins.
        min_pictures: pictures that the run must have.
        low, high: the accepted band: the publisher's own, or the figure with the tolerance that ``source`` explains.
        source: who published it.
        command: makes such a run.
        scale: the published number is ``scale`` times our column.
        settings: of the run's requests.
    """

    metric: str
    column: str
    repo: str
    prompts: str
    min_pictures: int
    low: float
    high: float
    source: str
    command: str
    scale: float = 1.0
    settings: Mapping[str, object] = field(default_factory=dict)


_SDXL = "stabilityai/stable-diffusion-xl-base-1.0"
_MLPERF = "python -m bench run model=sdxl prompts=coco:captions.json limit=5000 seeds=[0] model.steps=20 model.guidance=8 metric="
_LONG = "python -m bench run model=flux-dev prompts=longtext:text_prompts.jsonl metric=[ocr]"
NUMBERS = (
    Published("clip_b32", "clip_b32.score100", _SDXL, "coco", 5000, 31.68631873, 31.81331801, "MLPerf Inference, SDXL: the accepted band",
              f"{_MLPERF}[clip_b32]", settings={"steps": 20, "guidance": 8.0}),
    Published("fid", "fid", _SDXL, "coco", 5000, 23.01085758, 23.95007626, "MLPerf Inference, SDXL: the accepted band",
              f"{_MLPERF}[fid] metric.fid.reference=coco2014_statistics.npz", settings={"steps": 20, "guidance": 8.0}),
    Published("ocr", "ocr.longtext", "black-forest-labs/FLUX.1-dev", "longtext", 160, 0.507, 0.707,
              "LongText-Bench, English: 0.607, read there by another engine, hence 0.1 either way", _LONG),
)  # fmt: skip


def checks(results: Path) -> list[Check]:
    """One check a published number."""
    return [
        Check(n.metric, "published", f"{n.column} of {n.repo.rpartition('/')[2]}: {n.source}", partial(_compare, n, results))
        for n in NUMBERS
    ]


def _compare(number: Published, results: Path) -> str:
    store = Store(results)
    runs = [run for name in store.runs() for run in [store.run(name)] if _fits(number, run)]
    if not runs:
        raise SkipCheck(f"no run of this kind in {results}; make one with: {number.command}")
    from bench.analysis.frames import frames  # noqa: PLC0415 - slow import

    summary = frames(runs[:1])["summary"]
    row = summary[(summary["metric"] == number.column) & summary["mean"].notna()]
    if row.empty:
        raise SkipCheck(
            f"{runs[0].name} has no {number.column}; score it with: {command('score', str(runs[0].path), f'metric=[{number.metric}]')}"
        )
    seen = number.scale * row["mean"].iloc[0]
    message = f"{seen:.5g} in {runs[0].name} (accepted {number.low:.5g} to {number.high:.5g})"
    if not number.low <= seen <= number.high:
        raise WrongAnswerError(message)
    return message


def _fits(number: Published, run: Run) -> bool:
    info = run.info()
    if info.get("model") != number.repo or not any(name.startswith(number.prompts) for name in info.get("prompt_sets", {})):
        return False
    records = [r for r in run.current() if r.status == "ok" and not r.detail.get("random_weights")]
    return len(records) >= number.min_pictures and all(r.request.settings.get(k) == v for r in records for k, v in number.settings.items())
