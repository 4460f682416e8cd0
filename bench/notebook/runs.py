"""Runs and comparisons for Python and notebooks: the frames of the report, and the pictures beside them.

``bench.load``, ``bench.compare`` and ``bench.runs`` are the way in. Nothing here writes, but ``Comparison.report``.
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from bench.analysis.advice import score_command
from bench.analysis.frames import Frames, frames
from bench.errors import ConfigError, unknown
from bench.images import decoding
from bench.notebook import display
from bench.notebook.display import PictureCell, Row, Shown
from bench.report import wording
from bench.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from bench.report.answer import Answer
    from bench.store import Run as Stored
    from bench.store import Vote

_STRIP = 8


class Run:
    """One run: its pictures, its scores, and both at once.

    ``images`` and ``scores`` are frames as ``bench.analysis.frames`` documents them (``docs/frames.md``).

    Attributes:
        name: of its folder.
        label: what reports call it.
        path: its folder.
        info: run.json: configuration, environments, revision of the model.
    """

    def __init__(self, stored: Stored) -> None:
        self.stored = stored
        self.name = stored.name
        self.path = stored.path
        self.info = stored.info()
        self.label = str(self.info.get("label") or stored.name)

    @cached_property
    def _tables(self) -> Frames:
        return frames([self.stored])

    @property
    def images(self) -> pd.DataFrame:
        """A row a picture: prompt, seed, status, timings, cost, path."""
        return self._tables["images"]

    @property
    def scores(self) -> pd.DataFrame:
        """A row a score, long form; scores of the whole run have no ``request_id``."""
        return self._tables["scores"]

    def summary(self) -> pd.DataFrame:
        """A row a metric: mean with its 95 % interval, n, coverage."""
        return self._tables["summary"]

    def image(self, prompt_id: str, seed: int | None = None) -> Image.Image:
        """The picture of a prompt as a Pillow image, RGB, as metrics see it.

        Args:
            prompt_id: of the prompt.
            seed: None is the first there is.

        Raises:
            ConfigError: no such prompt or seed, or the picture was not made; the message says why.
        """
        rows = self._of(prompt_id)
        chosen = rows if seed is None else rows[rows["seed"] == seed]
        if chosen.empty:
            raise unknown(f"seed of {prompt_id}", str(seed), [str(value) for value in rows["seed"]])
        with_picture = chosen[chosen["status"] == "ok"]
        if with_picture.empty:
            words, _kind = wording.status(str(chosen["status"].iloc[0]))
            why = wording.text(chosen["error"].iloc[0])
            raise ConfigError(f"{prompt_id} has no picture: {words}{f' ({why})' if why else ''}")
        return decoding.seen((self.path / str(with_picture["image"].iloc[0])).read_bytes())

    def show(self, prompt_id: str) -> Shown:
        """The pictures of a prompt with their scores and what was read in them.

        Raises:
            ConfigError: no such prompt.
        """
        rows = self._of(prompt_id)
        return Shown([Row(_heading(rows.iloc[0]), [self._cell(row, _seed(row)) for _, row in rows.iterrows()])], self._scored(rows))

    def failures(self, metric: str, n: int = 5) -> Shown:
        """The ``n`` pictures with the worst scores of ``metric``, the worst first.

        Raises:
            ConfigError: no picture has such a score, or neither end of it is better.
        """
        scores_of_pictures = _of_pictures(self.scores, metric)
        order = scores_of_pictures.sort_values("value", ascending=_higher(scores_of_pictures, metric), kind="stable").head(n)
        keys = ["prompt_id", "request_id"]
        rows = order[[*keys, "value"]].merge(self.images, on=keys).rename(columns={"value": metric})
        shown = [Row(_heading(row), [self._cell(row, _seed(row))]) for _, row in rows.iterrows()]
        return Shown(shown, rows[["prompt_id", "category", "seed", metric, "prompt"]])

    def _of(self, prompt_id: str) -> pd.DataFrame:
        rows = self.images[self.images["prompt_id"] == prompt_id]
        if rows.empty:
            raise _no_prompt(prompt_id, self.images)
        return rows

    def _cell(self, row: pd.Series[Any], head: str) -> PictureCell:
        scores_of_picture = self.scores[(self.scores["prompt_id"] == row["prompt_id"]) & (self.scores["request_id"] == row["request_id"])]
        if row["status"] != "ok":
            return PictureCell(head, None, "", [wording.status(row["status"])[0], wording.text(row["error"])])
        return PictureCell(head, self.path / row["image"], row["prompt"], display.scores_below(scores_of_picture, self._tables.cards))

    def _scored(self, rows: pd.DataFrame) -> pd.DataFrame:
        """A row a picture, its scores as columns."""
        scores_of_prompt = self.scores[
            self.scores["request_id"].isin(rows["request_id"]) & (self.scores["prompt_id"] == rows["prompt_id"].iloc[0])
        ]
        wide = scores_of_prompt.pivot_table(index="request_id", columns="metric", values="value", sort=False).reset_index()
        return rows[["prompt_id", "seed", "status", "request_id"]].merge(wide, on="request_id", how="left").drop(columns="request_id")

    def __repr__(self) -> str:
        return f"Run({self.name!r}, {len(self.images)} pictures)"

    def _repr_html_(self) -> str:
        images = self.images
        counts = ", ".join(f"{n} {words}" for n, words, _ in wording.counted(images["status"]))
        categories = ", ".join(f"{name} {n}" for name, n in images.groupby("category")["prompt_id"].nunique().items())
        prompts = images["prompt_id"].nunique()
        about = [f"model {self.info.get('model', 'unknown')}", self.info.get("description") or "", f"{prompts} prompts",
                 f"pictures: {counts}", f"categories: {categories}"]  # fmt: skip
        made = images[images["status"] == "ok"].drop_duplicates("prompt_id")
        some = made.iloc[:: max(1, -(-len(made) // _STRIP))]
        pictures = [(self.path / row["image"], row["prompt"]) for _, row in some.iterrows()]
        lines = "".join(f"<div>{escape(text)}</div>" for text in about if text)
        label = str(images["run"].iloc[0]) if len(images) else self.label
        return f"<strong>{escape(self.name)}</strong>{lines}{display.strip(pictures)}{display.summary(self._tables, [label])}"


class Comparison:
    """Several runs side by side: the frames of the report, the answer in words, and the pictures.

    Attributes:
        runs: those compared, in order.
        labels: what the frames call them, in the same order.
        frames: every frame by name (``docs/frames.md``); those most asked for are attributes too.
    """

    def __init__(self, runs: Sequence[Run], *, without: Sequence[str] = (), votes: Sequence[Vote] = ()) -> None:
        self.runs = tuple(runs)
        self._without, self._votes = tuple(without), tuple(votes)
        self.frames = frames([run.stored for run in self.runs], without=without, votes=votes)
        self.labels = tuple(str(label) for label in dict.fromkeys(self.images["run"]))
        if len(self.labels) < len(self.runs):
            raise ConfigError("every run of a comparison needs pictures and a name of its own; rename one with label= when it is made")

    @property
    def images(self) -> pd.DataFrame:
        """A row a picture, of all runs."""
        return self.frames["images"]

    @property
    def scores(self) -> pd.DataFrame:
        """A row a score, of all runs."""
        return self.frames["scores"]

    @property
    def summary(self) -> pd.DataFrame:
        """A row a run and metric: mean with its interval, and whether it is shown to be best."""
        return self.frames["summary"]

    @property
    def pairwise(self) -> pd.DataFrame:
        """A row a pair and metric: difference with its interval, effect, p, q, verdict."""
        return self.frames["pairwise"]

    @property
    def ranking(self) -> pd.DataFrame:
        """A row a metric and run: Bradley-Terry strength, rank and its range."""
        return self.frames["ranking"]

    @property
    def latency(self) -> pd.DataFrame:
        """A row a run: seconds a picture."""
        return self.frames["latency"]

    @property
    def cost(self) -> pd.DataFrame:
        """A row a run: US dollars."""
        return self.frames["cost"]

    @cached_property
    def verdict(self) -> Answer:
        """The answer in words (``answer``) and what else to know (``points``)."""
        from bench.report.answer import verdict  # noqa: PLC0415 - beside its use

        return verdict(self.frames)

    def by_prompt(self, metric: str) -> pd.DataFrame:
        """Means over seeds of ``metric``: a row a prompt with its category and text, a column a run; NaN where a run has none.

        Raises:
            ConfigError: no picture has such a score.
        """
        wide = _of_pictures(self.scores, metric).pivot_table(index="prompt_id", columns="run", values="value", sort=False)
        wide = wide.reindex(columns=[label for label in self.labels if label in wide])
        return self.images.drop_duplicates("prompt_id").set_index("prompt_id")[["category", "prompt"]].join(wide, how="inner")

    def show(self, prompt_id: str) -> Shown:
        """The pictures of a prompt, all runs side by side, a line a seed.

        Raises:
            ConfigError: no run has the prompt.
        """
        rows = self.images[self.images["prompt_id"] == prompt_id]
        if rows.empty:
            raise _no_prompt(prompt_id, self.images)
        lines = [Row(_seed(group.iloc[0]), self._side_by_side(group)) for _, group in rows.groupby("seed", dropna=False, sort=True)]
        return Shown([Row(_heading(rows.iloc[0]), []), *lines], rows[["run", "prompt_id", "seed", "status", "latency_s"]])

    def disagreements(self, metric: str, a: str | None = None, b: str | None = None, n: int = 5) -> Shown:
        """The ``n`` prompts on which two runs differ most in ``metric``, the first seed of each.

        Args:
            metric: of pictures.
            a: label of a run; the first one by default.
            b: of the other; the second one by default.
            n: how many.

        Raises:
            ConfigError: an unknown metric or label, or one run only.
        """
        a, b = self._label(a, 0), self._label(b, 1)
        wide = self.by_prompt(metric)
        for label, run in zip(self.labels, self.runs, strict=True):
            if label in {a, b} and label not in wide:
                again = score_command([metric], self.frames.cards, [str(run.path)])
                raise ConfigError(f"{label} has no score of {metric}; score it with: {again}")
        gap = (wide[a] - wide[b]).dropna()
        worst = gap[gap != 0].abs().sort_values(ascending=False, kind="stable").head(n).index
        table = wide.loc[worst, ["category", a, b, "prompt"]].reset_index()
        table.insert(4, "difference", gap[worst].to_numpy())
        rows = []
        for line in table.to_dict("records"):
            pictures = self.images[(self.images["prompt_id"] == line["prompt_id"]) & self.images["run"].isin([a, b])]
            text = f"{line['prompt_id']}: {line['prompt']} ({metric}: {a} {line[a]:.3g}, {b} {line[b]:.3g})"
            rows.append(Row(text, self._side_by_side(pictures.drop_duplicates("run"))))
        return Shown(rows, table)

    def report(self, folder: str | Path) -> Path:
        """Write the HTML report with its tables into ``folder``; returns the page."""
        from bench import report  # noqa: PLC0415 - slow import

        return report.write_comparison([run.stored for run in self.runs], Path(folder), without=self._without, votes=self._votes)

    def _label(self, given: str | None, place: int) -> str:
        if given is not None and given not in self.labels:
            raise unknown("run", given, self.labels)
        if place >= len(self.labels):
            raise ConfigError("two runs can disagree, one cannot; compare at least two")
        return given or self.labels[place]

    def _side_by_side(self, rows: pd.DataFrame) -> list[PictureCell]:
        by_label = dict(zip(self.labels, self.runs, strict=True))
        rows_by_label = {str(row["run"]): row for _, row in rows.iterrows()}
        return [run._cell(rows_by_label[label], label) for label, run in by_label.items() if label in rows_by_label]  # noqa: SLF001 - of this module

    def __repr__(self) -> str:
        return f"Comparison({', '.join(self.labels)})"

    def _repr_html_(self) -> str:
        return f"<p>{escape(self.verdict.alone)}</p>{display.summary(self.frames, self.labels)}"


def load(run: str | Path, results: str | Path = "results") -> Run:
    """See ``bench.load``."""
    return Run(Store(Path(results)).find(str(run)))


def compare(runs: Sequence[str | Path | Run], results: str | Path = "results", *, without: Sequence[str] = ()) -> Comparison:
    """See ``bench.compare``."""
    if isinstance(runs, str):
        raise ConfigError(f"bench.compare takes a list of runs: bench.compare([{runs!r}, …])")
    chosen = [run if isinstance(run, Run) else load(run, results) for run in runs]
    if not chosen:
        raise ConfigError("compare which runs? bench.runs() lists them")
    return Comparison(chosen, without=without, votes=Store(Path(results)).votes())


def names(results: str | Path = "results") -> list[str]:
    """See ``bench.runs``."""
    return Store(Path(results)).runs()


def _of_pictures(scores: pd.DataFrame, metric: str) -> pd.DataFrame:
    of_pictures = scores[scores["request_id"].notna()]
    ok = of_pictures[(of_pictures["metric"] == metric) & (of_pictures["status"] == "ok")]
    if ok.empty:
        metrics = sorted(set(of_pictures.loc[of_pictures["status"] == "ok", "metric"]))
        raise unknown("metric of pictures", metric, metrics)
    return ok


def _higher(scores: pd.DataFrame, metric: str) -> bool:
    better = scores["higher_is_better"].iloc[0]
    if pd.isna(better):
        raise ConfigError(f"neither end of {metric} is better, so nothing is worst")
    return bool(better)


def _no_prompt(prompt_id: str, images: pd.DataFrame) -> ConfigError:
    """The error for a prompt that is not there: the nearest, of perhaps thousands."""
    names = list(dict.fromkeys(images["prompt_id"]))
    near = get_close_matches(prompt_id, names, n=5, cutoff=0.5) or names[:5]
    return ConfigError(f"unknown prompt {prompt_id!r}; there are {len(names)}, such as {', '.join(near)}")


def _heading(row: pd.Series[Any]) -> str:
    return f"{row['prompt_id']}: {row['prompt']}"


def _seed(row: pd.Series[Any]) -> str:
    return "no seed" if pd.isna(row["seed"]) else f"seed {int(row['seed'])}"
