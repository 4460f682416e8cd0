"""The command line as a user meets it; a few checks start a process of their own."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
import weakref
from typing import TYPE_CHECKING

import pytest
from support.command import bench, bench_process
from support.machines import nvidia_smi
from support.paths import ROOT

from bench.analysis import slowdown
from bench.analysis.frames import frames
from bench.cli.app import COMMANDS
from bench.store import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bench.core.progress import Progress
    from bench.engine.plan import Plan
    from bench.engine.render import Counts

    Here = Callable[[Sequence[str]], subprocess.CompletedProcess[str]]


def test_help_lists_every_command_and_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from bench.cli.app import main; rc = main(['--help']); "
        "heavy = {'torch', 'pandas', 'hydra', 'numpy', 'PIL', 'rich', 'omegaconf'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else rc)"
    )
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    assert all(f"  {name}" in shown.stdout for name in COMMANDS)
    assert bench_process(["--help"], tmp_path).stdout == shown.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, here: Here) -> None:
    shown = here([command, "--help"])
    assert shown.returncode == 0
    assert f"usage: python -m bench {command}" in shown.stdout


def test_a_mistake_ends_a_process_without_a_traceback(tmp_path: Path) -> None:
    done = bench(["run", "model=flux-dve"], tmp_path)
    assert done.returncode == 2
    assert "did you mean 'flux-dev'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rnu"], "unknown command 'rnu'; did you mean 'run'?"),
        (["run", "model=flux-dve"], "unknown model 'flux-dve'; did you mean 'flux-dev'"),
        (["run", "metric=[oct]"], "unknown metric 'oct'; did you mean 'ocr'?"),
        (["run", "prompts=tinny"], "unknown prompt set 'tinny'; did you mean 'tiny'?"),
        (["run", "prompt=tiny"], "unknown option 'prompt'; did you mean 'prompts'?"),
        (["run", "model.stesp=3"], "did you mean 'model.steps'"),
        (["run", "model.steps=0"], "model.steps=0 must be a whole number"),
        (["run", "model.size=1000x7"], "model.size='1000x7' must be"),
        (["run", "seeds=[]"], "seeds=[] must be a list"),
        (["run", "seeds=[0,0]"], "distinct whole numbers"),
        (["run", "limit=0"], "limit=0 must be"),
        (["run", "categories=[txet]"], "unknown category 'txet'"),
        (["run", "dry_run=perhaps"], "must be true or false"),
        (["run", "limit"], "no OPTION=VALUE"),
        (["run", "-m", "model=tiny-oracle,flux-dev"], "choose one with prompts="),
        (["run", "model=flux-dev"], "hf download black-forest-labs/FLUX.1-dev"),
        (["run", "model=gpt-image", "prompts=core"], "export OPENAI_API_KEY"),
        (["score", "nothing"], "unknown run 'nothing'"),
        (["compare", "nothing"], "unknown run 'nothing'"),
        (["rm", "nothing"], "unknown run 'nothing'"),
        (["import", "nowhere", "--name", "mj", "--prompts", "tiny"], "neither a folder of pictures"),
    ],
)
def test_what_cannot_be_done_is_one_message_and_exit_code_2(arguments: list[str], message: str, tmp_path: Path, here: Here) -> None:
    done = here(arguments)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert done.stderr.count("error:") == 1
    assert not list(tmp_path.rglob("*.jsonl"))


@pytest.mark.slow
def test_a_run_leaves_nothing_in_the_working_folder_but_results(tmp_path: Path) -> None:
    first = bench(["run", "model=tiny-oracle", "limit=2", "metric=[latency]"], tmp_path)
    assert first.returncode == 0, first.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["results"]
    (run,) = (tmp_path / "results").iterdir()
    assert "4 rendered, 0 kept" in first.stderr
    pictures = {p: p.stat().st_mtime_ns for p in run.glob("images/*")}
    again = bench(["run", "model=tiny-oracle", "limit=2", "metric=[latency]"], tmp_path)
    assert "0 rendered, 4 kept" in again.stderr
    assert {p: p.stat().st_mtime_ns for p in run.glob("images/*")} == pictures
    more = bench(["run", "model=tiny-oracle", "limit=3", "metric=[latency]", "seeds=[0,1,2]"], tmp_path)
    assert "5 rendered, 4 kept" in more.stderr
    assert bench(["report", run.name], tmp_path).returncode == 0
    assert run.name in bench(["list", "runs"], tmp_path).stdout
    assert bench(["rm", run.name], tmp_path).returncode == 2
    assert bench(["rm", run.name, "--yes"], tmp_path).returncode == 0
    assert not run.exists()


def test_a_sweep_ends_with_one_comparison(tmp_path: Path) -> None:
    done = bench(["run", "-m", "model=tiny-oracle", "label=one,two", "limit=2", "metric=[latency]", "seeds=[0]"], tmp_path)
    assert done.returncode == 0, done.stderr
    pages = list((tmp_path / "results" / "comparisons").glob("*/index.html"))
    assert len(pages) == 1
    assert done.stderr.count("comparison:") == 1
    assert [p.name.split(".")[0] for p in sorted((tmp_path / "results").glob("*/run.json"), key=str) for p in [p.parent]] == ["one", "two"]
    assert [p.name for p in tmp_path.iterdir()] == ["results"]


@pytest.mark.slow
def test_a_sweep_in_rounds_renders_the_models_in_turns_and_compares_once(tmp_path: Path) -> None:
    words = ["run", "-m", "model=tiny-oracle", "label=one,two", "limit=5", "metric=[latency]", "rounds=5"]
    done = bench(words, tmp_path)
    assert done.returncode == 0, done.stderr
    order = re.findall(r"^(one|two)\.\S+, round (\d) of 5: 2 rendered, 0 kept", done.stderr, re.MULTILINE)
    assert [label for label, _ in order] == ["one", "two", "two", "one", "two", "one", "one", "two", "one", "two"]
    assert [number for _, number in order] == list("1122334455")
    assert done.stderr.count("comparison:") == 1
    one, two = (Run(path.parent) for path in sorted((tmp_path / "results").glob("*/run.json")))
    assert [(r.prompt_id, r.session) for r in one.current()] == [(r.prompt_id, r.session) for r in two.current()]
    assert [r.session for r in one.current()] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4], "a prompt a round, in the order of the set"
    ((sessions,),) = [one.info()["sessions"].values()]
    assert [(s["round"], s["wall_pictures"]) for s in sessions] == [(i, 2) for i in range(5)]
    sides = [slowdown.timed(images) for _, images in frames([one, two])["images"].groupby("run")]
    change = slowdown.compare(*sides, sides[0]["prompt_id"].tolist())
    assert (change.sessions, change.in_turns, change.unsettled_by("one", "two")) == ((5, 5), True, None)
    names = [path.name for path in (tmp_path / "results").iterdir()]
    again = bench([*words[:-1], "rounds=2"], tmp_path)
    assert again.stderr.count("0 rendered") == 4, "what is final is kept, however it is divided"
    assert [path.name for path in (tmp_path / "results").iterdir()] == names, "rounds are in no name"


def test_more_rounds_than_prompts_are_refused(tmp_path: Path) -> None:
    done = bench(["run", "model=tiny-oracle", "limit=2", "rounds=3"], tmp_path)
    assert done.returncode == 2
    assert "rounds=3: 2 prompts are too few to be divided over so many; use rounds=2" in done.stderr


@pytest.mark.slow
def test_a_model_that_fails_leaves_the_rest_of_a_sweep_its_memory_and_the_comparison(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of a kind that nobody foresaw; what the failed model held is free before the next one is loaded."""
    from bench.engine.render import render

    held: list[weakref.ref[Weights]] = []
    alive: list[bool] = []

    class Weights:
        pass

    def rendering(plan: Plan, progress: Progress) -> Counts:
        if plan.label == "broken":
            weights = Weights()
            held.append(weakref.ref(weights))
            raise ValueError("this pipeline cannot be placed") from KeyError("transformer")
        alive.extend(ref() is not None for ref in held)
        return render(plan, progress)

    monkeypatch.setattr(importlib.import_module("bench.engine.run"), "render", rendering)
    done = bench(["run", "-m", "model=tiny-oracle", "label=one,broken,two", "limit=2", "metric=[latency]", "seeds=[0]"], tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("error:") == 1
    assert "error: tiny-oracle: ValueError: this pipeline cannot be placed" in done.stderr
    assert "Traceback" not in done.stderr
    assert alive == [False]
    (page,) = (tmp_path / "results" / "comparisons").glob("*/index.html")
    assert page.parent.name.startswith("one-vs-two")


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    done = bench(["run", "model=tiny-dev", "limit=3", "dry_run=true"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert "6 pictures, 6 to render" in done.stderr
    assert not (tmp_path / "results").exists()


def test_cfg_job_shows_what_was_understood(tmp_path: Path) -> None:
    shown = bench(["run", "model=flux-schnell", "--cfg", "job"], tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "name: flux-schnell" in shown.stdout
    assert "prompts: core" in shown.stdout


@pytest.mark.slow
def test_a_failed_picture_is_exit_code_1(tmp_path: Path) -> None:
    prompts = tmp_path / "p.txt"
    prompts.write_text("a red circle on the left, on white\na sentence of another world\n")
    done = bench(["run", "model=tiny-oracle", f"prompts={prompts}", "metric=[latency]"], tmp_path)
    assert done.returncode == 1
    assert "2 rendered, 0 kept, 0 refused, 2 failed" in done.stderr


def test_lists_name_licences_and_what_is_missing(tmp_path: Path) -> None:
    shown = bench(["list"], tmp_path)
    assert shown.returncode == 0, shown.stderr
    for part in ("FLUX.1-dev non-commercial", "weights (gated", "OPENAI_API_KEY is not set", "core", "clip_tiny"):
        assert part in shown.stdout


@pytest.mark.slow
def test_doctor_finds_the_default_job_ready_and_shows_no_key(tmp_path: Path) -> None:
    shown = bench(["doctor"], tmp_path, XAI_API_KEY="secret-value")
    assert shown.returncode == 0, shown.stdout
    assert "XAI_API_KEY" in shown.stdout
    assert "secret-value" not in shown.stdout + shown.stderr
    assert "self-test read back" in shown.stdout


@pytest.mark.slow
def test_doctor_finds_a_card_that_torch_cannot_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nvidia_smi(tmp_path, driver="550.54.15", cuda="12.4")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.version.cuda", "13.0")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    shown = bench(["doctor"], tmp_path, PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert shown.returncode == 1
    for part in ("driver 550.54.15 offers CUDA 12.4", "built for CUDA 13.0", "update the driver to 580 or newer", "not ready"):
        assert part in " ".join(shown.stdout.replace("│", " ").split()), part


@pytest.mark.slow
def test_doctor_names_the_fix_where_the_default_job_cannot_run(tmp_path: Path) -> None:
    for part in ("bench", "conf", "prompts"):
        shutil.copytree(ROOT / part, tmp_path / "broken" / part)
    shown = bench_process(["doctor"], tmp_path, PYTHONPATH=str(tmp_path / "broken"))
    assert shown.returncode == 1
    assert "'weights' is missing from this installation" in " ".join(shown.stdout.split())
    assert "Traceback" not in shown.stderr


@pytest.mark.slow
def test_score_adds_a_metric_without_rendering(tmp_path: Path) -> None:
    bench(["run", "model=tiny-oracle", "limit=1", "metric=[latency]", "seeds=[0]"], tmp_path)
    (run,) = (tmp_path / "results").iterdir()
    done = bench(["score", run.name, "metric=[ocr]"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert "ocr.exact" in (run / "report" / "summary.md").read_text()
    assert bench(["score", run.name, "metric=[ocd]"], tmp_path).returncode == 2
