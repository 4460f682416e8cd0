"""A vision-language model as judge: yes-or-no questions about a picture, over any endpoint that speaks OpenAI's chat protocol."""

from __future__ import annotations

import base64
import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from bench.core import openai_sdk
from bench.core.fingerprint import fingerprint, libraries
from bench.errors import BenchError, ConfigError, MissingKeyError
from bench.metrics.alignment import vqa_score
from bench.metrics.alignment.chat_client import Chat, ChatEndpoint, NoAnswerError
from bench.types import Column, digest

if TYPE_CHECKING:
    from PIL import Image

    from bench.metrics.base import Sample
    from bench.types import ImageRecord, ScoreRow

VERSION = 1
Questions = Literal["prompt", "derived"]


@dataclass(frozen=True)
class VqaJudge(ChatEndpoint):
    """Column ``vqa``: the judge's yes to "Does this figure show "PROMPT"?", 0 to 1, higher is better, worst 0.

    P(yes) / (P(yes) + P(no)) from the probabilities of the first answer token where the server gives them, else 1 or 0
    from the answer (VQAScore; Lin et al., ECCV 2024); with derived questions the mean over them. Temperature 0. The picture
    is sent as PNG, its long side at ``long_side`` pixels or less (Lanczos; never enlarged). A judge that declines, says
    neither yes nor no, or does not answer in ``attempts`` leaves the picture unscored. Questions, answers, judge, the
    version the server names, tokens and cost (null where a price is unknown) in ``detail``.

    The fields of ``ChatEndpoint`` say whom to ask; the others what.

    Attributes:
        questions: "prompt" asks the one question above; "derived" asks 3 to 8 that the endpoint first derives from the prompt.
        questions_model: what derives questions; ``model`` where null.
        questions_file: JSON Lines in which derived questions are kept, so that all pictures of all runs get the same ones.
        usd_per_million_in, usd_per_million_out: prices of tokens.
        long_side: pixels at most.

    Raises:
        ConfigError: a value out of range.
    """

    questions: Questions = "prompt"
    questions_model: str | None = None
    questions_file: str = "~/.cache/fluxbench/vqa-questions.jsonl"
    usd_per_million_in: float | None = None
    usd_per_million_out: float | None = None
    long_side: int = 1024

    def __post_init__(self) -> None:
        if self.questions not in get_args(Questions):
            raise ConfigError(f"metric.{self.name}.questions={self.questions!r} must be one of: {', '.join(get_args(Questions))}")
        for key, low in (("long_side", 64), ("attempts", 1), ("top_logprobs", 0)):
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                raise ConfigError(f"metric.{self.name}.{key}={value!r} must be a whole number of at least {low}")
        if not isinstance(self.timeout_s, int | float) or self.timeout_s <= 0:
            raise ConfigError(f"metric.{self.name}.timeout_s={self.timeout_s!r} must be a number above 0")

    @property
    def columns(self) -> tuple[Column, ...]:
        """The one column."""
        return (Column(self.name, "P(yes)", worst=0.0, about="a reader sees what was asked", order=130),)

    def fingerprint(self) -> str:
        """Judge, endpoint, questions and what the judge is shown."""
        template = vqa_score.TEMPLATE if self.questions == "prompt" else f"{self._asker}: {digest(vqa_score.DERIVE)[:16]}"
        return fingerprint(
            self.name, VERSION, judge=self.model, endpoint=self.base_url or "openai", questions=self.questions, asked=template,
            preprocess=f"PNG, Lanczos to a long side of at most {self.long_side}", temperature=0, top_logprobs=self.top_logprobs,
            extra=json.dumps(dict(self.extra), sort_keys=True), **libraries("pillow"),
        )  # fmt: skip

    def not_applicable_reason(self, record: ImageRecord) -> str | None:  # noqa: ARG002 - the same for every picture
        """None: every picture has a prompt."""
        return None

    def score(self, samples: Sequence[Sample]) -> list[ScoreRow]:
        """One row a picture.

        Raises:
            MissingKeyError: no key in the environment.
            BenchError: the server cannot be reached, refuses the key, or has no such model: no picture would fare better.
        """
        key = os.environ.get(self.api_key_env)
        if not key:
            raise MissingKeyError(
                f"{self.name} needs a key: export {self.api_key_env}=… (any text for a local server that asks for none), "
                f"then: python -m bench score RUN metric=[{self.name}]"
            )
        if not self.base_url and os.environ.get("OPENAI_BASE_URL"):
            raise ConfigError(
                "OPENAI_BASE_URL is set, but scores must say whom they were asked of: say it with "
                f"metric.{self.name}.base_url=…, or unset it to ask OpenAI"
            )
        with openai_sdk.client(key, self.base_url or openai_sdk.ADDRESS, self.timeout_s) as client:
            return self._judged(client, key, samples)

    def _judged(self, client: Any, key: str, samples: Sequence[Sample]) -> list[ScoreRow]:  # noqa: ANN401 - SDK client
        """Rows of all samples; answers that were paid for before the server failed are kept."""
        rows: list[ScoreRow] = []
        for sample in samples:
            try:
                rows.append(self._judge(Chat(self, client, key), sample))
            except BenchError as error:
                if not rows:
                    raise
                (column,) = self.columns
                return rows + [column.missing(self.fingerprint(), str(error), s.record) for s in samples[len(rows) :]]
        return rows

    @property
    def _asker(self) -> str:
        return self.questions_model or self.model

    def _judge(self, chat: Chat, sample: Sample) -> ScoreRow:
        fingerprint, (column,), prompt = self.fingerprint(), self.columns, sample.record.request.prompt
        answers: list[dict[str, Any]] = []
        why = None
        try:
            picture = data_url(sample.image, self.long_side)
            answers.extend(chat.answer(question, picture) for question in self._questions(chat, prompt))
        except NoAnswerError as error:
            why = str(error)
        usage = chat.usage
        usd = vqa_score.cost(usage.prompt_tokens, usage.completion_tokens, self.usd_per_million_in, self.usd_per_million_out)
        detail = {
            "judge": self.model, "judge_version": chat.version, "answers": answers, "usage": vars(usage),
            "cost_usd": None if math.isnan(usd) else usd,
        }  # fmt: skip
        if why is not None:
            return column.missing(fingerprint, why, sample.record, detail=detail)
        return column.scored(fingerprint, sum(a["score"] for a in answers) / len(answers), sample.record, detail)

    def _questions(self, chat: Chat, prompt: str) -> tuple[str, ...]:
        """What is asked about a picture of ``prompt``; derived once, then kept."""
        if self.questions == "prompt":
            return (vqa_score.TEMPLATE.format(prompt=prompt),)
        key = digest([self.base_url or "openai", self._asker, vqa_score.DERIVE, prompt])
        if key not in self._derived:
            questions = vqa_score.parse_questions(chat.derive(self._asker, prompt))
            if len(questions) < vqa_score.MIN_QUESTIONS:
                raise NoAnswerError(
                    f"{self._asker} derived {len(questions)} questions from the prompt; {vqa_score.MIN_QUESTIONS} are needed"
                )
            self._derived[key] = questions
            self._keep({"key": key, "model": self._asker, "prompt": prompt, "questions": questions})
        return tuple(q + vqa_score.ANSWER_FORM for q in self._derived[key])

    def _keep(self, line: Mapping[str, Any]) -> None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        except OSError as error:
            raise ConfigError(f"cannot write {self._file} ({error}); name another with: metric.{self.name}.questions_file=FILE") from error

    @property
    def _file(self) -> Path:
        return Path(self.questions_file).expanduser()

    @cached_property
    def _derived(self) -> dict[str, tuple[str, ...]]:
        if not self._file.is_file():
            return {}
        try:
            rows = [json.loads(line) for line in self._file.read_text(encoding="utf-8").split("\n") if line.strip()]
            return {row["key"]: tuple(row["questions"]) for row in rows}
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{self._file} is damaged ({error}); delete it, and the questions are derived again") from error


def data_url(image: Image.Image, long_side: int) -> str:
    """The picture as a PNG data URL, its long side at ``long_side`` pixels or less (Lanczos)."""
    from PIL import Image as Images  # noqa: PLC0415 - slow import

    factor = long_side / max(image.size)
    if factor < 1:
        image = image.resize((max(1, round(image.width * factor)), max(1, round(image.height * factor))), Images.Resampling.LANCZOS)
    data = io.BytesIO()
    image.convert("RGB").save(data, "PNG")
    return f"data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}"
