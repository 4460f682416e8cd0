"""``run``: render, score, report; with ``-m`` over several values."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import prompts
from bench.cli.console import print_error
from bench.config import instantiate
from bench.core.progress import Progress
from bench.engine.forecast import forecast
from bench.engine.plan import jobs_for, pending, run_name
from bench.engine.render import render_jobs
from bench.errors import BenchError, ConfigError
from bench.pricing.budget import confirm_cost
from bench.pricing.tariff import tariff_for
from bench.store import Store
from bench.store.attempts import Ledger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from omegaconf import DictConfig

_SEEDS = [0, 1]
_HELP = """usage: python -m bench run [model=NAME] [prompts=SET] [OPTION=VALUE …] [-m] [--cfg job]

  model=NAME           a preset (python -m bench list models); its fields are model.steps=4, model.size=768x768, …
  prompts=SET          a shipped set, a path to .jsonl/.txt/.csv, or FORMAT:PATH (partiprompts, geneval, longtext, coco)
  metric=[a,b]         instead of the model's own metrics (python -m bench list metrics); metric=[] scores nothing
  seeds=[0,1]          pictures a prompt; default two, one for hosted models
  limit=N              the first N prompts            categories=[text,people]   only these
  label=TEXT           what tables call the run       results=FOLDER             default: results
  budget.max=USD       send nothing that could pass it  budget.confirm=USD   ask above this estimate (default 1)
  budget.yes=true      do not ask                      budget.price=USD     price of a picture, instead of the price list
  budget.per_hour=USD  price of an hour of this machine, for models that run here
  dry_run=true         pictures, time, disk, money; nothing is loaded
  fresh=true           render again what is there
  -m model=a,b,c       a sweep: one run each; ends with a comparison

label, prompts and results are taken exactly as typed. Other values follow Hydra's grammar: a text with a comma, a bracket
or a letter beyond a-z needs quotes of its own, like 'model.lora="my, style.safetensors"'.
The same command continues an interrupted run and costs nothing once it is finished.
"""


def main(argv: Sequence[str]) -> int:
    """Compose with Hydra and run every job; the worst exit code of them all."""
    if any(word in {"-h", "--help"} for word in argv):
        sys.stdout.write(_HELP)
        return 0
    from bench.cli import overrides  # noqa: PLC0415 - imports Hydra

    codes: list[int] = []

    def job(config: DictConfig) -> str | None:
        try:
            path, code = execute(config)
        except BenchError as error:
            print_error(str(error))
            path, code = None, error.exit_code
        codes.append(code)
        return path

    overrides.launch(job, argv)
    return max(codes, default=0)


def execute(config: DictConfig) -> tuple[str | None, int]:
    """One run: the run folder's path and the exit code."""
    provider, chosen = instantiate.build(config.model), [instantiate.build(m) for m in config.metric.values()]
    wanted = prompts.load(str(config.prompts))
    picked = prompts.select(wanted, limit=config.limit, categories=list(config.categories or []))
    jobs = jobs_for(provider, picked, seeds(config.seeds, hosted=provider.hosted))
    run = Store(Path(config.results)).run(run_name(provider, wanted, config.label), create=True)
    progress, budget, fresh = Progress(), instantiate.build(config.budget), _flag(config, "fresh")
    tariff = tariff_for(provider.vendor, provider.model, budget.price) if provider.hosted else None
    todo = pending(jobs, run, fresh=fresh)
    if _flag(config, "dry_run"):
        progress.say(forecast(run, jobs, todo, tariff, budget))
        return None, 0
    from omegaconf import OmegaConf  # noqa: PLC0415 - loaded by Hydra by now

    from bench.engine import scenarios  # noqa: PLC0415 - slow import

    planned = [m.planned for m in chosen if getattr(m, "planned", None)]
    scenarios.refuse_hosted(planned, provider)
    if todo:
        provider.check()
        if all(job.request.seed is None for job in jobs) and config.seeds is not None:
            progress.say(f"{provider.name} takes no seed: one picture a prompt, paired with other models by prompt")
        if tariff is not None:
            ledger = Ledger(run)
            unpaid = [job.request for job in todo if not (ledger.task(job) or ledger.answer(job))]
            confirm_cost(provider.name, unpaid, tariff, budget, ledger.committed_usd, progress.say, progress.ask)
        told = OmegaConf.to_container(config, resolve=True)
        sets = {**run.info().get("prompt_sets", {}), wanted.name: wanted.hash}
        request = jobs[0].request
        run.update_info(
            name=run.name, label=config.label or provider.name, config=provider.redact(told) if provider.hosted else told,
            prompt_sets=sets, model=request.model, revision=request.revision, hosted=provider.hosted,
            description=provider.card.get("description", ""), ceiling=bool(provider.card.get("ceiling")),
        )  # fmt: skip
    if budget.per_hour is not None and not provider.hosted:
        run.update_info(per_hour=budget.per_hour)
    outcome = render_jobs(jobs, provider, wanted, run, fresh=fresh, progress=progress, tariff=tariff, max_usd=budget.max)
    from bench import report  # noqa: PLC0415 - slow imports
    from bench.engine import score  # noqa: PLC0415 - slow imports

    for scenario in planned:
        scenarios.run_scenario(scenario, jobs, provider, run, progress=progress, fresh=_flag(config, "fresh"))
    with run.lock():
        rows = score.score(run, chosen, progress)
    for reason in score.unscored_reasons(rows):
        progress.say(f"unscored, {reason}")
    page = report.write_run(run, console=None if _sweeping() else progress.console, progress=progress)
    progress.say(
        f"{run.name}: {outcome.done} rendered, {outcome.kept} kept, {outcome.refused} refused, {outcome.failed} failed\nreport: {page}"
    )
    return str(run.path), 1 if outcome.failed or score.missing_prerequisites(rows) else 0


def seeds(given: Any, *, hosted: bool) -> list[int]:  # noqa: ANN401 - straight from the command line
    """The seeds of a run. Raises ConfigError unless they are distinct whole numbers from 0 to 2^32 - 1."""
    if given is None:
        return _SEEDS[:1] if hosted else list(_SEEDS)
    values: list[Any] = [given] if isinstance(given, int) else list(given) if not isinstance(given, str) else [given]
    if not values or len(set(values)) != len(values):
        raise ConfigError(f"seeds={values} must be a list of distinct whole numbers, like seeds=[0,1]")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**32:
            raise ConfigError(f"seeds holds {value!r}; a seed is a whole number from 0 to {2**32 - 1}")
    return values


def _sweeping() -> bool:
    """Whether this job is one of several, whose comparison is shown at the end."""
    from hydra.core.hydra_config import HydraConfig  # noqa: PLC0415 - loaded by now
    from hydra.types import RunMode  # noqa: PLC0415 - as above

    return bool(HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN)


def _flag(config: DictConfig, key: str) -> bool:
    if not isinstance(config[key], bool):
        raise ConfigError(f"{key}={config[key]!r} must be true or false")
    return bool(config[key])
