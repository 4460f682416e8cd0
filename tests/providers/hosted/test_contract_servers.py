"""Our requests and our patience against servers that nobody here wrote: aimock and Prism, from npm.

They run where FLUXBENCH_NPM names the folder they were installed into (``make contract``), or where they are on PATH. With
FLUXBENCH_OPENAPI, a path or address of OpenAI's own OpenAPI document, Prism checks our requests against it as well.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.faultscript import picture
from support.paths import ROOT
from support.requirements import require

from bench.cli.app import main
from bench.store import Store
from bench.types import FINAL, ImageRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytestmark = pytest.mark.contract

KEY = "sk-of-the-contract-tests"
TEXTS = ["a fox in the snow", "a lighthouse at night", "two boats on a lake"]


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("XAI_API_KEY", KEY)


def npm(program: str) -> str:
    """A program that npm installed; skips the test without it, or fails where FLUXBENCH_REQUIRE names it."""
    folder = os.environ.get("FLUXBENCH_NPM", ROOT)
    return shutil.which(program, path=str(Path(folder) / "node_modules" / ".bin")) or require(program)


@contextmanager
def served(command: Sequence[str], **environment: str) -> Iterator[tuple[int, Path]]:
    """Run a server whose command line ends in its port; the port, and the file its output goes to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    said = Path(f"server-{port}.log")
    with said.open("w") as log:
        process = subprocess.Popen(
            [*command, str(port)], stdout=log, stderr=subprocess.STDOUT, env={**os.environ, "NO_COLOR": "1", **environment}
        )
        try:
            until = time.monotonic() + 60
            while True:
                assert process.poll() is None, said.read_text()
                assert time.monotonic() < until, said.read_text()
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield port, said
        finally:
            process.terminate()
            process.wait(30)


def run(url: str, texts: Sequence[str], *more: str, model: str = "gpt-image") -> tuple[int, dict[str, ImageRecord]]:
    """The exit code of a run of these prompts, and its records by prompt."""
    Path("asked.txt").write_text("\n".join(texts), encoding="utf-8")
    code = main([
        "run", f"model={model}", f"model.base_url={url}", "prompts=asked.txt", "metric=[latency]", "budget.price=0.01", "budget.yes=true",
        *more,
    ])  # fmt: skip
    store = Store(Path("results"))
    return code, {r.request.prompt: r for name in store.runs() for r in store.run(name).records()}


# -- aimock: fixtures and chaos ---------------------------------------------------------------------------------------------


def fixtures() -> Path:
    """What aimock answers: a picture for every prompt that none of the others is meant for."""

    def answer(said: str, response: dict[str, Any], **match: int) -> dict[str, Any]:
        return {"match": {"userMessage": said, "endpoint": "image", **match}, "response": response}

    def error(status: int, code: str) -> dict[str, Any]:
        return {"error": {"message": f"{code} says aimock", "type": "image_generation_user_error", "code": code}, "status": status}

    drawn = [answer(text, {"image": {"b64Json": base64.b64encode(picture(text)).decode(), "revisedPrompt": "as drawn"}}) for text in TEXTS]
    special = [
        answer("busy", error(429, "rate_limit_exceeded") | {"retryAfter": 0}, sequenceIndex=0),
        answer("busy", {"image": {"b64Json": base64.b64encode(picture("busy")).decode()}}),
        answer("blocked", error(400, "moderation_blocked")),
        answer("silent", {"images": []}),
        answer("broken", error(500, "server_error")),
    ]
    file = Path("fixtures.json")
    file.write_text(json.dumps({"fixtures": [*special, *drawn]}), encoding="utf-8")
    return file


def test_aimock_draws_refuses_and_is_busy() -> None:
    with served([npm("llmock"), "-f", str(fixtures()), "-p"], AIMOCK_API_KEYS=KEY) as (port, _):
        code, records = run(f"http://127.0.0.1:{port}/v1", [*TEXTS, "busy", "blocked", "silent", "broken"], "++model.limits.attempts=2")
    assert code == 1
    assert {text: record.status for text, record in records.items()} == {
        **dict.fromkeys([*TEXTS, "busy"], "ok"), "blocked": "refused", "silent": "provider_error", "broken": "provider_error",
    }  # fmt: skip
    store = Store(Path("results"))
    for text in TEXTS:
        assert store.run(store.runs()[0]).image_path(records[text]).read_bytes() == picture(text)
        assert records[text].revised_prompt == "as drawn"
    assert records["busy"].timing.attempts == 2
    assert records["blocked"].detail["code"] == "moderation_blocked"


