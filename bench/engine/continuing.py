"""Which run a prompt set goes to, and which of its pictures are of prompts that the set has.

A set continues the run of its name that has a picture in common with it: an edited file keeps the pictures of the prompts
that stayed. A set with nothing in common, like another file of the same name, is another run.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError
from bench.store import Run, Store
from bench.types import ImageRecord, Prompt, PromptSet, digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.providers import Provider

Shows = Callable[[ImageRecord, Prompt], bool]
"""Whether a record's picture is what the prompt asks for."""


def by_request(provider: Provider) -> Shows:
    """A picture is what a prompt asks for if it was made from the same request."""

    def shows(record: ImageRecord, prompt: Prompt) -> bool:
        try:
            return provider.request(prompt, record.request.seed).id == record.request.id
        except BenchError:  # a prompt that the model cannot draw
            return False

    return shows


def by_text(record: ImageRecord, prompt: Prompt) -> bool:
    """A picture from elsewhere is what a prompt asks for if its texts are the same."""
    return (record.request.prompt, record.request.negative_prompt) == (prompt.text, prompt.negative_prompt)


def run_for(store: Store, name_of: Callable[[str, str], str], label: str, prompt_set: PromptSet, shows: Shows) -> Run:
    """The run that a prompt set continues, or a new one.

    Args:
        store: where runs are kept.
        name_of: the name of the run's folder, of a label and a set's name.
        label: of the run; one that only looks the same in a folder's name has a run of its own.
        prompt_set: what is asked for.
        shows: whether a picture is what a prompt asks for.
    """
    plain = store.run(name_of(label, prompt_set.name), create=True)
    info = plain.info()
    if info.get("label", label) != label or prompt_set.name not in info.get("prompt_sets", {prompt_set.name: ""}):
        label = f"{label}-{digest([label, prompt_set.name])[:6]}"
        plain = store.run(name_of(label, prompt_set.name), create=True)
    mark = prompt_set.hash[:6]
    own = store.run(name_of(label, f"{prompt_set.name}-{mark}"), create=True)
    of_its_kind = re.compile(re.escape(own.name).replace(mark, "[0-9a-f]{6}", 1))
    records = {run: run.records() for run in [plain, *(Run(store.root / name) for name in store.runs() if of_its_kind.fullmatch(name))]}
    if not records[plain]:
        return plain
    prompts = {prompt.id: prompt for prompt in prompt_set.prompts}
    same = (run for run, held in records.items() if any(record.prompt_set_hash == prompt_set.hash for record in held))
    shared = (run for run, held in records.items() if any(_shown(record, prompts, shows) for record in held))
    return next(same, None) or next(shared, own)


def adopt(run: Run, prompt_set: PromptSet, shows: Shows, description: Mapping[str, Any]) -> None:
    """From now on the run is of this set: of the pictures it has, those that the set's prompts ask for count, and no others.

    Records of such pictures take over what the set says of them, like the category. Scores that are no longer of the same
    text or of the same pictures are deleted. The caller has locked the run.
    """
    records, info = run.records(), run.info()
    prompts = {prompt.id: prompt for prompt in prompt_set.prompts}
    of_others = [record for record in records if record.prompt_set_hash != prompt_set.hash]
    kept = [(record, prompt) for record in of_others if (prompt := _shown(record, prompts, shows))]
    keys = {record.key for record, _ in kept}
    dropped = sorted({record.prompt_set_hash for record in of_others if record.key not in keys})
    if not kept and dropped == info.get("dropped_sets", []):
        return
    counted = {record.key for record in run.current(records)}
    run.restate([_of_set(record, prompt, prompt_set) for record, prompt in kept])
    run.delete_scores({record.key for record, prompt in kept if record.expected_text != prompt.expected_text})
    run.update_info(**description, dropped_sets=dropped)
    if counted != {record.key for record in run.current()}:
        run.delete_scores({(None, None)})


def set_aside(run: Run) -> int:
    """Number of pictures that are kept in the run and do not count, because the set that was asked for last has no such prompt."""
    dropped = set(run.info().get("dropped_sets", ()))
    return sum(record.image is not None and record.prompt_set_hash in dropped for record in run.records())


def _shown(record: ImageRecord, prompts: Mapping[str, Prompt], shows: Shows) -> Prompt | None:
    """The prompt that a record's picture is of; None if the set has none."""
    prompt = prompts.get(record.prompt_id)
    return prompt if prompt is not None and shows(record, prompt) else None


def _of_set(record: ImageRecord, prompt: Prompt, prompt_set: PromptSet) -> ImageRecord:
    return replace(
        record, category=prompt.category, expected_text=prompt.expected_text, prompt_set=prompt_set.name, prompt_set_hash=prompt_set.hash
    )
