"""``run``: render, score, report; with ``-m`` over several values."""

from __future__ import annotations

import os
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import presets, prompts, resources, runner
from bench.cli import complain
from bench.errors import BenchError, ConfigError, unknown
from bench.forecast import forecast
from bench.hosted import money
from bench.hosted.ledger import Ledger
from bench.progress import Progress
from bench.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from omegaconf import DictConfig

OPTIONS = ("model", "metric", "prompts", "seeds", "limit", "categories", "label", "budget", "dry_run", "fresh", "results")
_SEEDS = [0, 1]
_HELP = """usage: python -m bench run [model=NAME] [prompts=SET] [OPTION=VALUE …] [-m] [--cfg job]

  model=NAME           a preset (python -m bench list models); its fields are model.steps=4, model.size=768x768, …
  prompts=SET          a shipped set, a path to .jsonl/.txt/.csv, or FORMAT:PATH (partiprompts, geneval, longtext, coco)
  metric=[a,b]         instead of the model's own metrics (python -m bench list metrics)
  seeds=[0,1]          pictures a prompt; default two, one for hosted models
  limit=N              the first N prompts            categories=[text,people]   only these
  label=NAME           a name of your own             results=FOLDER             default: results
  budget.max=USD       send nothing that could pass it  budget.confirm=USD   ask above this estimate (default 1)
  budget.yes=true      do not ask                      budget.price=USD     price of a picture, instead of the price list
  budget.per_hour=USD  price of an hour of this machine, for models that run here
  dry_run=true         pictures, time, disk, money; nothing is loaded
  fresh=true           render again what is there
  -m model=a,b,c       a sweep; ends with a comparison

The same command continues an interrupted run and costs nothing once it is finished.
"""


def main(argv: Sequence[str]) -> int:
    """Compose with Hydra and run every job; the worst exit code of them all."""
    if any(word in {"-h", "--help"} for word in argv):
        sys.stdout.write(_HELP)
        return 0
    codes: list[int] = []
    overrides = [word for word in argv if "=" in word and not word.startswith("-")]
    added = _defaults(argv)
    others = [word for word in argv if word not in overrides]
    arguments = [*others, *added, *_of_each_model(overrides)]

    def job(config: DictConfig) -> str | None:
        try:
            path, code = execute(config)
        except BenchError as error:
            complain(str(error))
            path, code = None, error.exit_code
        codes.append(code)
        return path

    _hydra(job, arguments)
    return max(codes, default=0)


def execute(config: DictConfig) -> tuple[str | None, int]:
    """One run: the run folder's path and the exit code."""
    provider, chosen = presets.build(config.model), [presets.build(m) for m in config.metric.values()]
    wanted = prompts.load(str(config.prompts))
    picked = prompts.select(wanted, limit=config.limit, categories=list(config.categories or []))
    jobs = runner.plan(provider, picked, seeds(config.seeds, hosted=provider.hosted))
    run = Store(Path(config.results)).run(runner.run_name(provider, wanted, config.label), create=True)
    progress, budget, fresh = Progress(), presets.build(config.budget), _flag(config, "fresh")
    tariff = money.tariff(provider.vendor, provider.model, budget.price) if provider.hosted else None
    todo = runner.pending(jobs, run, fresh=fresh)
    if _flag(config, "dry_run"):
        progress.say(forecast(run, jobs, todo, tariff, budget))
        return None, 0
    from omegaconf import OmegaConf  # noqa: PLC0415 - loaded by Hydra by now

    from bench import scenarios  # noqa: PLC0415 - slow import

    planned = [m.wanted for m in chosen if getattr(m, "wanted", None)]
    scenarios.refuse_hosted(planned, provider)
    if todo:
        provider.check()
        if all(job.request.seed is None for job in jobs) and config.seeds is not None:
            progress.say(f"{provider.name} takes no seed: one picture a prompt, paired with other models by prompt")
        if tariff is not None:
            ledger = Ledger(run)
            unpaid = [job.request for job in todo if not (ledger.task(job) or ledger.answer(job))]
            money.approve(provider.name, unpaid, tariff, budget, ledger.committed_usd, progress.say, progress.ask)
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
    outcome = runner.render(jobs, provider, wanted, run, fresh=fresh, progress=progress, tariff=tariff, most_usd=budget.max)
    from bench import report, scoring  # noqa: PLC0415 - slow imports

    for scenario in planned:
        scenarios.conduct(scenario, jobs, provider, run, progress=progress, fresh=_flag(config, "fresh"))
    with run.lock():
        rows = scoring.score(run, chosen, progress)
    for reason in scoring.complaints(rows):
        progress.say(f"unscored, {reason}")
    page = report.write_run(run, console=None if _sweeping() else progress.console, progress=progress)
    progress.say(
        f"{run.name}: {outcome.done} rendered, {outcome.kept} kept, {outcome.refused} refused, {outcome.failed} failed\nreport: {page}"
    )
    return str(run.path), 1 if outcome.failed or scoring.barred(rows) else 0


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


