"""The answer in words: which model leads in quality, in speed and in price, by how much, and what is not settled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bench.analysis import votes
from bench.analysis.pairwise import BETTER, FEW, LEVEL, TURNED, WORSE
from bench.report import wording
from bench.report.effort import price_words, speed_words
from bench.report.quality import quality_words
from bench.report.wording import listed

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    import pandas as pd

    from bench.analysis.frames import Frames

_UNSETTLED = 3
_FOUR_IN_FIVE = (
    "So many more prompts would show a difference in four of five such comparisons, if it is as large as the one seen here; whether one "
    "so small matters is for you to say."
)
_LOOKING_AGAIN = (
    "Choose the number of prompts before looking: whoever renders more until a difference shows finds one that is not there about twice "
    "as often as this report allows for."
)
_HOPELESS = 20
"""More prompts than so many times those there are will not be gathered."""


class Answer(NamedTuple):
    """``answer``: a paragraph of two to five sentences; ``points``: what else a reader must know, a sentence each."""

    answer: str
    points: tuple[str, ...]

    @property
    def alone(self) -> str:
        """The paragraph where no points stand beside it: with whose votes they are, where it weighs any."""
        return " ".join([self.answer, *(point for point in self.points if point.startswith(f"{votes.METRIC}: "))])


def verdict(tables: Frames) -> Answer:
    """Say what the frames show, and only that.

    Quality goes by the questions of the answer (``pairwise``: ``answer``), of which one word or more is chance in at most
    5 % of tables: a model is advised where it is shown better than every rival on one of them, and by no table worse than
    one on a metric that is weighed.
    """
    summary, pairs = tables["summary"], tables["pairwise"]
    rivals = [run for run in dict.fromkeys(tables["images"]["run"]) if run not in set(summary.loc[summary["ceiling"].astype(bool), "run"])]
    scope = _scope(tables)
    if len(rivals) < 2:
        return Answer(scope, tuple(_caveats(tables)))
    timed = pairs["metric"].isin(tables.cards.timed(pairs["metric"]))
    quality, others = pairs[pairs["answer"].notna()], pairs[pairs["answer"].isna() & ~timed]
    sentences = [quality_words(pairs, rivals, tables.cards), speed_words(pairs, rivals), price_words(tables, rivals)]
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


def _ahead_on(lines: Sequence[_Line], rival: str) -> list[str]:
    return [metric for metric, against, v in lines if against == rival and v == BETTER]


def _carried(quality: pd.DataFrame) -> list[str]:
    """Shown differences of which a single prompt makes half or more."""
    rows = quality[quality["answer"].isin([BETTER, WORSE]) & quality["carried_by"].notna()].to_dict("records")
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


def _unsettled(quality: pd.DataFrame) -> list[str]:
    """The open questions that prompts would settle soonest, those of one metric together."""
    rows = quality[quality["answer"].isin([LEVEL, FEW]) & quality["more"].notna()]
    near = rows[rows["more"] <= _HOPELESS * rows["n"]].sort_values("more", kind="stable")
    points = []
    for metric in list(dict.fromkeys(near["metric"]))[:_UNSETTLED]:
        pairs = near[near["metric"] == metric].to_dict("records")
        rest = f"; so are {len(pairs) - _UNSETTLED} pairs more" if len(pairs) > _UNSETTLED else ""
        points.append(f"Not settled on {metric}: {'; '.join(_open_words(row) for row in pairs[:_UNSETTLED])}{rest}.")
    return [*points, _FOUR_IN_FIVE, _LOOKING_AGAIN] if points else []


def _open_words(row: Mapping[Hashable, Any]) -> str:
    """A pair, how large the difference is beside the scores, and about how many prompts would show it."""
    ours, theirs, gap = (wording.number(value, row["unit"]) for value in (row["mean_a"], row["mean_b"], abs(row["difference"])))
    return f"{row['a']} against {row['b']}, {ours} against {theirs} ({gap} apart), about {wording.rounded(row['more'])} more prompts"
