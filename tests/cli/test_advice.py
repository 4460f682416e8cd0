"""Every command that a message advises can be typed: the words are read as the command line reads them, and nothing runs."""

from __future__ import annotations

import re
import shlex
import shutil
from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING

import pytest
from support.command import bench as bench_command
from support.runs import render_oracle
from support.understand import wrong

import bench
from bench.cli.app import COMMANDS
from bench.config import presets
from bench.errors import BenchError
from bench.store import Store

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bench.store import Run

    Here = Callable[[Sequence[str]], subprocess.CompletedProcess[str]]


def advised(message: str) -> list[list[str]]:
    """The words after each ``python -m bench`` of a message, up to the end of the sentence or clause."""
    texts = re.findall(r"python -m bench (.+?)(?=[.;,)]+(?:\s|$)|\n|$)", message)
    return [["tiny" if word == "SET" else word for word in shlex.split(text)] for text in texts]


def check(message: str, *commands: str, folder: Path | None = None) -> None:
    """The message advises these commands and no others, each is understood, and the runs it names are found from ``folder``."""
    words = advised(message)
    assert [each[0] for each in words] == list(commands), message
    assert "…" not in str(words)
    assert [wrong(each) for each in words] == [""] * len(words)
    if folder:
        assert all(runs_found(each, folder) for each in words), message


def runs_found(words: Sequence[str], folder: Path) -> bool:
    """Whether a command that takes runs names some, and a ``bench`` started in ``folder`` finds each."""
    command, *rest = takewhile(lambda word: not word.startswith("--"), words)
    runs = [word for word in rest if "=" not in word]
    return command not in {"score", "compare", "rm"} or (bool(runs) and all((folder / run / "run.json").is_file() for run in runs))


