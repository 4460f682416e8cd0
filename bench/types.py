"""The values that pass between the parts of the bench. Standard library only."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Literal

Failure = Literal["failed", "rate_limited", "timeout", "provider_error", "invalid_image", "expired_url"]
"""Why a picture was not made; all are tried again on the next run. "failed" is a local model's, the others a server's."""

Status = Literal["ok", "refused", "failed", "rate_limited", "timeout", "provider_error", "invalid_image", "expired_url"]
"""Of a picture: made; declined by moderation (a result, final); or one of ``Failure``."""

FINAL: frozenset[Status] = frozenset({"ok", "refused"})
"""The statuses that are results; a picture with another one is not there yet."""

ScoreStatus = Literal["ok", "unscored", "not_applicable"]
"""Of a score: a number; a number was wanted and could not be computed; the metric does not apply to this picture."""

Cause = Literal["refused", "not_made", "prerequisite"]
"""Why a score has no value, for code: the picture was declined; it was never made; weights, a package or a reference are missing."""

Aggregate = Literal["mean", "ratio", "value"]
"""How a run's figure comes from a column: mean over prompts; sum of ``hits`` / sum of ``asked``; given for the whole run."""


def digest(value: object) -> str:
    """SHA-256 (hex) of the canonical JSON of ``value``: sorted keys, no spaces, UTF-8."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Prompt:
    """One thing to ask of a model.

    Attributes:
        id: unique in its set; becomes part of file names.
        text: what the model is told.
        category: one word; tables and filters group by it.
        expected_text: strings that must appear in the picture, one entry a region.
        negative_prompt: what the picture should not show, for models that take one.
        aspect: width to height, "W:H"; sizes are chosen at the model's pixel count.
    """

    id: str
    text: str
    category: str = "other"
    tags: tuple[str, ...] = ()
    expected_text: tuple[str, ...] = ()
    negative_prompt: str | None = None
    aspect: str = "1:1"


@dataclass(frozen=True)
class PromptSet:
    """A named, versioned list of prompts."""

    name: str
    version: str
    language: str
    licence: str
    source: str
    prompts: tuple[Prompt, ...]

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the prompts' content, in order; name and header do not enter."""
        return digest([asdict(p) for p in self.prompts])


@dataclass(frozen=True)
class Request:
    """Everything that decides a picture, and nothing else.

    Attributes:
        model: repository, folder-independent model name or API model name.
        revision: commit or content hash of the weights; "" where the API has none.
        seed: None where the model takes no seed.
        settings: steps, guidance, dtype and the like; JSON scalars only.
    """

    model: str
    revision: str
    prompt: str
    negative_prompt: str | None
    seed: int | None
    width: int
    height: int
    settings: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)

    @cached_property
    def id(self) -> str:
        """Content hash, the key by which work is resumed."""
        return digest({f.name: getattr(self, f.name) for f in fields(self)} | {"settings": dict(self.settings)})


@dataclass(frozen=True)
class Job:
    """A request made for a prompt of a set: the unit of work."""

    prompt: Prompt
    request: Request

    @property
    def key(self) -> tuple[str, str]:
        """What identifies a finished job inside a run."""
        return (self.prompt.id, self.request.id)


@dataclass(frozen=True)
class Timing:
    """Seconds of one picture, as measured; NaN where there is no measurement.

    Attributes:
        latency_s: text encoding + generation + decoding (hosted: queue + generation + download of the call that was
            answered) until this picture was there; pictures of one batch share it. Never includes ``retry_s``.
        encode_s: text encoding, measured when the prompt was first encoded and included in ``latency_s`` of every seed.
        denoise_s: the sampling loop; ``steps`` transformer steps.
        decode_s: latents to pixels.
        batch_size: pictures that were made together.
        queue_s: hosted: waiting for a place before the work began, where the server says so.
        generate_s: hosted: from sending the request to the head of its answer, ``queue_s`` left out where it is known.
        download_s: hosted: the picture's bytes, in the answer's body or behind a link.
        retry_s: hosted: lost in failed attempts and in the waits between them; 0.0 when the first one was answered.
        attempts: calls it took, 1 when the first one was answered.
        energy_j: joules the GPU drew for this picture: those of its batch in equal shares.
    """

    latency_s: float = math.nan
    encode_s: float = math.nan
    denoise_s: float = math.nan
    decode_s: float = math.nan
    steps: int = 0
    batch_size: int = 1
    queue_s: float = math.nan
    generate_s: float = math.nan
    download_s: float = math.nan
    retry_s: float = math.nan
    attempts: int = 1
    energy_j: float = math.nan

    @property
    def to_picture_s(self) -> float:
        """From the first call to the picture: ``latency_s`` and ``retry_s``."""
        return self.latency_s if math.isnan(self.retry_s) else self.latency_s + self.retry_s


