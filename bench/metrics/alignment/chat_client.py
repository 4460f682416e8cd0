"""A judge over OpenAI's chat-completions protocol: attempts, tokens, and errors in plain words without the key."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from bench.core import http, openai_sdk
from bench.errors import BenchError
from bench.metrics.alignment import vqa_score

_MAX_WAIT_S = 120.0
_DECLINED = {"content_policy_violation", "content_filter", "moderation_blocked", "invalid_prompt"}


class NoAnswerError(Exception):
    """The judge gave no usable answer to this picture."""


@dataclass(frozen=True)
class ChatEndpoint:
    """A server that speaks OpenAI's chat-completions protocol, and how requests to it are made.

    Attributes:
        model: name the server knows, of a model that takes pictures.
        name: of the metric, for messages.
        base_url: of the server; None is OpenAI's.
        api_key_env: the environment variable that holds the key.
        timeout_s, attempts: seconds an attempt may take, and how many there are.
        top_logprobs: number of likeliest tokens requested, 0 for none; a server that refuses them is asked again without.
        extra: further arguments of the request; a null leaves out an argument that would be sent otherwise.
        sleep: waits so many seconds between attempts.
    """

    model: str
    name: str = "vqa"
    base_url: str | None = None
    api_key_env: str = "OPENAI_API_KEY"
    top_logprobs: int = 20
    timeout_s: float = 60.0
    attempts: int = 4
    extra: Mapping[str, Any] = field(default_factory=dict)
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False, compare=False)

    @cached_property
    def no_logprobs(self) -> set[str]:
        """Models of this server that refuse log-probabilities."""
        return set()


@dataclass
class Usage:
    """Requests and tokens spent on one picture."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True)
class Reply:
    """What the server answered.

    Attributes:
        text: the answer, without surrounding space.
        top: the likeliest alternatives of its first token, each with its natural log-probability.
        version: the model as the server names it.
    """

    text: str
    top: list[tuple[str, float]]
    version: str | None


