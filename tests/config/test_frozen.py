"""What stored results depend on: it was written down in tests/golden/frozen.json before the packages were rearranged, and stays."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from support.paths import GOLDEN

from bench import prompts
from bench.config import presets, targets
from bench.config.instantiate import build
from bench.core import environment
from bench.core.fingerprint import is_version
from bench.engine.plan import run_name
from bench.tiny import scenes
from bench.types import Prompt

if TYPE_CHECKING:
    from collections.abc import Mapping

FROZEN = json.loads((GOLDEN / "frozen.json").read_text(encoding="utf-8"))
PROMPT = Prompt("golden", "a red circle on the left, on white")


def settled(fields: Mapping[str, object]) -> dict[str, object]:
    """The fields of a fingerprint that the installation does not decide: no versions of libraries, nothing of Tesseract."""
    of_the_system = {k.replace("engine", "weights") for k, v in fields.items() if str(v).startswith("tesseract")}
    kept = {k: v for k, v in fields.items() if not is_version(k.removeprefix("first_").removeprefix("second_"))}
    return {k: "tesseract" if str(v).startswith("tesseract") else v for k, v in kept.items() if k not in of_the_system}


@pytest.mark.parametrize("name", FROZEN["fingerprints"])
def test_the_fingerprint_of_a_metric_stays(name: str) -> None:
    stored, now = FROZEN["fingerprints"][name], json.loads(presets.metrics([name])[0].fingerprint())
    assert now.keys() == stored.keys()
    absent = str(now.get("weights")).rpartition("@")[2] in {"missing", "none"} and not os.environ.get("FLUXBENCH_REQUIRE")
    without = {"weights"} if absent else set()  # of a package that is not installed here (make carriers)
    assert {k: v for k, v in settled(now).items() if k not in without} == {k: v for k, v in settled(stored).items() if k not in without}


@pytest.mark.parametrize("name", FROZEN["requests"])
def test_the_request_and_the_run_name_of_a_model_stay(name: str) -> None:
    provider = presets.provider(name)
    assert provider.request(PROMPT, 0).id == FROZEN["requests"][name]
    assert run_name(provider, prompts.load("tiny"), None) == FROZEN["run_names"][name]


def test_the_columns_of_a_metric_stay() -> None:
    for name, columns in FROZEN["columns"].items():
        if columns:
            now = [[c.name, c.unit, c.higher_is_better, c.worst] for c in presets.metrics([name])[0].columns]
            assert now == columns, name


def test_the_key_of_a_machine_stays() -> None:
    facts, key = FROZEN["environment_key"]
    assert environment.key(facts) == key


def test_the_renderer_draws_what_it_drew() -> None:
    for line, expected in FROZEN["drawn"].items():
        seed, _, text = line.partition(": ")
        assert hashlib.sha256(scenes.draw(scenes.parse(text), int(seed)).tobytes()).hexdigest() == expected, text


@pytest.mark.parametrize("address", FROZEN["addresses"])
def test_every_address_that_a_stored_configuration_may_hold_is_found(address: str) -> None:
    module, _, name = targets.current({"_target_": address})["_target_"].rpartition(".")
    assert isinstance(getattr(__import__(module, fromlist=[name]), name), type)


def test_addresses_are_moved_at_any_depth() -> None:
    extractor = {"_target_": "bench.metrics.clip.ClipSimilarity", "name": "clip_tiny", "repo": "weights/clip-tiny"}
    stored: dict[str, Any] = {"_target_": "bench.metrics.diversity.Diversity", "name": "diversity_clip_tiny", "extractor": extractor}
    assert build(stored).fingerprint() == build(presets.read("metric", "diversity_clip_tiny")).fingerprint()
