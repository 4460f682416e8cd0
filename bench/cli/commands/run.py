"""``run``: render, score, report; with ``-m`` over several values."""

from __future__ import annotations

import gc
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from bench import engine, prompts
from bench.cli.console import print_error
from bench.config import instantiate
from bench.core.progress import Progress
from bench.engine.forecast import forecast
from bench.errors import BenchError, ConfigError, causes
from bench.pricing.budget import confirm_cost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from omegaconf import DictConfig

_HELP = """usage: python -m bench run [model=NAME] [prompts=SET] [OPTION=VALUE …] [-m] [--cfg job]

  model=NAME           a preset (python -m bench list models); its fields are model.steps=4, model.size=768x768, …
  prompts=SET          a shipped set, a path to .jsonl/.txt/.csv, or FORMAT:PATH (partiprompts, geneval, longtext, coco)
  metric=[a,b]         instead of the model's own metrics (python -m bench list metrics); metric=[] scores nothing
  seeds=[0,1]          pictures a prompt; default two, one for hosted models
  limit=N              the first N prompts            categories=[text,people]   only these
  rounds=5             render in so many sessions, each with its share of the prompts; in a sweep the models take turns, so that
                       their speeds can be compared
  label=TEXT           what tables call the run       results=FOLDER             default: results
  budget.max=USD       send nothing that could pass it  budget.confirm=USD   ask above this estimate (default 1)
  budget.yes=true      do not ask                      budget.price=USD     price of a picture, instead of the price list
  budget.per_hour=USD  price of an hour of this machine, for models that run here
  dry_run=true         pictures, time, disk, money; nothing is loaded
  fresh=true           render again what is there
  -m model=a,b,c       a sweep: one run each; ends with a comparison

Texts (names, paths, addresses) are taken as typed, whatever letters they have; null is none, ~/ in a path is home. In a sweep
commas separate them, and one with a comma stands in quotes: 'model.lora="my, style.safetensors",other.safetensors'.
The same command continues an interrupted run and costs nothing once it is finished.
"""


def main(argv: Sequence[str]) -> int:
    """Compose with Hydra and run every job; the worst exit code of them all."""
    if any(word in {"-h", "--help"} for word in argv):
        sys.stdout.write(_HELP)
        return 0
    from bench.cli import overrides  # noqa: PLC0415 - imports Hydra

    codes: list[int] = []
    broken: set[str] = set()

    def job(config: DictConfig, turn: engine.Turn) -> str | None:
        if str(config) in broken:  # in an earlier round; the same command continues
            return None
        try:
            path, code = execute(config, turn)
        except BenchError as error:
            print_error(str(error))
            path, code = None, error.exit_code
            _release(error)
        except Exception as error:
            if not _sweeping():
                raise
            print_error(f"{config.model.name}: {type(error).__name__}: {error}")
            path, code = None, 1
            _release(error)
        codes.append(code)
        if path is None and code:
            broken.add(str(config))
        return path if turn.last else None

    overrides.launch(job, argv)
    return max(codes, default=0)


def execute(config: DictConfig, turn: engine.Turn) -> tuple[str | None, int]:
    """One run, or a round of it: the run folder's path once it is whole, and the exit code."""
    from omegaconf import OmegaConf  # noqa: PLC0415 - loaded by Hydra by now

    plan = engine.plan(
        instantiate.build(config.model),
        prompts.load(str(config.prompts)),
        metrics=[instantiate.build(metric) for metric in config.metric.values()],
        seeds=config.seeds,
        limit=config.limit,
        categories=list(config.categories or []),
        label=config.label,
        budget=instantiate.build(config.budget),
        fresh=_flag(config, "fresh"),
        turn=turn,
        results=Path(config.results),
        configuration=cast("dict[str, Any]", OmegaConf.to_container(config, resolve=True)),
    )
    progress = Progress()
    first = turn.index == 0
    if first and (unused := plan.unused_negative_prompts):
        have = f"{unused} prompt{'s have one' if unused > 1 else ' has one'}"
        progress.say(f"{plan.provider.name}, as set, draws nothing differently for a negative prompt; {have}, left out")
    if _flag(config, "dry_run"):
        if first:
            progress.say(forecast(plan))
        return None, 0
    if first and plan.todo:
        if plan.provider.hosted:
            plan.provider.check()  # nobody is asked about money for a run that lacks its key; ``engine.run`` checks every model
        if config.seeds is not None and not plan.takes_seeds:
            progress.say(f"{plan.provider.name} takes no seed: one picture a prompt, paired with other models by prompt")
        if plan.estimate is not None:
            confirm_cost(plan.estimate, plan.budget, progress.say, progress.ask)
    result = engine.run(plan, progress)
    counts = result.counts
    done = f"{counts.rendered} rendered, {counts.kept} kept, {counts.refused} refused, {counts.failed} failed"
    if not turn.last:
        progress.say(f"{result.run.name}, {turn}: {done}")
        return str(result.run.path), 0 if result.complete else 1
    return str(result.run.path), _reported(plan, result, progress, done)


def _reported(plan: engine.Plan, result: engine.Result, progress: Progress, done: str) -> int:
    """Write the report of a run that is whole; the exit code."""
    from bench import report  # noqa: PLC0415 - slow imports

    for reason in result.unscored:
        progress.say(f"unscored, {reason}")
    pictures = len(result.run.current())
    if pictures > len(plan.jobs):
        progress.say(f"this command asked for {len(plan.jobs)} of the run's {pictures} pictures; the report is of all {pictures}")
    page = report.write_run(result.run, console=None if _sweeping() else progress.console, progress=progress)
    progress.say(f"{result.run.name}{f', {plan.turn}' if plan.turn.of > 1 else ''}: {done}\nreport: {page}")
    return 0 if result.complete else 1


def _release(error: BaseException) -> None:
    """Free what the frames behind an error hold: in a sweep the next model needs the memory of one that failed while it was loaded."""
    for one in causes(error):
        traceback.clear_frames(one.__traceback__)
        one.__traceback__ = None
    gc.collect()


def _sweeping() -> bool:
    """Whether this job is one of several, whose comparison is shown at the end."""
    from hydra.core.hydra_config import HydraConfig  # noqa: PLC0415 - loaded by now
    from hydra.types import RunMode  # noqa: PLC0415 - as above

    return bool(HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN)


def _flag(config: DictConfig, key: str) -> bool:
    if not isinstance(config[key], bool):
        raise ConfigError(f"{key}={config[key]!r} must be true or false")
    return bool(config[key])
