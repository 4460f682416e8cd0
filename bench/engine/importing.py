"""Write a run from pictures that were made elsewhere."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any

from bench.core import environment
from bench.core.files import printable
from bench.engine.continuing import adopt, by_text, run_for
from bench.engine.plan import part_of_name
from bench.errors import ConfigError
from bench.images.importing import ImportPlan, read_bytes
from bench.types import Job, Rendered, Request

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bench.store import Run, Store
    from bench.types import PromptSet


def run_of(store: Store, name: str, prompts: PromptSet) -> Run:
    """The run of pictures of the model ``name`` for these prompts, a new one or the one that they continue."""

    def name_of(label: str, of: str) -> str:
        part = part_of_name(label)
        return f"{label if part == label.rstrip('.-') else part}.{part_of_name(of, 80)}.imported"

    return run_for(store, name_of, name, prompts, by_text)


def write(plan: ImportPlan, prompts: PromptSet, run: Run, *, name: str, provenance: Mapping[str, str], price: float = math.nan) -> int:
    """Store the matched pictures as they are, each at ``price`` (USD; NaN when unknown); returns how many were new or other than stored.

    Raises:
        ConfigError: a file that has changed since it was read; those before it are stored.
    """
    facts = environment.facts()
    where = environment.key(facts)
    count = 0
    with run.lock():
        done = {r.key: r.sha256 for r in run.records()}
        description = {
            "name": run.name, "label": name, "imported": True, "hosted": True, "provenance": dict(provenance), "model": name,
            "description": provenance.get("source", ""), "prompt_sets": {prompts.name: prompts.hash}, "environments": {where: facts},
        }  # fmt: skip
        run.update_info(**description)
        adopt(run, prompts, by_text, description)
        for match in plan.matched:
            sha256, picture = plan.contents[match.file]
            request = Request(
                name,
                provenance.get("model_version", ""),
                match.prompt.text,
                match.prompt.negative_prompt,
                match.seed,
                picture.width,
                picture.height,
            )
            job = Job(match.prompt, request)
            if done.get(job.key) == sha256:
                continue
            if job.key in done:
                run.delete_scores({job.key})
            detail: dict[str, Any] = {
                "imported": True, "file": printable(match.file.name), "matched_by": match.how, "no_latency": "made elsewhere",
            }  # fmt: skip
            if picture.metadata:
                detail["metadata"] = dict(picture.metadata)
            rendered = Rendered("ok", _unchanged(match.file, sha256), detail=detail, cost_usd=price)
            run.save(job, rendered, prompt_set=prompts, environment=where)
            done[job.key] = sha256
            count += 1
        run.compact()
    return count


def _unchanged(file: Path, sha256: str) -> bytes:
    try:
        data = read_bytes(file)
    except ValueError as error:
        raise ConfigError(f"{printable(file)}: {error}") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ConfigError(f"{printable(file)} has changed since it was read; run the import again")
    return data
