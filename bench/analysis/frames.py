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
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pandas as pd

from bench.analysis import costs, pairwise, ranking, slowdown
from bench.analysis import votes as tally
from bench.analysis.comparable import TIMED, refuse_other_prompts
from bench.analysis.summary import mark_best, summarise
from bench.core.fingerprint import difference
from bench.errors import ConfigError, unknown
from bench.store import latest, schema
from bench.store.results import labelled
from bench.types import Timing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.store import Run, Vote
    from bench.types import ImageRecord


def frames(runs: Sequence[Run], *, without: Sequence[str] = (), votes: Sequence[Vote] = ()) -> dict[str, pd.DataFrame]:
    """All frames of some runs.

    Args:
        runs: in the order of the tables.
        without: metrics to leave out, with the columns below them.
        votes: of people on pictures of these runs; votes on others are passed over.

    Raises:
        ConfigError: one metric has unlike fingerprints, and the message names the fields that differ and the way out; or a
            prompt's name has two texts, a run is there twice, or no run has a metric of ``without``.
    """
    labels = labelled(runs)
    infos = {label: run.info() for label, run in labels.items()}
    every = {label: run.records() for label, run in labels.items()}
    records = {label: latest(held) for label, held in every.items()}
    images = pd.concat([_images(label, held, infos[label]) for label, held in records.items()], ignore_index=True)
    scores = pd.concat([_scores(label, run, records[label]) for label, run in labels.items()], ignore_index=True)
    metrics = set(scores["metric"]) | {str(metric).partition(".")[0] for metric in scores["metric"]}
    for name in without:
        if name not in metrics:
            raise unknown("metric", name, metrics)
    scores = scores[~_below(scores["metric"], without)].reset_index(drop=True)
    refuse_other_prompts(group for _, group in images.groupby("run", sort=False))
    _refuse_unlike(scores, labels)
    told = _voted(votes, labels, images, scores)
    if told:
        scores = pd.concat([scores, told["scores"].reindex(columns=scores.columns)], ignore_index=True)
    summary = summarise(scores, infos)
    timed = {str(run): pictures for run, group in images.groupby("run", sort=False) if len(pictures := slowdown.timed(group))}
    fit = _pooled(scores, timed)
    pairs = pairwise.table(fit, infos, timed, told["duels"] if told else None)
    order = ranking.table(fit[fit["metric"] != "human_preference"], infos, timed)
    return {
        "images": images,
        "scores": scores,
        "summary": mark_best(summary, pairs),
        "pairwise": pairs,
        "ranking": pd.concat([told["ranking"], order], ignore_index=True) if told else order,
        "latency": _latency(summary),
        "cost": costs.table({label: (infos[label], every[label], records[label]) for label in labels}),
        "environment": _environment(infos),
        **({name: told[name] for name in ("votes", "agreement")} if told else {}),
    }


def _voted(votes: Sequence[Vote], labels: Mapping[str, Run], images: pd.DataFrame, scores: pd.DataFrame) -> dict[str, pd.DataFrame] | None:
    """What people said of these runs; None where nobody did."""
    names = {run.name for run in labels.values()}
    mine = [vote for vote in votes if {vote.a, vote.b} <= names]
    if not mine:
        return None
    return tally.vote_frames(mine, labels, images, scores)


def _pooled(scores: pd.DataFrame, timed: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """``scores`` less the latencies of pictures that another machine or another batch size made than most of their run."""
    keys = ["run", "prompt_id", "request_id"]
    used = pd.concat([pd.DataFrame(columns=keys), *(pictures[keys] for pictures in timed.values())])
    latency = (scores["metric"] == "latency").to_numpy()
    return scores.loc[~latency | pd.MultiIndex.from_frame(scores[keys]).isin(pd.MultiIndex.from_frame(used))]


def _below(metrics: pd.Series[str], names: Sequence[str]) -> pd.Series[bool]:
    """Which metrics are one of ``names`` or a column below it."""
    return metrics.isin(list(names)) | metrics.str.split(".").str[0].isin(list(names))


def _refuse_unlike(scores: pd.DataFrame, labels: dict[str, Run]) -> None:
    ok = scores[scores["status"] == "ok"]
    told: dict[str, list[str]] = {}
    for metric, group in ok.groupby("metric", sort=False):
        unlike = difference(group["fingerprint"].unique())
        if unlike:
            told.setdefault("; ".join(f"{field}: {' against '.join(values)}" for field, values in unlike.items()), []).append(str(metric))
    if told:
        names = sorted({m.partition(".")[0] for metrics in told.values() for m in metrics})
        runs = " ".join(run.name for run in labels.values())
        raise ConfigError(
            "unlike scores cannot share a column. "
            + " ".join(f"{', '.join(metrics)} differ in {fields}." for fields, metrics in told.items())
            + f" Score them alike with: python -m bench score {runs} metric=[{','.join(names)}]; "
            f"or leave them out with: python -m bench compare … --without {' '.join(names)}"
        )


def _images(label: str, records: Sequence[ImageRecord], info: Mapping[str, Any]) -> pd.DataFrame:
    rows = []
    for record in records:
        row = schema.record_to_json(record) | {"cost_usd": costs.of_picture(record, info)}
        row["settings"], row["detail"] = json.dumps(row["settings"]), json.dumps(row["detail"])
        rows.append({"run": label, **row})
    table = pd.DataFrame(rows, columns=["run", *schema.record_columns()])
    numbers = [f.name for f in fields(Timing) if f.type == "float"] + ["cost_usd"]
    table[numbers] = table[numbers].astype(float)
    return table


def _scores(label: str, run: Run, records: Sequence[ImageRecord]) -> pd.DataFrame:
    """The scores of a run's current pictures and of the run itself."""
    table: pd.DataFrame = run.scores_table().to_pandas()
    table["seed"], table["higher_is_better"] = table["seed"].astype("Int64"), table["higher_is_better"].astype(object)
    current = pd.MultiIndex.from_arrays([[r.prompt_id for r in records], [r.request.id for r in records]])
    mine = pd.MultiIndex.from_frame(table[["prompt_id", "request_id"]]).isin(current)
    table = table[table["request_id"].isna() | mine].reset_index(drop=True)
    table.insert(0, "run", label)
    return table


def _latency(summary: pd.DataFrame) -> pd.DataFrame:
    timed = summary[summary["metric"].str.startswith(TIMED) & (summary["metric"] != "latency")]
    wide = timed.pivot_table(index="run", columns="metric", values="mean", sort=False)
    return wide.reindex(columns=[m for m in dict.fromkeys(timed["metric"]) if m in wide]).reset_index()


def _environment(infos: dict[str, dict[str, Any]]) -> pd.DataFrame:
    rows = []
    for run, info in infos.items():
        for key, facts in info.get("environments", {}).items():
            packages = facts.get("packages", {})
            rows.append({
                "run": run, "environment": key, "device": info.get("session", {}).get("device", ""), "cpu": facts.get("cpu"),
                "clock": facts.get("cpu_clock"), "cores": facts.get("cores"), "memory_gib": facts.get("memory_gib"),
                "gpu": "; ".join(facts.get("gpu", [])),
                "system": facts.get("system"), "python": facts.get("python"), "commit": facts.get("commit"),
                "packages": ", ".join(f"{k} {v}" for k, v in packages.items()),
            })  # fmt: skip
    return pd.DataFrame(
        rows,
        columns=["run", "environment", "device", "cpu", "clock", "cores", "memory_gib", "gpu", "system", "python", "commit", "packages"],
    )