@pytest.fixture(params=["results", "my results"])
def results(request: pytest.FixtureRequest) -> str:
    """The folder of the runs, below the one that the command line is started in."""
    return str(request.param)


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with two scored runs."""
    folder = tmp_path_factory.mktemp("scored")
    for label in ("one", "two"):
        render_oracle(folder / "results", limit=2, label=label, seeds=(0,))
    assert bench_command(["score", "one", "two", "metric=[scene,latency]"], folder).returncode == 0
    return folder / "results"


@pytest.fixture
def pair(scored: Path, tmp_path: Path, results: str) -> tuple[Run, Run]:
    """Two scored runs in ``results``."""
    first, second = Store(shutil.copytree(scored, tmp_path / results)).find_all(["one", "two"])
    return first, second


def change_fingerprints(run: Run, *metrics: str) -> None:
    """As if another version had scored these columns."""
    rows = [row for row in run.scores() if row.metric.partition(".")[0] in metrics]
    assert rows
    run.save_scores([replace(row, fingerprint=row.fingerprint.replace('"version":', '"version":9')) for row in rows])


def test_advice_is_read_from_messages() -> None:
    message = (
        "no. Do: python -m bench score a b metric=[x,y]; or leave out with: python -m bench compare 'my results/a' b --without x, and "
        "(see: python -m bench list runs)"
    )
    assert [words[:2] for words in advised(message)] == [["score", "a"], ["compare", "my results/a"], ["list", "runs"]]
    assert wrong(["score", "a", "metric=[images_per_s]"])
    assert wrong(["compare", "a", "--withuot", "x"])
    assert wrong(["rnu"])


@pytest.mark.parametrize(
    ("words", "commands"),
    [
        ("run limit", ["run"]),
        ("run model=tiny-dev,tiny-pro", ["run"]),
        ("run model.steps=2,4", ["run"]),
        ("score", ["list"]),
        ("score nothing", ["run"]),
        ("compare nothing", ["run"]),
        ("gate nothing nobody --max-drop scene=1", ["run"]),
        ("vote nothing nobody", ["run"]),
        ("report nothing", ["run"]),
        ("rm nothing", ["run"]),
    ],
)
def test_advice_without_a_run(words: str, commands: list[str], here: Here) -> None:
    done = here(words.split())
    assert done.returncode == 2
    check(done.stderr, *commands)


def test_help_advises_what_can_be_typed(here: Here) -> None:
    for command in COMMANDS:
        text = here([command, "--help"]).stdout.replace("usage: python -m bench", "")
        for words in advised(text):
            assert not wrong(words), words


def test_advice_about_an_empty_results_folder(results: str, here: Here) -> None:
    message = here(["report", "nothing", "--results", results]).stderr
    check(message, "run")
    assert advised(message) == [["run"] if results == "results" else ["run", f"results={results}"]]


def test_advice_about_a_damaged_run(pair: tuple[Run, Run], results: str, tmp_path: Path, here: Here) -> None:
    run = pair[0]
    (run.path / "scores.parquet").write_bytes(b"PAR1")
    check(here(["compare", "one", "two", "--results", results]).stderr, "score", folder=tmp_path)
    (run.path / "run.json").write_text("{")
    check(here(["report", run.name, "--results", results]).stderr, "rm", folder=tmp_path)


@pytest.mark.slow
def test_advice_about_unlike_scores(pair: tuple[Run, Run], results: str, tmp_path: Path, here: Here) -> None:
    change_fingerprints(pair[0], "scene")
    message = here(["compare", "one", "two", "--results", results]).stderr
    check(message, "score", "compare", folder=tmp_path)
    check(here(["gate", "one", "two", "--max-drop", "scene=0.1", "--results", results]).stderr, "score", folder=tmp_path)
    assert [here(words).returncode for words in advised(message)] == [0, 0]


def test_advice_about_a_missing_score(tmp_path: Path, here: Here) -> None:
    plain = render_oracle(tmp_path / "results", limit=1, label="plain", seeds=(0,))
    plain.update_info(config={"metric": {}})
    check(here(["score", "plain"]).stderr, "list")


@pytest.mark.parametrize("results", ["results"], indirect=True)
def test_advice_about_an_empty_run(pair: tuple[Run, Run], here: Here) -> None:
    Store(pair[0].path.parent).run("empty", create=True).update_info(label="empty")
    check(here(["vote", "one", "empty"]).stderr, "run")


@pytest.mark.slow
def test_advice_names_the_metric_of_a_column(pair: tuple[Run, Run], results: str, tmp_path: Path, here: Here) -> None:
    here(["score", "one", "metric=[refusals]", f"results={results}"])
    where = ["--results", results]
    check(here(["gate", "one", "two", "--max-drop", "refused=1", *where]).stdout, "score", folder=tmp_path)
    change_fingerprints(pair[0], "latency", "images_per_s", "load_s")
    check(here(["compare", "one", "two", *where]).stderr, "score", "compare", folder=tmp_path)
    check(here(["gate", "one", "two", "--max-slowdown", "p50=10%", *where]).stderr, "score", folder=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["vqa", "clip"])
@pytest.mark.parametrize("results", ["results"], indirect=True)
def test_advice_about_a_missing_key_or_weights(metric: str, pair: tuple[Run, Run], here: Here) -> None:
    done = here(["score", pair[0].name, f"metric=[{metric}]"])
    assert done.returncode == 1
    check(next(line for line in done.stderr.splitlines() if line.startswith("unscored")), "score")


def test_advice_about_a_model_that_was_shut_down() -> None:
    with pytest.raises(BenchError) as raised:
        presets.provider("dalle3").check()
    check(str(raised.value), "import")


@pytest.mark.slow
def test_advice_in_python(pair: tuple[Run, Run], results: str, tmp_path: Path, here: Here) -> None:
    here(["score", "one", "metric=[refusals]", f"results={results}"])
    with pytest.raises(BenchError) as raised:
        bench.compare(["one", "two"], pair[0].path.parent).disagreements("refused")
    check(str(raised.value), "score", folder=tmp_path)
