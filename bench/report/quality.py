"""Who leads in quality: decided by the questions of the answer, then put into words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from bench import stats
from bench.analysis.pairwise import ALPHA, BETTER, FEW, LEVEL, TURNED, UNLIKE, WORSE
from bench.report import wording
from bench.report.wording import listed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    import pandas as pd

    from bench.analysis.columns import Cards

_ADVICE = 0.025
"""A model is advised where p after Holm is no larger."""
_UNSURE = "unsure"
"""Of a pair: a difference is shown in tables, but not by the stricter rule of the answer."""
LOOSER_RULE = "The table of pairs shows more differences by a looser rule: about one in twenty of them is chance."
Pair = tuple[str, str]


class Line(NamedTuple):
    """A row as one of its runs sees it: ``answer`` and ``verdict`` speak of that run against ``rival``."""

    metric: str
    rival: str
    answer: str
    verdict: str


@dataclass(frozen=True)
class TooFew:
    """No pair has the prompts that the answer's rule takes; ``prompts``: what a pair shares, None where nothing is comparable."""

    prompts: int | None
    models: int = 0
    metrics: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tie:
    """Several models, ``runs``, are shown worse than no rival.

    Attributes:
        runs: the models.
        level: pairs of them between which no difference is shown, in tables neither.
        metrics: those on which all pairs of ``level`` were compared.
        unsure: pairs of them that tables tell apart, and the answer does not.
        scarce: pairs of them with too few prompts.
        apart: pairs of them that were not compared.
        behind: models that are shown worse than another.
        behind_on: where they are shown worse than one of ``runs``.
        missing: models of which no pair says anything.
    """

    runs: tuple[str, ...]
    level: tuple[Pair, ...] = ()
    metrics: tuple[str, ...] = ()
    unsure: tuple[Pair, ...] = ()
    scarce: tuple[Pair, ...] = ()
    apart: tuple[Pair, ...] = ()
    behind: tuple[str, ...] = ()
    behind_on: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mixed:
    """Every model is shown worse than another; ``ahead``: those that lead some metrics against all rivals, and which."""

    ahead: Mapping[str, Sequence[str]]
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Leader:
    """One model alone is shown worse than no rival.

    Attributes:
        run: the model.
        ahead: metrics to the rivals it is shown better than on them.
        best_on: metrics on which it is shown better than every rival, and so surely that it can be advised: with p after
            Holm at most 0.025, so that a model is advised wrongly in at most 2.5 % of tables.
        behind: metrics on which a table shows it worse than a rival, weighed or not.
        advised: whether it is the one to choose: it is best on a metric, and no table shows it worse on one that is weighed.
        level, unsure, scarce, apart: rivals, as the pairs of a ``Tie``.
        level_on: metrics on which it was compared with all of ``level``.
    """

    run: str
    ahead: Mapping[tuple[str, ...], Sequence[str]]
    best_on: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()
    advised: bool = False
    level: tuple[str, ...] = ()
    level_on: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()
    scarce: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()


Decision = TooFew | Tie | Mixed | Leader


def quality_words(pairs: pd.DataFrame, rivals: Sequence[str], cards: Cards) -> str:
    """A sentence on who leads in quality, and one more where tables show differences that it does not count.

    Args:
        pairs: the frame ``pairwise``.
        rivals: the runs that compete, in order.
        cards: of the columns.
    """
    untimed = pairs[~pairs["metric"].isin(cards.timed(pairs["metric"]))]
    asked = untimed[untimed["answer"].notna()]
    match decide(untimed, rivals, cards.weighed(untimed["metric"])):
        case TooFew() as few:
            sentence = _few_words(few, fewest(pairs, cards))
        case Tie() as tie:
            sentence = _tie_words(tie)
        case Mixed() as mixed:
            sentence = _mixed_words(mixed)
        case leader:
            sentence = _leader_words(leader, _amounts(asked, leader.run))
    more = asked["verdict"].isin([BETTER, WORSE]) & ~asked["answer"].isin([BETTER, WORSE])
    return f"{sentence} {LOOSER_RULE}" if more.any() else sentence


def decide(pairs: pd.DataFrame, rivals: Sequence[str], weighed: Collection[str] = ()) -> Decision:
    """Who leads in quality: a run that is shown worse than no rival on any question of the answer.

    Args:
        pairs: the frame ``pairwise`` without timings.
        rivals: the runs that compete, in order.
        weighed: metrics of which a table's "worse" keeps a model from being advised.
    """
    asked = pairs[pairs["answer"].notna()]
    able = asked[~asked["answer"].isin([UNLIKE, FEW])]
    if able.empty:
        few = asked[asked["answer"] == FEW]
        return TooFew(int(few["n"].max()), len({*few["a"], *few["b"]}), _once(few["metric"])) if len(few) else TooFew(None)
    lines = {run: _against(asked, run) for run in rivals}
    met = {run for run in rivals if run in {*able["a"], *able["b"]}}
    missing = tuple(run for run in rivals if run not in met)
    unbeaten = [run for run in rivals if run in met and not any(line.answer == WORSE for line in lines[run])]
    if not unbeaten:
        return Mixed({run: where for run in rivals if (where := _leads(able, run, rivals))}, missing)
    if len(unbeaten) > 1:
        return _tie(unbeaten, lines, missing)
    (run,) = unbeaten
    sure = able[~able["answer"].isin([BETTER, WORSE]) | able["p_answer"].le(_ADVICE)]
    behind = _once([line.metric for line in _against(pairs, run) if line.verdict == WORSE])
    return _leader(run, lines, _leads(sure, run, rivals), behind, {*weighed, *asked["metric"]})


