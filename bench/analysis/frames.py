"""Runs as named pandas frames: the one source of every table and picture of a report.

- ``images``: a row a picture: ``run`` and the columns of a stored record (``bench.store.schema``).
- ``scores``: long form, a row a score; human votes are the metric ``human_preference``.
- ``summary``: a row a run and metric (``bench.analysis.summary``).
- ``pairwise``: a row a pair of runs and metric (``bench.analysis.pairwise``).
- ``ranking``: a row a metric and run, from Bradley and Terry (``bench.analysis.ranking``).
- ``latency``: a row a run, a column a figure, seconds. ``cost``: a row a run, US dollars (``bench.analysis.costs``).
- ``environment``: a row a run and machine.
- ``votes``, ``agreement``: only with votes (``bench.analysis.votes``).

``docs/frames.md`` names every column.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from bench.analysis import costs, pairwise, ranking, slowdown
from bench.analysis import votes as tally
from bench.analysis.advice import score_command
from bench.analysis.columns import EARLIER_CARDS, Cards
from bench.analysis.comparable import refuse_other_prompts
from bench.analysis.summary import mark_best, summarise
from bench.core import environment
from bench.core.advice import command
from bench.core.fingerprint import difference
from bench.errors import ConfigError, unknown
from bench.store import schema
from bench.store.results import labelled
from bench.types import Timing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from bench.store import Run, Vote
    from bench.types import ImageRecord


class Frames(Mapping[str, pd.DataFrame]):
    """Tables by name, each made when it is first read.

    Attributes:
        cards: what their columns of metrics say of themselves.
    """

    def __init__(self, tables: Mapping[str, Callable[[], pd.DataFrame]], cards: Cards = EARLIER_CARDS) -> None:
        self._make = tables
        self._tables: dict[str, pd.DataFrame] = {}
        self.cards = cards

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self._tables:
            self._tables[name] = self._make[name]()
        return self._tables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._make)

    def __len__(self) -> int:
        return len(self._make)

    def __or__(self, tables: Mapping[str, pd.DataFrame]) -> Frames:
        """These tables with some replaced or added."""
        return Frames({name: partial(self.__getitem__, name) for name in self} | {name: t.copy for name, t in tables.items()}, self.cards)

    def __repr__(self) -> str:
        return f"Frames({', '.join(self)})"


def frames(runs: Sequence[Run], *, without: Sequence[str] = (), only: Collection[str] | None = None, votes: Sequence[Vote] = ()) -> Frames:
    """All frames of some runs.

    Args:
        runs: in the order of the tables.
        without: metrics or columns to leave out, with the columns below them.
        only: the columns to read; None is all.
        votes: of people on pictures of these runs; votes on others are passed over.

    Raises:
        ConfigError: one metric has unlike fingerprints, and the message names the fields that differ and the way out; or a
            prompt's name has two texts, a run is there twice, or no run has a metric of ``without``.
    """
    reading = _Reading(runs, without, only, votes)
    names = ["images", "scores", "summary", "pairwise", "ranking", "latency", "cost", "environment"]
    names += ["votes", "agreement"] if reading.has_votes else []
    return Frames({name: partial(getattr, reading, name) for name in names}, reading.cards)


class _Reading:
    """Some runs, read once, and every table that is made of them."""

    def __init__(self, runs: Sequence[Run], without: Sequence[str], only: Collection[str] | None, votes: Sequence[Vote]) -> None:
        self._labels = labelled(runs)
        self._infos = {label: run.info() for label, run in self._labels.items()}
        self._records = {label: run.records() for label, run in self._labels.items()}
        self._current = {label: run.current(self._records[label]) for label, run in self._labels.items()}
        self.images = pd.concat(
            [_images(label, records, self._infos[label]) for label, records in self._current.items()], ignore_index=True
        )
        scores = pd.concat([_scores(label, run, self._current[label]) for label, run in self._labels.items()], ignore_index=True)
        self.cards = Cards([info.get("columns", {}) for info in self._infos.values()], scores)
        self._of_metrics = _chosen(scores, self.cards, without, only)
        refuse_other_prompts(group for _, group in self.images.groupby("run", sort=False))
        _refuse_unlike(self._of_metrics, self.cards, self._labels)
        names = {run.name for run in self._labels.values()}
        self._votes = [vote for vote in votes if {vote.a, vote.b} <= names]

    @cached_property
    def _voted(self) -> dict[str, pd.DataFrame]:
        """What people said of these runs; empty where nobody did."""
        timed = self.cards.timed(self._of_metrics["metric"])
        return tally.vote_frames(self._votes, self._labels, self.images, self._of_metrics, timed) if self._votes else {}

    @property
    def has_votes(self) -> bool:
        return bool(self._votes)

    @property
    def votes(self) -> pd.DataFrame:
        return self._voted["votes"]

    @property
    def agreement(self) -> pd.DataFrame:
        return self._voted["agreement"]

    @cached_property
    def scores(self) -> pd.DataFrame:
        if not self._votes:
            return self._of_metrics
        votes = self._voted["scores"].reindex(columns=self._of_metrics.columns)
        return pd.concat([self._of_metrics, votes], ignore_index=True)

    @cached_property
    def _timed(self) -> dict[str, pd.DataFrame]:
        """The pictures of each run whose times are pooled."""
        return {str(run): pictures for run, group in self.images.groupby("run", sort=False) if len(pictures := slowdown.timed(group))}

    @cached_property
    def _comparable(self) -> pd.DataFrame:
        return _pooled(self.scores, self._timed)

    @cached_property
    def pairwise(self) -> pd.DataFrame:
        return pairwise.table(self._comparable, self._infos, self._timed, self._voted.get("duels"), self.cards)

    @cached_property
    def summary(self) -> pd.DataFrame:
        return mark_best(summarise(self.scores, self._infos, self.cards), self.pairwise, self.cards)

    @cached_property
    def ranking(self) -> pd.DataFrame:
        scores = self._comparable[self._comparable["metric"] != tally.METRIC]
        order = ranking.table(scores, self._infos, self.cards)
        return pd.concat([self._voted["ranking"], order], ignore_index=True) if self._votes else order

    @property
    def latency(self) -> pd.DataFrame:
        return _latency(self.summary, self.cards)

    @property
    def cost(self) -> pd.DataFrame:
        return costs.table({label: (self._infos[label], self._records[label], self._current[label]) for label in self._labels})

    @property
    def environment(self) -> pd.DataFrame:
        return _environment(self._infos)


def _chosen(scores: pd.DataFrame, cards: Cards, without: Sequence[str], only: Collection[str] | None) -> pd.DataFrame:
    """``scores`` of the columns ``only``, less those of ``without``: a column, all below it, or all of a metric."""
    if only is not None:
        return scores[scores["metric"].isin(list(only))].reset_index(drop=True)
    names = {str(metric): {str(metric), str(metric).partition(".")[0], cards.metric(str(metric))} for metric in scores["metric"].unique()}
    for name in without:
        if not any(name in of for of in names.values()):
            raise unknown("metric", name, set().union(*names.values()))
    dropped = [metric for metric, of in names.items() if of & set(without)]
    return scores[~scores["metric"].isin(dropped)].reset_index(drop=True)


def _pooled(scores: pd.DataFrame, timed: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """``scores`` less the latencies of pictures that another machine or another batch size made than most of their run."""
    keys = ["run", "prompt_id", "request_id"]
    used = pd.concat([pd.DataFrame(columns=keys), *(pictures[keys] for pictures in timed.values())])
    latency = (scores["metric"] == "latency").to_numpy()
    return scores.loc[~latency | pd.MultiIndex.from_frame(scores[keys]).isin(pd.MultiIndex.from_frame(used))]


def _refuse_unlike(scores: pd.DataFrame, cards: Cards, labels: Mapping[str, Run]) -> None:
    ok = scores[scores["status"] == "ok"]
    columns_by_fields: dict[str, list[str]] = {}
    for column, group in ok.groupby("metric", sort=False):
        unlike = difference(group["fingerprint"].unique())
        if unlike:
            differing = "; ".join(f"{field}: {' against '.join(values)}" for field, values in unlike.items())
            columns_by_fields.setdefault(differing, []).append(str(column))
    if columns_by_fields:
        columns = [column for group in columns_by_fields.values() for column in group]
        metrics = sorted({cards.metric(column) for column in columns})
        folders = [str(run.path) for run in labels.values()]
        raise ConfigError(
            "scores computed with different settings cannot be compared. "
            + " ".join(f"{', '.join(group)} differ in {differing}." for differing, group in columns_by_fields.items())
            + f" Score them alike with: {score_command(columns, cards, folders)}; "
            f"or leave them out with: {command('compare', *folders, '--without', *metrics)}"
        )


def _images(label: str, records: Sequence[ImageRecord], info: Mapping[str, Any]) -> pd.DataFrame:
    rows = []
    for record in records:
        row = schema.record_to_json(record) | {"cost_usd": costs.of_picture(record, info)}
        row["settings"], row["detail"] = json.dumps(row["settings"]), json.dumps(row["detail"])
        rows.append({"run": label, "session": record.session, **row})
    table = pd.DataFrame(rows, columns=["run", *schema.record_columns(), "session"])
    numbers = [f.name for f in fields(Timing) if f.type == "float"] + ["cost_usd"]
    table[numbers] = table[numbers].astype(float)
    return table


def _scores(label: str, run: Run, records: Sequence[ImageRecord]) -> pd.DataFrame:
    """The scores of a run's current pictures and of the run itself."""
    table: pd.DataFrame = run.scores_table().to_pandas()
    table["seed"], table["higher_is_better"] = table["seed"].astype("Int64"), table["higher_is_better"].astype(object)
    current = pd.MultiIndex.from_arrays([[r.prompt_id for r in records], [r.request.id for r in records]])
    of_current = pd.MultiIndex.from_frame(table[["prompt_id", "request_id"]]).isin(current)
    table = table[table["request_id"].isna() | of_current].reset_index(drop=True)
    table.insert(0, "run", label)
    return table