class Chat:
    """The conversation about one picture.

    Attributes:
        usage: what it has cost so far.
        version: the model as the server names it; None before the first answer.
    """

    def __init__(self, endpoint: ChatEndpoint, client: Any, key: str) -> None:  # noqa: ANN401 - SDK client
        self._endpoint, self._client, self._key = endpoint, client, key
        self.usage = Usage()
        self.version: str | None = None

    def answer(self, question: str, picture: str) -> dict[str, Any]:
        """Question, answer and score of a picture (a data URL).

        Raises:
            NoAnswerError: the judge declined, said neither yes nor no, or did not answer.
            BenchError: no picture would fare better (key, model, quota, connection).
        """
        content = [{"type": "image_url", "image_url": {"url": picture}}, {"type": "text", "text": question}]
        arguments: dict[str, Any] = {"model": self._endpoint.model, "max_tokens": 16}
        if self._endpoint.top_logprobs:
            arguments |= {"logprobs": True, "top_logprobs": self._endpoint.top_logprobs}
        reply = self._ask(content, arguments)
        self.version = reply.version
        soft = vqa_score.soft_score(reply.top)
        score = vqa_score.plain_score(reply.text) if soft is None else soft
        if score is None:
            raise NoAnswerError(f"the judge answered neither yes nor no: {reply.text[:100]!r}")
        return {"question": question, "answer": reply.text[:200], "score": score, "soft": soft is not None}

    def derive(self, model: str, prompt: str) -> str:
        """The text in which ``model`` lists questions about a prompt; raises as ``answer`` does."""
        return self._ask(vqa_score.DERIVE.format(prompt=prompt), {"model": model, "max_tokens": 600}).text

    def _ask(self, content: Any, arguments: dict[str, Any]) -> Reply:  # noqa: ANN401 - text or parts
        arguments = {"messages": [{"role": "user", "content": content}], "temperature": 0, **arguments, **dict(self._endpoint.extra)}
        reply = self._send({k: v for k, v in arguments.items() if v is not None})
        if reply.usage:
            self.usage.prompt_tokens += reply.usage.prompt_tokens
            self.usage.completion_tokens += reply.usage.completion_tokens
        if not reply.choices:
            raise NoAnswerError("the judge sent an empty answer")
        choice = reply.choices[0]
        if choice.finish_reason == "content_filter" or choice.message.refusal:
            raise NoAnswerError(f"the judge declined: {self._clean(choice.message.refusal or 'its answer was filtered')}")
        tokens = (choice.logprobs.content if choice.logprobs else None) or []
        first = next((t for t in tokens if t.token.strip()), None)
        top = [(t.token, t.logprob) for t in first.top_logprobs] if first else []
        return Reply((choice.message.content or "").strip(), top, reply.model)

    def _send(self, arguments: dict[str, Any]) -> Any:  # noqa: ANN401 - SDK object
        import openai  # noqa: PLC0415 - slow import

        attempt = 1
        while True:
            if arguments["model"] in self._endpoint.no_logprobs:
                arguments = {k: v for k, v in arguments.items() if k not in {"logprobs", "top_logprobs"}}
            self.usage.requests += 1
            try:
                return self._client.chat.completions.create(**arguments)
            except openai.OpenAIError as error:
                if isinstance(error, openai.BadRequestError) and "logprobs" in arguments and "logprobs" in str(error):
                    self._endpoint.no_logprobs.add(arguments["model"])
                    continue
                self._raise_unless_retryable(error, arguments["model"], attempt)
                self._endpoint.sleep(wait(error, attempt))
                attempt += 1

    def _raise_unless_retryable(self, error: Exception, model: str, attempt: int) -> None:
        """Raise what ``error`` means, unless another attempt is worth it."""
        import openai  # noqa: PLC0415 - slow import

        endpoint, message, code = self._endpoint, self._clean(error), getattr(error, "code", None)
        where = endpoint.base_url or "OpenAI"
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            raise BenchError(f"{endpoint.name}: the server refuses the key in {endpoint.api_key_env}: {message}") from None
        if isinstance(error, openai.NotFoundError):
            raise BenchError(
                f"{endpoint.name}: {where} has no model {model!r}; name one with metric.{endpoint.name}.model=…: {message}"
            ) from None
        if code == "insufficient_quota":
            raise BenchError(f"{endpoint.name}: the account behind {endpoint.api_key_env} has no quota left: {message}") from None
        if code in _DECLINED:
            raise NoAnswerError(f"the judge declined: {message}") from None
        fatal = http.refused_for_good(error, endpoint.base_url or openai_sdk.ADDRESS)
        if fatal:
            raise BenchError(f"{endpoint.name}: {fatal}") from None
        if not _transient(error):
            raise NoAnswerError(f"the server does not take the request: {message}") from None
        if attempt >= endpoint.attempts:
            if isinstance(error, openai.APIConnectionError):
                raise BenchError(f"{endpoint.name}: cannot reach {where} in {attempt} attempts: {message}") from None
            raise NoAnswerError(f"no answer in {attempt} attempts: {message}") from None

    def _clean(self, error: object) -> str:
        return " ".join(str(error).replace(self._key, "***").split())[:300]


def _transient(error: Exception) -> bool:
    import openai  # noqa: PLC0415 - slow import

    if isinstance(error, openai.APIConnectionError | openai.RateLimitError | openai.InternalServerError):
        return True
    return isinstance(error, openai.APIStatusError) and error.status_code in {408, 409}


def wait(error: Exception, attempt: int) -> float:
    """Seconds until the next attempt: those of ``Retry-After``, else 1, then 2, then 4 and so on; 120 at most."""
    seconds = http.retry_after(getattr(getattr(error, "response", None), "headers", {}))
    return min(2.0 ** (attempt - 1) if seconds is None else seconds, _MAX_WAIT_S)
