"""What a run will do: its jobs, which of them are left, how they are scored and what they may cost."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from bench import prompts
from bench.engine.continuing import by_request, run_for
from bench.errors import ConfigError
from bench.pricing.budget import Budget, Estimate, check_budget
from bench.pricing.tariff import Tariff, tariff_for
from bench.store import Run, Store
from bench.store.attempts import Ledger
from bench.types import Job, Prompt, PromptSet, digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.metrics import ImageMetric, RunMetric, SetMetric
    from bench.metrics.speed.scenario import Scenario
    from bench.providers import HostedProvider, Provider

    Metric = ImageMetric | SetMetric | RunMetric

_PROBE = Prompt("probe", "probe")
_LONGEST_LABEL = 100
_SEEDS = (0, 1)
"""Of a local model; of a hosted one only the first, for pictures cost money there."""


@dataclass(frozen=True)
class Turn:
    """One of several rounds in which a run is rendered, each a session of its own: prompt i belongs to round i mod ``of``.

    Attributes:
        index: of the round, from 0.
        of: how many rounds there are.
    """

    index: int = 0
    of: int = 1

    @property
    def last(self) -> bool:
        """Whether the run is whole after it."""
        return self.index == self.of - 1

    @property
    def backwards(self) -> bool:
        """Whether the models of a sweep take their turns in reverse: in the second and third of every four rounds.

        So a machine that slows down steadily slows no model more than another, and rounds that follow each other are as often
        alike as unlike in which model is next to which.
        """
        return self.index % 4 in {1, 2}

    def __str__(self) -> str:
        return f"round {self.index + 1} of {self.of}"


@dataclass(frozen=True)
class Plan:
    """What a run will do; nothing is loaded, sent or written yet.

    Attributes:
        provider: the model.
        prompt_set: the set that the prompts come from, whole.
        jobs: every selected prompt with every seed.
        todo: the jobs that have no final record in ``run``, or all with ``fresh``.
        run: the folder it goes to, which perhaps does not exist yet.
        metrics: what scores the pictures.
        scenarios: loads to put on the model once its pictures are there.
        budget: what may be spent.
        tariff: what a picture of a hosted model costs; None for a local one.
        label: the run's name for people.
        fresh: render what is there again.
        turn: the round whose prompts are rendered; the only one by default.
        configuration: what the run was composed of, as plain data without secrets, for run.json; None leaves that out.
        records_version: ``Run.records_version()`` of the records that ``todo`` was read from.
    """

    provider: Provider
    prompt_set: PromptSet
    jobs: Sequence[Job]
    todo: Sequence[Job]
    run: Run
    metrics: Sequence[Metric] = ()
    scenarios: Sequence[Scenario] = ()
    budget: Budget = field(default_factory=Budget)
    tariff: Tariff | None = None
    label: str = ""
    fresh: bool = False
    turn: Turn = Turn()
    configuration: Mapping[str, Any] | None = None
    records_version: object = None

    @property
    def now(self) -> list[Job]:
        """What of ``todo`` is rendered in this turn."""
        return self._of_turn(self.todo)

    @property
    def kept(self) -> int:
        """How many jobs of this turn have a final record."""
        return len(self._of_turn(self.jobs)) - len(self.now)

    def _of_turn(self, jobs: Sequence[Job]) -> list[Job]:
        place = {name: i for i, name in enumerate(dict.fromkeys(job.prompt.id for job in self.jobs))}
        return [job for job in jobs if place[job.prompt.id] % self.turn.of == self.turn.index]

    @property
    def takes_seeds(self) -> bool:
        """False where the model takes no seed, so that there is one picture a prompt."""
        return any(job.request.seed is not None for job in self.jobs)

    @property
    def unused_negative_prompts(self) -> int:
        """How many prompts have a negative prompt that the model would not take note of, so that no request has it."""
        return len({job.prompt.id for job in self.jobs if job.prompt.negative_prompt and job.request.negative_prompt is None})

    @cached_property
    def estimate(self) -> Estimate | None:
        """What is left may cost this much; without what was paid already and only has to be fetched. None for a local model."""
        if self.tariff is None:
            return None
        ledger = Ledger(self.run)
        unpaid = [job.request for job in self.todo if not ledger.attempt(job).paid]
        return Estimate(self.provider.name, unpaid, self.tariff, ledger.committed_usd)

    def check(self) -> None:
        """Raise what would stop the run at once; does nothing where nothing is left to render.

        Raises:
            ConfigError: ``budget.max`` is set and the price unknown.
            BudgetError: the pictures may cost more than ``budget.max``.
            BenchError: weights, a key or a package is missing.
        """
        if self.todo:
            self.provider.check()
            if self.estimate:
                check_budget(self.estimate, self.budget)

    def updated(self) -> Plan:
        """The same plan with what is left to do now, after other processes may have worked on the run."""
        version = self.run.records_version()
        if version == self.records_version:
            return self
        return replace(self, todo=pending(self.jobs, self.run, fresh=self.fresh), records_version=version)

    def description(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """The keys of run.json that say what the run consists of; ``stored`` is what run.json says so far."""
        request, card = self.jobs[0].request, self.provider.card
        keys = {
            "name": self.run.name, "label": self.label, "hosted": self.provider.hosted,
            "prompt_sets": {**stored.get("prompt_sets", {}), self.prompt_set.name: self.prompt_set.hash},
            "model": request.model, "revision": request.revision,
            "description": card.get("description", ""), "ceiling": bool(card.get("ceiling")),
        }  # fmt: skip
        return keys if self.configuration is None else {**keys, "config": dict(self.configuration)}


def plan(
    provider: Provider,
    prompt_set: PromptSet,
    *,
    metrics: Sequence[Metric] = (),
    seeds: Sequence[int] | int | None = None,
    limit: int | None = None,
    categories: Sequence[str] = (),
    label: str | None = None,
    budget: Budget | None = None,
    fresh: bool = False,
    turn: Turn = Turn(),
    results: Path | str = "results",
    configuration: Mapping[str, Any] | None = None,
) -> Plan:
    """Plan a run: nothing is loaded, sent or written, nobody is asked.

    Args:
        provider: the model, for instance ``bench.config.presets.provider("tiny-dev")``.
        prompt_set: what to draw, for instance ``bench.prompts.load("tiny")``.
        metrics: what to score, for instance ``bench.config.presets.metrics(["scene", "latency"])``.
        seeds: pictures a prompt; by default 0 and 1, for a hosted model 0.
        limit: only so many prompts, the first ones.
        categories: only these.
        label: a name for the run; the model's by default.
        budget: limits and prices of your own.
        fresh: render what is there again.
        turn: render only the prompts of this round; a run in five rounds is five plans, ``Turn(0, 5)`` to ``Turn(4, 5)``.
        results: the folder of runs.
        configuration: plain data to keep in run.json, from which ``score`` knows the run's metrics.

    Raises:
        ConfigError: something that the model or the prompt set cannot do, seeds that are none, more rounds than prompts, or a
            metric's reference that is not there.
    """
    _check_kinds(provider, prompt_set, metrics, label, results)
    _check_references(metrics)
    selected = prompts.select(prompt_set, limit=limit, categories=[categories] if isinstance(categories, str) else categories)
    if turn.of > len(selected):
        raise ConfigError(f"rounds={turn.of}: {len(selected)} prompts are too few to be divided over so many; use rounds={len(selected)}")
    jobs = jobs_for(provider, selected, checked_seeds(seeds, hosted=provider.hosted))
    run = run_for(
        Store(Path(results)),
        lambda label, name: run_name(provider, replace(prompt_set, name=name), label),
        label or provider.name,
        prompt_set,
        by_request(provider),
    )
    budget = budget or Budget()
    scenarios = [metric.planned for metric in metrics if getattr(metric, "planned", None)]  # type: ignore[union-attr]
    if scenarios and provider.hosted:
        raise ConfigError(
            f"metric.latency.scenario={scenarios[0].name}: {provider.name} is hosted, and a scenario pays for hundreds of pictures that "
            "are thrown away; leave the option out: latency is measured on the run's own pictures"
        )
    version = run.records_version()
    hosted = cast("HostedProvider", provider) if provider.hosted else None
    return Plan(
        provider=provider,
        prompt_set=prompt_set,
        jobs=jobs,
        todo=pending(jobs, run, fresh=fresh),
        run=run,
        metrics=metrics,
        scenarios=scenarios,
        budget=budget,
        tariff=tariff_for(hosted.vendor, hosted.model, budget.price) if hosted else None,
        label=label or provider.name,
        fresh=fresh,
        turn=turn,
        configuration=hosted.redact(configuration) if hosted else configuration,
        records_version=version,
    )


def _check_references(metrics: Sequence[Metric]) -> None:
    """Refuse a metric whose reference is named and not there: pictures would be rendered, and paid for, to no score."""
    for metric in metrics:
        reference = getattr(metric, "reference", None)
        if reference is not None and (reason := cast("SetMetric", metric).unavailable_reason()):
            raise ConfigError(f"metric.{metric.name}.reference={reference}: {reason}")


def _check_kinds(provider: object, prompt_set: object, metrics: object, label: object, results: object) -> None:
    """Refuse from Python what would fail only when pictures are rendered and paid for."""
    from bench.metrics.base import ImageMetric, RunMetric, SetMetric  # noqa: PLC0415 - only to look at kinds

    if not hasattr(provider, "request") or not hasattr(provider, "hosted"):
        raise ConfigError(f"{provider!r} is no model; build one with: bench.config.presets.provider('tiny-dev')")
    if not isinstance(prompt_set, PromptSet):
        raise ConfigError(f"{prompt_set!r} is no prompt set; read one with: bench.prompts.load('tiny')")
    for metric in metrics if isinstance(metrics, list | tuple) else [metrics]:
        if not isinstance(metric, ImageMetric | SetMetric | RunMetric):
            raise ConfigError(f"{metric!r} is no metric; build metrics with: bench.config.presets.metrics(['scene', 'latency'])")
    for name, given in (("label", label), ("results", results)):
        if given is not None and not isinstance(given, str | Path):
            raise ConfigError(f"{name}={given!r} is no text; write {name}={str(given)!r}")
    if isinstance(label, str) and len(label) > _LONGEST_LABEL:
        raise ConfigError(f"the label {label[:40]!r}… has {len(label)} characters; it may have {_LONGEST_LABEL}")


def checked_seeds(seeds: Any, *, hosted: bool) -> list[int]:  # noqa: ANN401 - perhaps straight from a command line
    """The seeds of a run; the default ones for None. Raises ConfigError unless they are distinct whole numbers from 0 to 2^32 - 1."""
    if seeds is None:
        return list(_SEEDS[:1] if hosted else _SEEDS)
    values: list[Any] = [seeds] if isinstance(seeds, int | float | str) else list(seeds)
    if not values or len(set(values)) != len(values):
        raise ConfigError(f"seeds={values} must be a list of distinct whole numbers, like seeds=[0,1]")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**32:
            raise ConfigError(f"seeds holds {value!r}; a seed is a whole number from 0 to {2**32 - 1}")
    return values


def run_name(provider: Provider, prompt_set: PromptSet, label: str | None) -> str:
    """``<label or model>.<prompt set>.<settings>-<hash>``, like ``tiny-dev.tiny.28steps-g3-128x128-float32-5f0c1d2e``.

    The same for every prompt, seed and metric; see ``part_of_name`` for label and prompt set.
    """
    probe = provider.request(_PROBE, 0)
    settings = probe.settings
    identity = {"model": probe.model, "revision": probe.revision, "size": [probe.width, probe.height], "settings": dict(settings)}
    words = [
        f"{settings['steps']}step{'s' * (settings['steps'] != 1)}" if settings.get("steps") else "",
        f"g{_short(settings.get('guidance'))}" if isinstance(settings.get("guidance"), int | float) else "",
        f"cfg{_short(settings.get('true_cfg'))}" if isinstance(settings.get("true_cfg"), int | float) and settings["true_cfg"] != 1 else "",
        f"{probe.width}x{probe.height}" if probe.width else "",
        str(settings.get("dtype", "")),
        "random" if settings.get("weights") == "random" else "",
        digest(identity)[:8],
    ]
    parts = (label or provider.name, _LONGEST_LABEL), (prompt_set.name, 80), ("-".join(filter(None, words)), 70)
    return ".".join(part_of_name(text, longest) for text, longest in parts)


def _short(number: Any) -> str:  # noqa: ANN401 - of a request's settings
    """A number in a name, where no plus can stand: 1e38."""
    return f"{number:g}".replace("e+", "e")


def part_of_name(text: str, longest: int = _LONGEST_LABEL) -> str:
    """A label or a prompt set's name in the name of a folder: letters of any language, digits, dots, hyphens and underscores are kept.

    One of more than ``longest`` bytes is cut, with a hash at its end: file systems take 255 bytes for a whole name.

    >>> part_of_name("my label, ünï"), part_of_name("../..")
    ('my-label-ünï', 'x')
    """
    part = re.sub(r"[^\w.-]+", "-", unicodedata.normalize("NFC", text)).strip(".-") or "x"
    if len(part.encode()) <= longest:
        return part
    return f"{part.encode()[: longest - 7].decode(errors='ignore')}-{digest(text)[:6]}"


def jobs_for(provider: Provider, prompts: Sequence[Prompt], seeds: Sequence[int | None]) -> list[Job]:
    """Every prompt with every seed, the seeds of a prompt together; one job where the model takes no seed."""
    jobs = [Job(prompt, provider.request(prompt, seed)) for prompt in prompts for seed in seeds]
    return list({job.key: job for job in jobs}.values())


def pending(jobs: Sequence[Job], run: Run, *, fresh: bool = False) -> list[Job]:
    """The jobs without a final record (ok or refused) in ``run``; all of them with ``fresh``."""
    final = set() if fresh else {record.key for record in run.records() if not record.failed}
    return [job for job in jobs if job.key not in final]
