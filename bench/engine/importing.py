"""Write a run from pictures that were made elsewhere."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from bench.core import environment
from bench.engine.asked import adopt, by_text, run_for
from bench.engine.plan import part_of_name
from bench.images.importing import ImportPlan, read_picture
from bench.types import Job, Rendered, Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.store import Run, Store
    from bench.types import PromptSet


def run_of(store: Store, name: str, prompts: PromptSet) -> Run:
    """The run of pictures of the model ``name`` for these prompts, a new one or the one that they continue."""

    def name_of(label: str, of: str) -> str:
        part = part_of_name(label)
        return f"{label if part == label.rstrip('.-') else part}.{part_of_name(of, 80)}.imported"

    return run_for(store, name_of, name, prompts, by_text)


def write(matches: ImportPlan, prompts: PromptSet, run: Run, *, name: str, provenance: Mapping[str, str], price: float = math.nan) -> int:
    """Store the matched pictures as they are, each at ``price`` (USD; NaN when unknown); returns how many were new.

    Raises:
        ConfigError: a file that is no whole, plain picture; those before it are stored.
    """
    facts = environment.facts()
    where = environment.key(facts)
    count = 0
    with run.lock():
        done = {r.key for r in run.records()}
        description = {
            "name": run.name, "label": name, "imported": True, "hosted": True, "provenance": dict(provenance), "model": name,
            "description": provenance.get("source", ""), "prompt_sets": {prompts.name: prompts.hash}, "environments": {where: facts},
        }  # fmt: skip
        run.update_info(**description)
        adopt(run, prompts, by_text, description)
        for match in matches.matched:
            data, picture = read_picture(match.file)
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
            if job.key in done:
                continue
            detail: dict[str, Any] = {
                "imported": True, "file": match.file.name, "matched_by": match.how, "no_latency": "made elsewhere",
            }  # fmt: skip
            if picture.metadata:
                detail["metadata"] = dict(picture.metadata)
            run.save(job, Rendered("ok", data, detail=detail, cost_usd=price), prompt_set=prompts, environment=where)
            count += 1
        run.compact()
    return count
