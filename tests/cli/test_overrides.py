"""The words OPTION=VALUE: text stays text, names are checked, and what cannot be meant is one message."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.paths import ROOT

from bench.cli import overrides
from bench.cli.words import TEXTS, read_words
from bench.config import presets
from bench.errors import ConfigError
from bench.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    Here = Callable[[Sequence[str]], subprocess.CompletedProcess[str]]


def configurations(words: Sequence[str]) -> list[Any]:
    """What Hydra hands to the job, once a run."""
    from omegaconf import OmegaConf

    composed: list[Any] = []
    overrides.launch(lambda config, _turn: composed.append(OmegaConf.to_container(config, resolve=True)), words)
    return composed


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")


@pytest.mark.parametrize(
    "text",
    ["2026", "true", "1e3", "0123", "ünï", "标签", "it's", 'say "hi"', "a, v2=final", "a,b", "[x]", "{y: 1}",
     "${model.name}", "\\${x}", "a\\", "\\'", "  two  words ", "", "range(0,3)", "x:y", "#1"],
)  # fmt: skip
def test_text_stays_as_typed(text: str) -> None:
    (config,) = configurations([f"{option}={text}" for option in TEXTS])
    assert [config[option] for option in TEXTS] == [text] * len(TEXTS)


@pytest.mark.slow
def test_in_a_sweep_commas_separate_texts_but_between_quotes() -> None:
    composed = configurations(["-m", 'label=2026,"a, b",it\'s,1e3'])
    assert [config["label"] for config in composed] == ["2026", "a, b", "it's", "1e3"]


@pytest.mark.parametrize(
    ("typed", "value"), [("text", ["text"]), ("[text,people]", ["text", "people"]), ("[]", []), ("", []), ("null", None)]
)
def test_one_category_needs_no_brackets(typed: str, value: list[str] | None) -> None:
    assert configurations([f"categories={typed}"])[0]["categories"] == value


@pytest.mark.parametrize(
    ("word", "value"),
    [("model.name=2026", "2026"), ("model.repo=Bücher", "Bücher"), ("model.size=256x256", "256x256"), ("model.steps=4", 4),
     ("model.revision=null", None), ('model.lora="a, b"', "a, b"), ("model.name=null", None), ("model.lora=null", None),
     ("model.lora=a, b=#1(x[y&'z'~ü.safetensors", "a, b=#1(x[y&'z'~ü.safetensors"), ("model.repo=~me/it's", "~me/it's"),
     ("model.revision=2026", "2026"), ("model.repo='2026'", "2026")],
)  # fmt: skip
def test_a_field_that_is_text_in_the_preset_takes_text(word: str, value: object) -> None:
    assert configurations([word])[0]["model"][word.partition("=")[0].removeprefix("model.")] == value


@pytest.mark.slow
@pytest.mark.parametrize("field", ["metric.fid.reference", "metric.fid.extractor.weights", "metric.vqa.base_url"])
def test_paths_and_addresses_of_any_letters_are_taken_as_they_are(field: str) -> None:
    metric = field.split(".")[1]
    for typed in ("a, b=#1(x[y&'z'~ü @+%: k", "http://[::1]:8000/v1"):
        node = configurations(["model=gpt-image", f"model.base_url={typed}", f"metric=[{metric}]", f"{field}={typed}"])[0]
        assert node["model"]["base_url"] == typed
        for name in field.split("."):
            node = node[name]
        assert node == typed


@pytest.mark.slow
def test_home_is_expanded_in_results_and_null_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert [configurations([f"results={text}"])[0]["results"] for text in ("~/x", "~nobody-here/x", "a~/x")] == [
        str(tmp_path / "x"), "~nobody-here/x", "a~/x",
    ]  # fmt: skip
    assert configurations(["label=null"])[0]["label"] is None
    assert configurations(["metric=null"])[0]["metric"] == {}


@pytest.mark.slow
def test_the_models_card_chooses_prompts_and_metrics() -> None:
    (config,) = configurations(["model=flux-dev"])
    card = presets.read("model", "flux-dev")["card"]
    assert config["prompts"] == card["prompts"]
    assert list(config["metric"]) == card["metrics"]
    assert list(configurations(["metric=[]"])[0]["metric"]) == []
    assert list(configurations(["metric=ocr"])[0]["metric"]) == ["ocr"]
    assert list(configurations(["metric=[ocr,scene]", "metric.ocr.engine.least=256"])[0]["metric"]) == ["ocr", "scene"]


@pytest.mark.slow
def test_a_sweep_takes_fields_that_the_default_model_lacks_and_patterns() -> None:
    composed = configurations(["-m", "model=gpt-image,gpt-image-2", "model.quality=low"])
    assert [(config["model"]["name"], config["model"]["quality"]) for config in composed] == [("gpt-image", "low"), ("gpt-image-2", "low")]
    assert len(configurations(["-m", "model=glob(tiny-*)", "metric=[latency]"])) == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("model=tiny-dev,tiny-pro", "add -m: python -m bench run -m model=tiny-dev,tiny-pro"),
        ("model=tiny-dev,flux-dev", "add -m: python -m bench run -m model=tiny-dev,flux-dev"),
        ("model.steps=2,4", "add -m: python -m bench run -m model.steps=2,4"),
        ("metric=ocr,scene", "stand in brackets: metric=[ocr,scene]"),
        ("seeds=0,1", "stand in brackets: seeds=[0,1]"),
        ("categories=text,people", "stand in brackets: categories=[text,people]"),
        ("seeds=range(0,3) limit=2", "add -m: python -m bench run -m 'seeds=range(0,3)' limit=2"),
        ("metric=[ocr", "a list stands in brackets, like metric=[a,b]; one is missing here"),
        ("results=null", "results=null: results cannot be nothing; leave it out for 'results'"),
        ("prompts=null", "prompts cannot be nothing"),
        ("budget=null", "budget=null: this has fields of its own; set one of budget.confirm, budget.max"),
        ("budget=5", "set one of budget.confirm"),
        ("metric=[ocr] metric.ocr=null", "set one of metric.ocr.name"),
        ("model=gpt-image model.limits=3", "set one of model.limits.in_flight"),
        ("model=a(b", "unknown model 'a(b'"),
        ("limit=[1", "one is missing here"),
        ("rounds=0", "rounds=0: rounds is one whole number from 1 on, like rounds=5"),
        ("-m rounds=2,5", "rounds=2,5: rounds is one whole number from 1 on"),
        ("~label", "~label: an option is not taken away; leave the word out for its default, or set label="),
        ("limit", "'limit' is no OPTION=VALUE"),
        ("job", "'job' is no OPTION=VALUE"),
        ("--cfg job limit", "'limit' is no OPTION=VALUE"),
        ("=3", "unknown option ''"),
        ("mödel=3", "unknown option 'mödel'; did you mean 'model'?"),
        ("promts=tiny", "unknown option 'promts'; did you mean 'prompts'?"),
        ("model=", "unknown model ''"),
        ("model.stesp=3", "unknown field of tiny-dev 'model.stesp'; did you mean 'model.steps'?"),
        ("model.card.licens=x", "did you mean 'model.card.licence'?"),
        ("model.steps.x=3", "model.steps has no fields in this preset"),
        ("budget.maxx=3", "unknown field 'budget.maxx'; did you mean 'budget.max'?"),
        ("model=gpt-image model.extra.seed=3", "add one with +model.extra.seed=VALUE"),
        ("metric.ocr.engine.leest=3", "did you mean 'metric.ocr.engine.least'"),
        ("metric=[scene] metric.ocr.engine.least=3", "ocr is not among this run's metrics; choose it too: metric=[scene,ocr]"),
        ("metric.oct.engine=3", "unknown metric 'oct'; did you mean 'ocr'?"),
        ("-m model=tiny-dev,gpt-image prompts=tiny model.quality=low", "unknown field of tiny-dev 'model.quality'"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_one_message(words: str, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        configurations(words.split())
    assert message in str(raised.value)


def test_a_plug_in_is_added_with_a_plus() -> None:
    added = ["+metric.ours._target_=ours.OurColours", "+metric.ours.name=ours"]
    assert configurations(["metric=[latency]", *added])[0]["metric"]["ours"] == {"_target_": "ours.OurColours", "name": "ours"}
    scene = ["+metric.again._target_=bench.metrics.alignment.scene.Composition", "+metric.again.name=again"]
    (metric,) = overrides.compose_metrics(read_words(scene, ["metric"]), None)
    assert metric.name == "again"


def test_score_takes_the_metrics_of_the_run_unless_words_name_some() -> None:
    def chosen(*words: str, stored: object = None) -> list[str]:
        return [metric.name for metric in overrides.compose_metrics(read_words(words, ["metric", "results"]), stored)]  # type: ignore[arg-type]

    assert chosen() == ["latency"]
    assert chosen("results=2026", stored={"scene": presets.read("metric", "scene")}) == ["scene"]
    assert chosen("metric=[ocr,scene]") == ["ocr", "scene"]
    assert chosen("metric.ocr.engine.least=256") == ["ocr"]
    for words, stored, message in (
        (["metric=[]"], None, "names nothing to score"),
        ([], {}, "was rendered without metrics"),
        (["metric=ocr,scene"], None, r"metric=\[ocr,scene\]"),
        (["limit=3"], None, "unknown option 'limit'"),
    ):
        with pytest.raises(ConfigError, match=message):
            chosen(*words, stored=stored)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [(["seeds=1e5"], "seeds holds 100000.0; a seed is a whole number"), (["limit=ü"], "limit='ü' must be a whole number"),
     (["categories=ü"], "unknown category 'ü'"), (["categories=[ü,it's]"], "unknown category 'ü'"),
     (["limit=abc"], "limit='abc' must be a whole number"), (["limit=1.5"], "limit=1.5 must be a whole number"),
     (["seeds=x"], "seeds holds 'x'; a seed is a whole number"), (["prompts=2026"], "unknown prompt set '2026'"),
     (["metric=[fd_clip_tiny]", "metric.fd_clip_tiny.reference=nope", "dry_run=true"], "the reference 'nope' is neither a folder nor"),
     (["prompts=it's.csv"], "no prompt file \"it's.csv\"")],
)  # fmt: skip
def test_values_out_of_range_are_one_message(words: list[str], message: str, here: Here) -> None:
    done = here(["run", *words])
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("error:") == 1


@pytest.mark.parametrize(
    "name", ["it's.csv", "a, v2=final.csv", "Bücher.txt", "2026.txt", "two words.jsonl", "12:30 Uhr.txt", "${x}.txt", "提示.txt"]
)
def test_prompt_files_of_any_name_are_read(name: str, tmp_path: Path, here: Here) -> None:
    text = "a red circle on the left, on white"
    header = '{"name": "x", "version": "1", "language": "en", "licence": "CC0", "source": "here"}'
    content = {"csv": f'text\n"{text}"\n', "txt": f"{text}\n", "jsonl": f'{header}\n{{"id": "a", "text": "{text}"}}\n'}
    (tmp_path / name).write_text(content[name.rpartition(".")[2]], encoding="utf-8")
    done = here(["run", "model=tiny-oracle", f"prompts={name}", "metric=[]", "seeds=[0]", "dry_run=true"])
    assert done.returncode == 0, done.stderr
    assert "1 pictures, 1 to render" in done.stderr


@pytest.mark.slow
def test_text_options_name_runs_and_folders(tmp_path: Path, here: Here) -> None:
    words = ["run", "model=tiny-oracle", "limit=1", "seeds=[0]", "metric=[]"]
    assert here([*words, "label=ünï", "results=2026"]).returncode == 0
    (run,) = map(Store(tmp_path / "2026").find, ["ünï"])
    assert run.name.startswith("ünï.tiny.")
    assert run.info()["label"] == "ünï"
    assert run.info()["config"]["results"] == "2026"
    assert here(["score", "ünï", "results=2026"]).returncode == 2
    done = here(["score", "ünï", "metric=[scene]", "results=2026"])
    assert done.returncode == 0, done.stderr
    assert {score.metric.partition(".")[0] for score in run.scores()} == {"scene"}


@pytest.mark.slow
@pytest.mark.parametrize("model", ["tiny-oracle", pytest.param("tiny-dev", marks=pytest.mark.slow)])
def test_a_label_that_is_a_number_goes_all_the_way(model: str, here: Here) -> None:
    for label in ("2026", "true"):
        assert here(["run", f"model={model}", f"label={label}", "limit=1", "seeds=[0]", "metric=[latency]"]).returncode == 0
    assert here(["score", "2026", "metric=[scene]"]).returncode == 0
    compared = here(["compare", "2026", "true"])
    assert compared.returncode == 0, compared.stderr
    assert {"2026", "true"} <= set(compared.stderr.split())


@pytest.mark.parametrize("command", ["run", "score"])
def test_help_imports_no_hydra(command: str) -> None:
    code = (
        "import sys\nfrom bench.cli.app import main\ntry: main([sys.argv[1], '--help'])\nexcept SystemExit: pass\n"
        "sys.exit('hydra' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code, command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert shown.returncode == 0
    assert f"usage: python -m bench {command}" in shown.stdout