def test_aimock_refuses_a_wrong_key_and_the_run_ends(capsys: pytest.CaptureFixture[str]) -> None:
    with served([npm("llmock"), "-f", str(fixtures()), "-p"], AIMOCK_API_KEYS="another") as (port, _):
        code, records = run(f"http://127.0.0.1:{port}/v1", TEXTS)
    assert code == 2
    assert not records
    told = capsys.readouterr().err
    assert "OPENAI_API_KEY" in told
    assert KEY not in told


def test_every_prompt_ends_in_a_final_status_under_aimocks_chaos() -> None:
    texts = [f"{text}, take {i}" for text in TEXTS for i in range(8)]
    chaos = [word for kind in ("drop", "malformed", "ratelimit", "disconnect") for word in (f"--chaos-{kind}", "0.08")]
    with served([npm("llmock"), "-f", str(fixtures()), *chaos, "-p"]) as (port, _):
        url = f"http://127.0.0.1:{port}/v1"
        code, records = run(url, texts, "++model.limits.attempts=10", "++model.limits.in_flight=8")
    assert code == 0
    assert len(records) == len(texts)
    assert {record.status for record in records.values()} <= FINAL


# -- Prism: our requests against a document ---------------------------------------------------------------------------------


def small_document() -> Path:
    """The images endpoint as we understand it, in our own words: it shows that Prism and we agree, not that OpenAI does."""
    fields = {
        "prompt": {"type": "string", "maxLength": 32000},
        "model": {"type": "string"},
        "n": {"type": "integer", "minimum": 1, "maximum": 10},
        "size": {"type": "string", "pattern": r"^(\d+x\d+|auto)$"},
        "quality": {"enum": ["low", "medium", "high", "auto"]},
        "background": {"enum": ["transparent", "opaque", "auto"]},
        "moderation": {"enum": ["low", "auto"]},
        "output_format": {"enum": ["png", "jpeg", "webp"]},
        "output_compression": {"type": "integer", "minimum": 0, "maximum": 100},
    }
    answer = {"created": 1, "data": [{"b64_json": base64.b64encode(picture("from Prism")).decode()}]}
    operation = {
        "requestBody": {"required": True, "content": {"application/json": {"schema": {
            "type": "object", "required": ["prompt"], "additionalProperties": False, "properties": fields,
        }}}},
        "responses": {"200": {"description": "a picture", "content": {"application/json": {
            "schema": {"type": "object"}, "example": answer,
        }}}},
    }  # fmt: skip
    document = {
        "openapi": "3.1.0", "info": {"title": "images, in our own words", "version": "1"}, "security": [{"key": []}],
        "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
        "paths": {"/images/generations": {"post": operation}},
    }  # fmt: skip
    file = Path("document.json")
    file.write_text(json.dumps(document), encoding="utf-8")
    return file


def violations(said: Path) -> list[str]:
    """What Prism complained about."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", said.read_text(encoding="utf-8", errors="replace"))
    return [line for line in plain.splitlines() if "VALIDATOR" in line and "error" in line]


@pytest.mark.parametrize("more", [[], ["model.quality=low", "+model.extra.moderation=low", "+model.extra.background=opaque"]])
def test_requests_pass_a_small_document_of_our_own_words(more: list[str]) -> None:
    with served([npm("prism"), "mock", "--errors", str(small_document()), "-p"]) as (port, said):
        code, records = run(f"http://127.0.0.1:{port}", TEXTS, *more)
    assert not violations(said)
    assert code == 0
    assert {record.status for record in records.values()} == {"ok"}


def test_a_parameter_outside_the_document_is_a_failed_picture_asked_for_once() -> None:
    with served([npm("prism"), "mock", "--errors", str(small_document()), "-p"]) as (port, said):
        code, records = run(f"http://127.0.0.1:{port}", TEXTS[:1], "+model.extra.background=pink")
    assert len(violations(said)) == 1
    assert code == 1
    assert {record.status for record in records.values()} == {"provider_error"}


@pytest.mark.parametrize("more", [[], ["model.quality=low"], ["+model.extra.moderation=low", "+model.extra.background=opaque"]])
def test_requests_pass_openais_own_document(more: list[str]) -> None:
    document = os.environ.get("FLUXBENCH_OPENAPI")
    if not document:
        pytest.skip("FLUXBENCH_OPENAPI names no OpenAPI document of OpenAI's")
    with served([npm("prism"), "mock", "--errors", document, "-p"]) as (port, said):
        _, records = run(f"http://127.0.0.1:{port}", TEXTS[:1], *more)
    assert not violations(said)
    (record,) = records.values()
    assert record.status in {"ok", "invalid_image"}, "the document's example need not be a picture"