def _against(pairs: pd.DataFrame, run: str) -> list[Line]:
    """Every row that ``run`` is in."""
    lines = [Line(r["metric"], r["b"], r["answer"], r["verdict"]) for r in pairs[pairs["a"] == run].to_dict("records")]
    return lines + [
        Line(r["metric"], r["a"], TURNED.get(r["answer"], r["answer"]), TURNED.get(r["verdict"], r["verdict"]))
        for r in pairs[pairs["b"] == run].to_dict("records")
    ]


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _standing(lines: Sequence[Line], rival: str) -> str:
    """What may be said of a run and ``rival`` all in all: BETTER where a difference is said, else _UNSURE, LEVEL, FEW or UNLIKE."""
    answers = {line.answer for line in lines if line.rival == rival}
    if answers & {BETTER, WORSE}:
        return BETTER
    if {line.verdict for line in lines if line.rival == rival} & {BETTER, WORSE}:
        return _UNSURE
    return next((word for word in (LEVEL, FEW) if word in answers), UNLIKE)


def _level_on(lines: Mapping[str, Sequence[Line]], pairs: Sequence[Pair]) -> tuple[str, ...]:
    """Metrics on which all ``pairs`` were compared."""
    where = [{line.metric for line in lines[a] if line.rival == b and line.answer == LEVEL} for a, b in pairs]
    shared = set.intersection(*where) if where else set()
    return _once([line.metric for a, _ in pairs for line in lines[a] if line.metric in shared])


def _tie(unbeaten: Sequence[str], lines: Mapping[str, Sequence[Line]], missing: tuple[str, ...]) -> Tie:
    """Of several runs that are shown worse than no rival."""
    standing = {(a, b): _standing(lines[a], b) for a, b in combinations(unbeaten, 2)}
    level, unsure, scarce, apart = (tuple(pair for pair in standing if standing[pair] == word) for word in (LEVEL, _UNSURE, FEW, UNLIKE))
    lost = {run: [line for line in lines[run] if line.answer == WORSE] for run in lines}
    behind = tuple(run for run in lines if lost[run])
    behind_on = _once([line.metric for run in behind for line in lost[run] if line.rival in unbeaten])
    return Tie(tuple(unbeaten), level, _level_on(lines, level), unsure, scarce, apart, behind, behind_on, missing)


def _leader(
    first: str, lines: Mapping[str, Sequence[Line]], best_on: tuple[str, ...], behind: tuple[str, ...], weighed: Collection[str]
) -> Leader:
    """Of the one run that is shown worse than no rival."""
    ahead: dict[tuple[str, ...], list[str]] = {}
    standing: dict[str, list[str]] = {word: [] for word in (BETTER, _UNSURE, LEVEL, FEW, UNLIKE)}
    for rival in lines:
        if rival != first:
            standing[_standing(lines[first], rival)].append(rival)
            if led := tuple(line.metric for line in lines[first] if line.rival == rival and line.answer == BETTER):
                ahead.setdefault(led, []).append(rival)
    level, unsure, scarce, apart = (tuple(standing[word]) for word in (LEVEL, _UNSURE, FEW, UNLIKE))
    advised = bool(best_on) and not set(behind) & set(weighed)
    level_on = _level_on(lines, [(first, rival) for rival in level])
    return Leader(first, ahead, best_on, behind, advised, level, level_on, unsure, scarce, apart)


def _leads(pairs: pd.DataFrame, run: str, rivals: Sequence[str]) -> tuple[str, ...]:
    """Metrics on which ``run`` is shown better than every rival."""
    led = [line.metric for line in _against(pairs, run) if line.answer == BETTER]
    return tuple(metric for metric in _once(pairs["metric"]) if led.count(metric) == len(rivals) - 1)


def fewest(pairs: pd.DataFrame, cards: Cards) -> int:
    """The fewest prompts with which a difference on some question can be both of the answer and of the tables.

    Of so many all must speak for one model.

    Args:
        pairs: the frame ``pairwise``.
        cards: of the columns.
    """
    asked = pairs[pairs["answer"].notna() & pairs["p"].notna()]
    families = pairs["metric"].map(cards.family)
    needs = []
    for metric in _once(asked["metric"]):
        rivals = pairs[(families == cards.family(metric)) & pairs["p"].notna()]
        level = min(ALPHA / len(asked), ALPHA * min(1.0, (int(rivals["q"].le(ALPHA).sum()) + 1) / len(rivals)))
        needs.append(max(stats.MIN_PROMPTS, stats.fewest_differing(level)))
    return max(min(needs, default=stats.MIN_PROMPTS), int(asked["n"].max()) + 1 if len(asked) else 0)


