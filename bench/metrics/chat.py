"""Asking a judge over the chat-completions protocol: attempts, tokens, and errors in plain words without the key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError
from bench.hosted.pacing import retry_after
from bench.metrics import judging

if TYPE_CHECKING:
    from bench.metrics.vqa import VqaJudge

_LONGEST_WAIT = 120.0
_DECLINED = {"content_policy_violation", "content_filter", "moderation_blocked", "invalid_prompt"}


class Unanswered(Exception):  # noqa: N818 - not a fault of the program
    """The judge gave no usable answer to this picture."""


@dataclass
class Spent:
    """Tokens and requests of one picture."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True)
class Reply:
    """What came back: the text, the first token's likeliest alternatives, the model the server names."""

    text: str
    top: list[tuple[str, float]]
    version: str | None


class Chat:
    """The conversation about one picture."""

    def __init__(self, judge: VqaJudge, client: Any, key: str) -> None:  # noqa: ANN401 - SDK client
        self._judge, self._client, self._key = judge, client, key
        self.spent = Spent()
        self.version: str | None = None

    def answer(self, question: str, picture: str) -> dict[str, Any]:
        """Question, answer and score of a picture (a data URL).

        Raises:
            Unanswered: the judge declined, said neither yes nor no, or was not to be had.
            BenchError: no picture would fare better (key, model, quota, connection).
        """
        content = [{"type": "image_url", "image_url": {"url": picture}}, {"type": "text", "text": question}]
        told: dict[str, Any] = {"model": self._judge.model, "max_tokens": 16}
        if self._judge.top_logprobs:
            told |= {"logprobs": True, "top_logprobs": self._judge.top_logprobs}
        reply = self._ask(content, told)
        self.version = reply.version
        soft = judging.soft_score(reply.top)
        score = judging.plain_score(reply.text) if soft is None else soft
        if score is None:
            raise Unanswered(f"the judge answered neither yes nor no: {reply.text[:100]!r}")
        return {"question": question, "answer": reply.text[:200], "score": score, "soft": soft is not None}

    def derive(self, model: str, prompt: str) -> str:
        """The model's list of questions about a prompt; raises as ``answer`` does."""
        return self._ask(judging.DERIVE.format(prompt=prompt), {"model": model, "max_tokens": 600}).text

    def _ask(self, content: Any, told: dict[str, Any]) -> Reply:  # noqa: ANN401 - text or parts
        told = {"messages": [{"role": "user", "content": content}], "temperature": 0, **told, **dict(self._judge.extra)}
        reply = self._sent({k: v for k, v in told.items() if v is not None})
        if reply.usage:
            self.spent.prompt_tokens += reply.usage.prompt_tokens
            self.spent.completion_tokens += reply.usage.completion_tokens
        if not reply.choices:
            raise Unanswered("the judge sent an empty answer")
        choice = reply.choices[0]
        if choice.finish_reason == "content_filter" or choice.message.refusal:
            raise Unanswered(f"the judge declined: {self._clean(choice.message.refusal or 'its answer was filtered')}")
        tokens = (choice.logprobs.content if choice.logprobs else None) or []
        first = next((t for t in tokens if t.token.strip()), None)
        top = [(t.token, t.logprob) for t in first.top_logprobs] if first else []
        return Reply((choice.message.content or "").strip(), top, reply.model)

    def _sent(self, told: dict[str, Any]) -> Any:  # noqa: ANN401 - SDK object
        import openai  # noqa: PLC0415 - slow import

        attempt = 1
        while True:
            if told["model"] in self._judge.no_logprobs:
                told = {k: v for k, v in told.items() if k not in {"logprobs", "top_logprobs"}}
            self.spent.requests += 1
            try:
                return self._client.chat.completions.create(**told)
            except openai.OpenAIError as error:
                if isinstance(error, openai.BadRequestError) and "logprobs" in told and "logprobs" in str(error):
                    self._judge.no_logprobs.add(told["model"])
                    continue
                self._give_up(error, told["model"], attempt)
                self._judge.sleep(wait(error, attempt))
                attempt += 1

    def _give_up(self, error: Exception, model: str, attempt: int) -> None:
        """Raise what ``error`` means, unless another attempt is worth it."""
        import openai  # noqa: PLC0415 - slow import

        judge, said, code = self._judge, self._clean(error), getattr(error, "code", None)
        where = judge.base_url or "OpenAI"
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            raise BenchError(f"{judge.name}: the server refuses the key in {judge.api_key_env}: {said}") from None
        if isinstance(error, openai.NotFoundError):
            raise BenchError(f"{judge.name}: {where} has no model {model!r}; name one with metric.{judge.name}.model=…: {said}") from None
        if code == "insufficient_quota":
            raise BenchError(f"{judge.name}: the account behind {judge.api_key_env} has no quota left: {said}") from None
        if code in _DECLINED:
            raise Unanswered(f"the judge declined: {said}") from None
        if not _transient(error):
            raise Unanswered(f"the server does not take the request: {said}") from None
        if attempt >= judge.attempts:
            if isinstance(error, openai.APIConnectionError):
                raise BenchError(f"{judge.name}: cannot reach {where} in {attempt} attempts: {said}") from None
            raise Unanswered(f"no answer in {attempt} attempts: {said}") from None

    def _clean(self, error: object) -> str:
        return " ".join(str(error).replace(self._key, "***").split())[:300]


def _transient(error: Exception) -> bool:
    import openai  # noqa: PLC0415 - slow import

    if isinstance(error, openai.APIConnectionError | openai.RateLimitError | openai.InternalServerError):
        return True
    return isinstance(error, openai.APIStatusError) and error.status_code in {408, 409}


def wait(error: Exception, attempt: int) -> float:
    """Seconds until the next attempt: what ``Retry-After`` says (120 at most), else 1, then 2, then 4 and so on."""
    said = retry_after(getattr(getattr(error, "response", None), "headers", {}))
    return min(2.0 ** (attempt - 1) if said is None else said, _LONGEST_WAIT)
