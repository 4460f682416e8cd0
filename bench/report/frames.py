"""Runs as named pandas frames: the one source of every table and picture of a report.

``images``: a row a picture. ``scores``: long form, a row a score. ``summary``: a row a run and metric. ``latency``: a
row a run. ``cost``: a row a run, whatever was scored (``bench.report.costs``). ``environment``: a row a run and machine.
"""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pandas as pd

from bench import schema
from bench.errors import ConfigError
from bench.fingerprint import difference
from bench.report import costs
from bench.report.summary import TIMED, summarise
from bench.types import Timing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.store import Run


def frames(runs: Sequence[Run], *, without: Sequence[str] = ()) -> dict[str, pd.DataFrame]:
    """All frames of ``runs``, in the order given; metrics named in ``without`` are left out.

    Raises:
        ConfigError: one metric has unlike fingerprints; the message names the fields that differ and the way out.
    """
    labels = _labels(runs)
    infos = {label: run.info() for label, run in labels.items()}
    images = pd.concat([_images(label, run) for label, run in labels.items()], ignore_index=True)
    scores = pd.concat([_scores(label, run) for label, run in labels.items()], ignore_index=True)
    scores = scores[~_below(scores["metric"], without)].reset_index(drop=True)
    _refuse_unlike(scores, labels)
    summary = summarise(scores, infos)
    return {
        "images": images,
        "scores": scores,
        "summary": summary,
        "latency": _latency(summary),
        "cost": costs.table(labels),
        "environment": _environment(infos),
    }


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


def _labels(runs: Sequence[Run]) -> dict[str, Run]:
    """Short names, told apart by their settings where two runs share a label."""
    short = [str(run.info().get("label") or run.name) for run in runs]
    return {s if short.count(s) == 1 else run.name: run for s, run in zip(short, runs, strict=True)}


def _images(label: str, run: Run) -> pd.DataFrame:
    rows, info = [], run.info()
    for record in run.current():
        row = schema.record_to_json(record) | {"cost_usd": costs.of_picture(record, info)}
        row["settings"], row["detail"] = json.dumps(row["settings"]), json.dumps(row["detail"])
        rows.append({"run": label, **row})
    table = pd.DataFrame(rows, columns=["run", *schema.record_columns()])
    numbers = [f.name for f in fields(Timing) if f.type == "float"] + ["cost_usd"]
    table[numbers] = table[numbers].astype(float)
    return table


def _scores(label: str, run: Run) -> pd.DataFrame:
    current = {r.key for r in run.current()}
    rows = [s for s in run.scores() if s.request_id is None or (s.prompt_id, s.request_id) in current]
    columns = [
        "metric",
        "fingerprint",
        "value",
        "status",
        "unit",
        "higher_is_better",
        "worst",
        "request_id",
        "prompt_id",
        "seed",
        "reason",
        "detail",
    ]
    table = pd.DataFrame([{c: getattr(s, c) for c in columns} for s in rows], columns=columns)
    table["detail"] = [json.dumps(dict(d), ensure_ascii=False) for d in table["detail"]]
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