def _values(argv: Sequence[str], key: str) -> list[str] | None:
    """The value(s) of a group on the command line: ``a``, ``a,b`` and ``[a,b]`` alike."""
    given = [word.partition("=")[2] for word in argv if word.startswith(f"{key}=")]
    if not given:
        return None
    return [part.strip(" []'\"") for part in given[-1].split(",") if part.strip(" []'\"")]


def _defaults(argv: Sequence[str]) -> list[str]:
    """Check the names given, and choose the prompts and metrics that go with the model where none were given."""
    for word in argv:
        key = word.partition("=")[0].lstrip("+~")
        if "=" in word and not word.startswith("-") and key.partition(".")[0] not in (*OPTIONS, "hydra") and "/" not in key:
            raise unknown("option", key, OPTIONS)
        if (
            "=" not in word
            and not word.startswith(("-", "~"))
            and (argv[argv.index(word) - 1 :] or [""])[0] not in {"--cfg", "-c", "--package", "-p"}
        ):
            raise ConfigError(f"{word!r} is no OPTION=VALUE; see: python -m bench run --help")
    models = _values(argv, "model") or ["tiny-dev"]
    cards = [presets.read("model", name)["card"] for name in models]
    for name in _values(argv, "metric") or []:
        presets.read("metric", name)
    added = []
    chosen = _values(argv, "prompts")
    if chosen is None:
        sets = {card["prompts"] for card in cards}
        if len(sets) > 1:
            raise ConfigError(f"these models have different prompt sets of their own ({', '.join(sorted(sets))}); choose one with prompts=")
        chosen = [*sets]
        added.append(f"prompts={chosen[0]}")
    if _values(argv, "metric") is None:
        fitting = [card for card in cards if card["prompts"] == chosen[0]] or cards
        added.append(f"metric=[{','.join(fitting[0]['metrics'])}]")
    return added


def _of_each_model(overrides: Sequence[str]) -> list[str]:
    """The overrides of a sweep over models, whose fields Hydra would look for in the default model, made ones that it takes.

    Raises:
        ConfigError: a field that one of the models does not have.
    """
    models = _values(overrides, "model") or []
    if len(models) < 2:
        return list(overrides)
    made = []
    for word in overrides:
        path, _, value = word.partition("=")
        if path.startswith("model."):
            *above, name = path.split(".")
            for model in models:
                known = _fields(above, [f"model={model}"])
                if name not in known:
                    where = f"field of {model}" if known else "field"
                    raise unknown(where, path, [".".join([*above, k]) for k in known or _fields(["model"], [f"model={model}"])])
        made.append(f"++{path}={value}" if path.startswith("model.") else word)
    return made


def _hydra(job: Any, arguments: list[str]) -> None:  # noqa: ANN401 - a task function
    """Hand over to Hydra; its complaints become ConfigErrors."""
    import hydra  # noqa: PLC0415 - slow import
    from hydra.errors import HydraException  # noqa: PLC0415 - slow import
    from omegaconf.errors import OmegaConfBaseException  # noqa: PLC0415 - slow import

    before = sys.argv
    sys.argv = ["bench run", *arguments]
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        hydra.main(version_base="1.3", config_path=str(resources.folder("conf")), config_name="config")(job)()
    except (HydraException, OmegaConfBaseException) as error:
        if isinstance(error.__cause__, BenchError):
            raise error.__cause__ from None
        raise ConfigError(_plain(error, arguments)) from error
    finally:
        sys.argv = before


def _plain(error: Exception, arguments: Sequence[str]) -> str:
    """Hydra's message, or the nearest field's name where it speaks of an unknown one."""
    text = " ".join(str(error).split())
    if "not in struct" not in f"{text} {error.__cause__ or ''}":
        return text
    words = [word.rstrip(".,") for word in text.replace("'", " ").replace("=", " ").split()]
    wrong = next((word for word in words if word.startswith(("model.", "metric.", "budget."))), None)
    if wrong is None:
        return text
    *above, _field = wrong.split(".")
    known = _fields(above, arguments)
    return str(unknown("field", wrong, [".".join([*above, name]) for name in known])) if known else text


def _fields(above: Sequence[str], arguments: Sequence[str]) -> list[str]:
    """Names of the fields at ``above`` (like model, limits) in the presets chosen; empty where there is no such place."""
    group, *path = above
    if group == "budget":
        node: Any = {field.name: None for field in fields(money.Budget)}
    elif group == "model":
        node = presets.read("model", (_values(arguments, "model") or ["tiny-dev"])[0])
    else:
        node = {name: presets.read("metric", name) for name in presets.names("metric")}
    for name in path:
        node = node.get(name) if isinstance(node, dict) else None
    return [name for name in node if not name.startswith("_")] if isinstance(node, dict) else []