def _few_words(few: TooFew, needed: int) -> str:
    if few.prompts is None:
        return "No quality metric compares these models."
    metrics = f"{len(few.metrics)} metrics ({listed(few.metrics)})" if len(few.metrics) > 1 else listed(few.metrics)
    return (
        f"Too few prompts to compare quality: {few.prompts} cannot show surely enough which of {few.models} models is better on {metrics}; "
        f"it takes at least {needed}, all in favour of one model."
    )


def _tie_words(tie: Tie) -> str:
    on = f" on {listed(tie.metrics)}" if tie.metrics else ""
    parts = [f"no difference is shown between {_sides(tie.level)}{on}"] if tie.level else []
    parts += [f"no difference between {_sides(tie.unsure)} is sure enough to choose by"] if tie.unsure else []
    parts += [f"{_sides(tie.scarce)} have too few prompts in common"] if tie.scarce else []
    parts += [f"{_sides(tie.apart)} are not compared with each other"] if tie.apart else []
    parts += [f"{listed(tie.behind)} {_is(tie.behind)} shown worse on {listed(tie.behind_on)}"] if tie.behind_on else []
    return f"In quality {'; '.join(parts)}{_missing_words(tie.missing)}."


def _sides(pairs: Sequence[Pair]) -> str:
    """The models of the pairs in words; each with each where that is what they are.

    >>> _sides([("a", "b"), ("a", "c"), ("b", "c")]), _sides([("a", "c"), ("b", "c")]), _sides([("a", "b"), ("c", "d")])
    ('a, b and c', 'c and any of a and b', 'a and b or c and d')
    """
    names = _once([run for pair in pairs for run in pair])
    if len(pairs) == math.comb(len(names), 2):
        return listed(names)
    shared = set(pairs[0]).intersection(*pairs)
    if shared:
        (hub,) = shared
        return f"{hub} and any of {listed([name for name in names if name != hub])}"
    return " or ".join(f"{a} and {b}" for a, b in pairs)


def _mixed_words(mixed: Mixed) -> str:
    firsts = [f"{run} is ahead on {listed(metrics)}" for run, metrics in mixed.ahead.items()]
    ways = "; ".join(firsts) or "each that was compared is shown worse than another on some metric"
    return f"No model leads in quality throughout: {ways}{_missing_words(mixed.missing)}."


def _leader_words(leader: Leader, amounts: str) -> str:
    on = f" on {listed(leader.level_on)}" if leader.level_on else ""
    tail = f"; against {listed(leader.level)} no difference is shown{on}" if leader.level else ""
    tail += f"; against {listed(leader.unsure)} none is sure enough to choose by" if leader.unsure else ""
    tail += f"; with {listed(leader.scarce)} it has too few prompts in common" if leader.scarce else ""
    tail += f"; {listed(leader.apart)} {_is(leader.apart)} not compared with it" if leader.apart else ""
    but = f"but shown worse on {listed(leader.behind)}" if leader.behind else "and shown worse on nothing"
    if not leader.ahead:
        return f"No model is shown to be the best: all that were compared but {leader.run} are shown worse than another{tail}."
    ways = [f"than {listed(rivals)} on {listed(metrics)}" for metrics, rivals in leader.ahead.items()]
    if leader.advised:
        return f"For quality choose {leader.run}: {amounts}it is better {listed(ways)}, {but}{tail}."
    clear = leader.behind or tail or not set.intersection(*map(set, leader.ahead))
    unsure = "" if clear else ", but not so surely that it is the one to choose"
    return f"No model is shown to be the best: {leader.run} is better {listed(ways)}, {but}{tail}{unsure}."


def _missing_words(runs: Sequence[str]) -> str:
    return f"; {listed(runs)} {_is(runs)} not compared, or on too few prompts" if runs else ""


def _is(runs: Sequence[str]) -> str:
    return "is" if len(runs) == 1 else "are"


def _amounts(able: pd.DataFrame, first: str) -> str:
    """The first lead that is said as numbers, "" where there is none."""
    rows = able[((able["a"] == first) & (able["answer"] == BETTER)) | ((able["b"] == first) & (able["answer"] == WORSE))]
    if rows.empty:
        return ""
    row = rows.iloc[0]
    ours, theirs = (row["mean_a"], row["mean_b"]) if row["a"] == first else (row["mean_b"], row["mean_a"])
    rival = row["b"] if row["a"] == first else row["a"]
    ends = sorted(abs(row[c]) for c in ("low", "high"))
    sure = row["low"] * row["high"] > 0  # the interval and the test can differ at the edge
    span = f", {wording.number(ends[0], row['unit'])} to {wording.number(ends[1], row['unit'])} apart" if sure else ""
    return f"with {row['metric']} {wording.number(ours, row['unit'])} against {rival}'s {wording.number(theirs, row['unit'])}{span}, "
