"""The answer in words: which model leads in quality, in speed and in price, by how much, and what is not settled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from bench.analysis import votes
from bench.analysis.pairwise import BETTER, FEW, LEVEL, TURNED, UNLIKE, WORSE
from bench.report import wording
from bench.report.effort import price_words, speed_words
from bench.report.wording import listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from bench.analysis.frames import Frames

_UNSETTLED = 3
_ADVICE = 0.025
"""A model is advised where p after Holm is no larger."""
_LOOKING_AGAIN = (
    "Choose the number of prompts before looking: whoever renders more until a difference shows finds one that is not there about twice "
    "as often as this report allows for."
)
_HOPELESS = 20
"""More prompts than so many times those there are will not be gathered."""


class Answer(NamedTuple):
    """``answer``: a paragraph of two to four sentences; ``points``: what else a reader must know, a sentence each."""

    answer: str
    points: tuple[str, ...]

    @property
    def alone(self) -> str:
        """The paragraph where no points stand beside it: with whose votes they are, where it weighs any."""
        return " ".join([self.answer, *(point for point in self.points if point.startswith(f"{votes.METRIC}: "))])


@dataclass(frozen=True)
class TooFew:
    """No metric compares the models; ``prompts``: the most that a pair shares, None where no metric has any."""

    prompts: int | None


@dataclass(frozen=True)
class Tie:
    """No difference is shown between ``runs`` on ``metrics``; those ``behind`` are shown worse than one of them on ``behind_on``."""

    runs: Sequence[str]
    metrics: Sequence[str]
    behind: Sequence[str]
    behind_on: Sequence[str]
    apart: Sequence[str]


@dataclass(frozen=True)
class Mixed:
    """Every model is shown worse than another; ``ahead``: those that lead some metrics against all rivals, and which."""

    ahead: Mapping[str, Sequence[str]]
    apart: Sequence[str]


@dataclass(frozen=True)
class Leader:
    """One model alone is shown worse than no rival.

    Attributes:
        run: the model.
        metrics: all that were weighed.
        ahead: metrics to the rivals it is shown better than on them.
        best_on: metrics on which it is shown better than every rival, and so surely that it can be advised: with p after
            Holm at most 0.025, so that a model is advised wrongly in at most 2.5 % of tables.
        level: rivals against which no difference is shown.
        apart: rivals it was not compared with.
    """

    run: str
    metrics: Sequence[str]
    ahead: Mapping[tuple[str, ...], Sequence[str]]
    best_on: Sequence[str]
    level: Sequence[str]
    apart: Sequence[str]


Decision = TooFew | Tie | Mixed | Leader


def verdict(tables: Frames) -> Answer:
    """Say what the frames show, and only that.

    Quality goes by the questions of the answer (``pairwise``: ``answer``), of which one word or more is chance in at most
    5 % of tables: a model is advised where it is shown better than every rival on one of them, and worse than none on any.
    """
    summary, pairs = tables["summary"], tables["pairwise"]
    rivals = [run for run in dict.fromkeys(tables["images"]["run"]) if run not in set(summary.loc[summary["ceiling"].astype(bool), "run"])]
    scope = _scope(tables)
    if len(rivals) < 2:
        return Answer(scope, tuple(_caveats(tables)))
    timed = pairs["metric"].isin(tables.cards.timed(pairs["metric"]))
    quality = pairs[pairs["answer"].notna()]
    quality, others = quality.assign(verdict=quality["answer"]), pairs[pairs["answer"].isna() & ~timed]
    sentences = [_quality(quality, others, rivals), speed_words(pairs, rivals), price_words(tables, rivals)]
    return Answer(
        " ".join(filter(None, sentences)),
        (scope, *_caveats(tables), *_carried(quality), *_elsewhere(quality, others, rivals), *_unsettled(quality)),
    )


def _scope(tables: Frames) -> str:
    images = tables["images"]
    runs, prompts = images["run"].nunique(), images["prompt_id"].nunique()
    pictures = int((images["status"] == "ok").sum())
    missing = "".join(f", {n} {words}" for n, words, kind in wording.counted(images["status"]) if kind != "ok")
    return f"{runs} model{'s' if runs != 1 else ''}, {prompts:,} prompts, {pictures:,} pictures{missing}."


def _caveats(tables: Frames) -> list[str]:
    """Prompts that not every model was asked, and who declined."""
    short = [f"{run} {share}" for run, share in wording.covered(tables).items() if share]
    sentences = [f"Not every model has every prompt: {'; '.join(short)}. Differences count shared prompts only."] if short else []
    groups = tables["images"].groupby("run", sort=False)["status"]
    refused = [f"{run} refused {n:,} of {len(group):,} pictures" for run, group in groups if (n := int((group == "refused").sum()))]
    sentences += [f"{listed(refused)}; means are over the others."] if refused else []
    return [*sentences, *_people(tables)]


def _people(tables: Frames) -> list[str]:
    """Whose preferences they are, where the answer weighs votes that speak of no other people."""
    weighed = tables["pairwise"].loc[tables["pairwise"]["answer"].notna(), "metric"]
    if "votes" not in tables or votes.METRIC not in set(weighed):
        return []
    whom = votes.of_whom(tables["votes"][tables["votes"]["status"] == votes.COUNTED])
    return [f"{votes.METRIC}: {whom}"]


_Line = tuple[str, str, str]
"""A metric, a rival, and the verdict on the run whose line it is."""


def _against(pairs: pd.DataFrame, run: str) -> list[_Line]:
    """Every row that ``run`` is in."""
    lines = [(r["metric"], r["b"], r["verdict"]) for r in pairs[pairs["a"] == run].to_dict("records")]
    return lines + [(r["metric"], r["a"], TURNED.get(r["verdict"], r["verdict"])) for r in pairs[pairs["b"] == run].to_dict("records")]


def decide(pairs: pd.DataFrame, rivals: Sequence[str]) -> Decision:
    """Who leads in quality: a run that is shown worse than no rival on any metric.

    Args:
        pairs: the frame ``pairwise`` of the metrics that are weighed.
        rivals: the runs that compete, in order.
    """
    able = pairs[~pairs["verdict"].isin([UNLIKE, FEW])]
    if able.empty:
        few = pairs[pairs["verdict"] == FEW]
        return TooFew(int(few["n"].max()) if len(few) else None)
    metrics = tuple(dict.fromkeys(able["metric"]))
    lines = {run: _against(able, run) for run in rivals}
    apart = tuple(run for run in rivals if not lines[run])
    unbeaten = [run for run in rivals if lines[run] and not _lost(lines[run])]
    if not unbeaten:
        return Mixed({run: where for run in rivals if (where := _leads(able, run, rivals))}, apart)
    if len(unbeaten) > 1:
        return _tie(unbeaten, metrics, lines, apart)
    sure = able[~able["verdict"].isin([BETTER, WORSE]) | able["p_answer"].le(_ADVICE)]
    return _leader(unbeaten[0], metrics, lines, _leads(sure, unbeaten[0], rivals))


def _lost(lines: Sequence[_Line]) -> list[_Line]:
    """Where a run is shown worse."""
    return [line for line in lines if line[2] == WORSE]


def _tie(unbeaten: Sequence[str], metrics: tuple[str, ...], lines: Mapping[str, Sequence[_Line]], apart: Sequence[str]) -> Tie:
    """Of several runs that are shown worse than no rival."""
    behind = tuple(run for run in lines if _lost(lines[run]))
    lost = {metric for run in behind for metric, rival, _ in _lost(lines[run]) if rival in unbeaten}
    return Tie(tuple(unbeaten), metrics, behind, tuple(sorted(lost, key=metrics.index)), apart)


def _leader(first: str, metrics: tuple[str, ...], lines: Mapping[str, Sequence[_Line]], best_on: Sequence[str]) -> Leader:
    """Of the one run that is shown worse than no rival."""
    ahead: dict[tuple[str, ...], list[str]] = {}
    for rival in lines:
        if led := tuple(_ahead_on(lines[first], rival)):
            ahead.setdefault(led, []).append(rival)
    met = {rival for _, rival, _ in lines[first]}
    level = tuple(rival for rival in lines if rival in met and not _ahead_on(lines[first], rival))
    return Leader(first, metrics, ahead, tuple(best_on), level, tuple(rival for rival in lines if rival not in met | {first}))


def _quality(pairs: pd.DataFrame, others: pd.DataFrame, rivals: Sequence[str]) -> str:
    match decide(pairs, rivals):
        case TooFew() as few:
            return _few_words(few)
        case Tie() as tie:
            return _tie_words(tie)
        case Mixed() as mixed:
            return _mixed_words(mixed)
        case leader:
            behind = [metric for metric, _, verdict in _against(others, leader.run) if verdict == WORSE]
            return _leader_words(leader, _amounts(pairs, leader.run), list(dict.fromkeys(behind)))


def _few_words(few: TooFew) -> str:
    if few.prompts is None:
        return "No quality metric compares these models."
    return f"Too few prompts to compare quality: with {few.prompts} no test can show a difference between so many models and metrics."


def _tie_words(tie: Tie) -> str:
    apart = _apart_words(tie.apart, "not compared")
    if not tie.behind:
        return f"No difference in quality is shown between {listed(tie.runs)} on {listed(tie.metrics)}{apart}."
    gap = f"; {listed(tie.behind)} {_is(tie.behind)} shown worse on {listed(tie.behind_on)}" if tie.behind_on else ""
    return f"In quality no difference is shown between {listed(tie.runs)}{gap}{apart}."


def _mixed_words(mixed: Mixed) -> str:
    firsts = [f"{run} is ahead on {listed(metrics)}" for run, metrics in mixed.ahead.items()]
    ways = "; ".join(firsts) or "each is shown worse than another on some metric"
    return f"No model leads in quality throughout: {ways}{_apart_words(mixed.apart, 'not compared')}."


def _leader_words(leader: Leader, amounts: str, behind: Sequence[str]) -> str:
    """``behind``: metrics that are not weighed on which it is shown worse."""
    if not leader.ahead:
        return f"{leader.run} is shown worse than no rival on {listed(leader.metrics)}, and better than none."
    ways = [f"than {listed(rivals)} on {listed(metrics)}" for metrics, rivals in leader.ahead.items()]
    but = f"but shown worse on {listed(behind)}" if behind else "and shown worse on nothing"
    tail = f"; against {listed(leader.level)} no difference is shown" if leader.level else ""
    tail += _apart_words(leader.apart, "not compared with it")
    if not leader.best_on:
        unsure = "" if leader.level or leader.apart or len(leader.ahead) > 1 else ", but not so surely that it is the one to choose"
        return f"No model is shown to be the best: {leader.run} is better {listed(ways)}, {but}{tail}{unsure}."
    return f"For quality choose {leader.run}: {amounts}it is better {listed(ways)}, {but}{tail}."


def _apart_words(runs: Sequence[str], what: str) -> str:
    return f"; {listed(runs)} {_is(runs)} {what}" if runs else ""


def _is(runs: Sequence[str]) -> str:
    return "is" if len(runs) == 1 else "are"


def _ahead_on(lines: Sequence[_Line], rival: str) -> list[str]:
    return [metric for metric, against, v in lines if against == rival and v == BETTER]


def _leads(pairs: pd.DataFrame, run: str, rivals: Sequence[str]) -> list[str]:
    """Metrics on which ``run`` is shown better than every rival."""
    lines = _against(pairs, run)
    return [m for m in dict.fromkeys(pairs["metric"]) if sum(v == BETTER for metric, _, v in lines if metric == m) == len(rivals) - 1]


def _amounts(pairs: pd.DataFrame, first: str) -> str:
    """The first shown lead as numbers, "" where there is none."""
    rows = pairs[((pairs["a"] == first) & (pairs["verdict"] == BETTER)) | ((pairs["b"] == first) & (pairs["verdict"] == WORSE))]
    if rows.empty:
        return ""
    row = rows.iloc[0]
    ours, theirs = (row["mean_a"], row["mean_b"]) if row["a"] == first else (row["mean_b"], row["mean_a"])
    rival = row["b"] if row["a"] == first else row["a"]
    ends = sorted(abs(row[c]) for c in ("low", "high"))
    sure = row["low"] * row["high"] > 0  # the interval and the test can differ at the edge
    span = f", {wording.number(ends[0], row['unit'])} to {wording.number(ends[1], row['unit'])} apart" if sure else ""
    return f"with {row['metric']} {wording.number(ours, row['unit'])} against {rival}'s {wording.number(theirs, row['unit'])}{span}, "


def _carried(quality: pd.DataFrame) -> list[str]:
    """Shown differences of which a single prompt makes half or more."""
    rows = quality[quality["verdict"].isin([BETTER, WORSE]) & quality["carried_by"].notna()].to_dict("records")
    return [
        f"One prompt, {r['carried_by']}, makes half or more of the difference between {r['a']} and {r['b']} on {r['metric']}." for r in rows
    ]


def _elsewhere(quality: pd.DataFrame, others: pd.DataFrame, rivals: Sequence[str]) -> list[str]:
    """What is shown by metrics that the answer does not weigh, less the parts of a metric that shows the same."""
    same: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for run in rivals:
        ahead: dict[tuple[str, ...], list[str]] = {}
        for rival in rivals:
            weighed = _ahead_on(_against(quality, run), rival)
            where = [m for m in _ahead_on(_against(others, run), rival) if m.partition(".")[0] not in weighed]
            if where:
                ahead.setdefault(tuple(where), []).append(rival)
        for metrics, beaten in ahead.items():
            same.setdefault((metrics, tuple(beaten)), []).append(run)
    ways = [f"{listed(runs)} better than {listed(beaten)} on {listed(metrics)}" for (metrics, beaten), runs in same.items()]
    return [f"Shown by other metrics: {'; '.join(ways)}."] if ways else []


def _unsettled(pairs: pd.DataFrame) -> list[str]:
    """The open questions that prompts would settle soonest."""
    rows = pairs[pairs["verdict"].isin([LEVEL, FEW]) & pairs["more"].notna()]
    near = rows[rows["more"] <= _HOPELESS * rows["n"]].sort_values("more", kind="stable")
    alike: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
    for row in near.to_dict("records"):
        key = row["metric"], wording.rounded(row["more"]), wording.number(abs(row["difference"]), row["unit"])
        alike.setdefault(key, []).append((row["a"], row["b"]))
    points = [
        f"Not settled: {_met(matches)} on {metric}; about {more} more prompts would show it four times in five if the difference is the "
        f"{gap} seen here."
        for (metric, more, gap), matches in list(alike.items())[:_UNSETTLED]
    ]
    return [*points, _LOOKING_AGAIN] if points else []


def _met(matches: Sequence[tuple[str, str]]) -> str:
    """Pairs in words, together where one model is in all of them.

    >>> _met([("a", "c"), ("b", "c")])
    'c against a and b'
    """
    shared = set(matches[0]).intersection(*matches) if len(matches) > 1 else set()
    if not shared:
        return listed([f"{a} against {b}" for a, b in matches])
    (hub,) = shared
    return f"{hub} against {listed([a if b == hub else b for a, b in matches])}"