@dataclass(frozen=True)
class Rendered:
    """What a provider gives back for one request: a picture, a refusal or a failure.

    Attributes:
        image: the encoded picture (PNG, JPEG or WebP bytes), None unless ``status`` is ok.
        error: why there is no picture, one sentence, free of secrets.
        revised_prompt: what the API says it drew instead of the prompt.
        cost_usd: NaN when unknown, 0.0 only when free.
        detail: JSON-ready extras. Of a refusal: ``refusal`` ("refused", "filtered" or "empty", see
            ``bench.metrics.safety.refusals``), ``code`` and ``categories`` in the server's words. Of a hosted picture: ``usage``
            (as reported), ``size`` [width, height] as sent, ``metadata`` found in the file, ``tries`` (one entry an attempt).
            As stored also ``session``: the index into the list that run.json's ``sessions`` has of the environment.
    """

    status: Status
    image: bytes | None = None
    timing: Timing = field(default_factory=Timing)
    error: str | None = None
    revised_prompt: str | None = None
    cost_usd: float = math.nan
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ImageRecord:
    """One finished job as stored: the request, its outcome, its timing.

    Attributes:
        image: path relative to the run folder; None unless ``status`` is ok.
        sha256: of the image file's bytes.
        environment: key into ``run.json``'s ``environments``: the machine that made this picture.
        created: UTC, ISO 8601.
    """

    prompt_id: str
    category: str
    prompt_set: str
    prompt_set_hash: str
    request: Request
    status: Status
    environment: str
    created: str
    image: str | None = None
    sha256: str | None = None
    timing: Timing = field(default_factory=Timing)
    error: str | None = None
    revised_prompt: str | None = None
    cost_usd: float = math.nan
    expected_text: tuple[str, ...] = ()
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def session(self) -> int:
        """Which of the environment's sessions made it. Earlier versions did not say: what they made counts as one."""
        return int(self.detail.get("session", 0))

    @property
    def failed(self) -> bool:
        """Whether this is no result yet: neither made nor refused."""
        return self.status not in FINAL

    @property
    def key(self) -> tuple[str, str]:
        """Same key as the job's."""
        return (self.prompt_id, self.request.id)


@dataclass(frozen=True)
class ScoreRow:
    """One score in long form.

    Attributes:
        metric: column name, "clip" or "ocr.exact".
        fingerprint: what the number depends on, as ``bench.core.fingerprint`` writes it; unlike ones never share a column.
        value: NaN unless ``status`` is ok.
        request_id, prompt_id, seed: the picture; all None for a score of the whole run.
        worst: what a refused picture counts as in the mean over all pictures; None where the metric has no worst value.
        reason: why there is no value, for people.
        detail: JSON-ready extras (recognised text, missing words, n, interval).
        cause: why there is no value, for code; None where there is one, or for any other cause.
    """

    metric: str
    fingerprint: str
    value: float
    status: ScoreStatus = "ok"
    unit: str = ""
    higher_is_better: bool | None = True
    worst: float | None = None
    request_id: str | None = None
    prompt_id: str | None = None
    seed: int | None = None
    reason: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    cause: Cause | None = None


@dataclass(frozen=True)
class Column:
    """One column that a metric fills: the card by which every report shows it, and the way to make its rows.

    Attributes:
        name: "ocr.exact"; the metric's own name or one below it.
        higher_is_better: None where neither end is better.
        worst: see ``ScoreRow``.
        about: what it says, in a few words.
        headline: whether it stands in the first table, the terminal, LaTeX and below pictures. None, the default, means yes
            for a metric's main column (a name without ".") that has a better end.
        weighed: whether the answer weighs it. None means yes for a main column that has a better end and is not ``timed``.
        timed: whether it depends on the machine.
        order: place in tables, small first; 100 to 299 are quality, 600 and up refusals, times and what else describes a run.
            Columns of 100 to 139 ask how well pictures fit their prompts, of 140 to 149 whether scenes are right, of 150 to
            199 of text in pictures, of 200 to 299 of distances between sets: see ``bench.analysis.columns.Cards.family``.
        aggregate: how a run's figure is made of it.
        of: the column of single pictures behind a figure of the whole run, by which runs are compared.
    """

    name: str
    unit: str
    higher_is_better: bool | None = True
    worst: float | None = None
    _: KW_ONLY
    about: str = ""
    headline: bool | None = None
    weighed: bool | None = None
    timed: bool = False
    order: int = 500
    aggregate: Aggregate = "mean"
    of: str | None = None

    def __post_init__(self) -> None:
        main = "." not in self.name and self.higher_is_better is not None
        if self.headline is None:
            object.__setattr__(self, "headline", main)
        if self.weighed is None:
            object.__setattr__(self, "weighed", main and not self.timed)

    def scored(
        self, fingerprint: str, value: float, record: ImageRecord | None = None, detail: Mapping[str, Any] | None = None
    ) -> ScoreRow:
        """A row with a number, of one picture or (``record`` None) of the whole run."""
        return replace(self._row(fingerprint, record, detail), value=value)

    def missing(
        self,
        fingerprint: str,
        reason: str,
        record: ImageRecord | None = None,
        *,
        status: ScoreStatus = "unscored",
        detail: Mapping[str, Any] | None = None,
        cause: Cause | None = None,
    ) -> ScoreRow:
        """A row without a number: ``reason`` says to people why, ``cause`` to code."""
        return replace(self._row(fingerprint, record, detail), status=status, reason=reason, cause=cause)

    def _row(self, fingerprint: str, record: ImageRecord | None, detail: Mapping[str, Any] | None) -> ScoreRow:
        row = ScoreRow(self.name, fingerprint, math.nan, "ok", self.unit, self.higher_is_better, self.worst, detail=detail or {})
        if record is None:
            return row
        return replace(row, request_id=record.request.id, prompt_id=record.prompt_id, seed=record.request.seed)