def _latency(summary: pd.DataFrame, cards: Cards) -> pd.DataFrame:
    timed = summary[summary["metric"].isin(cards.timed(summary["metric"])) & (summary["metric"] != "latency")]
    wide = timed.pivot_table(index="run", columns="metric", values="mean", sort=False)
    return wide.reindex(columns=[m for m in dict.fromkeys(timed["metric"]) if m in wide]).reset_index()


def _environment(infos: dict[str, dict[str, Any]]) -> pd.DataFrame:
    rows = []
    for run, info in infos.items():
        for key, facts in info.get("environments", {}).items():
            packages, sessions = facts.get("packages", {}), info.get("sessions", {}).get(key) or [info.get("session", {})]
            here = {**environment.conditions(sessions[-1]), **facts}
            rows.append({
                "run": run, "environment": key, "device": here.get("device", ""), "conditions": _conditions(here), "cpu": facts.get("cpu"),
                "clock": facts.get("cpu_clock"), "cores": facts.get("cores"), "memory_gib": facts.get("memory_gib"),
                "gpu": "; ".join(facts.get("gpu", [])),
                "system": facts.get("system"), "python": facts.get("python"), "commit": facts.get("commit"),
                "packages": ", ".join(f"{k} {v}" for k, v in packages.items()),
            })  # fmt: skip
    return pd.DataFrame(
        rows,
        columns=[
            "run",
            "environment",
            "device",
            "conditions",
            "cpu",
            "clock",
            "cores",
            "memory_gib",
            "gpu",
            "system",
            "python",
            "commit",
            "packages",
        ],
    )


def _conditions(facts: Mapping[str, Any]) -> str:
    """How the model ran there, in words, without the device and without what is usual."""
    usual = {"offload": "none", "compile": False, "attention": "native", "precision": "highest"}
    said = [name for name in environment.CONDITIONS if name in facts and name != "device" and facts[name] != usual.get(name)]
    return ", ".join(environment.condition(name, facts[name]) for name in said)
