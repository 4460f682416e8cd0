"""OpenAI's image API and every server that speaks it (vLLM, LocalAI, Azure, …), through the official SDK."""

from __future__ import annotations

import base64
import os
import re
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError, ConfigError, MissingKeyError
from bench.types import Rendered, Request, Timing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.types import Prompt

_REFUSALS = {"moderation_blocked", "content_policy_violation"}
_GONE = re.compile(r"dall-?e-?[23]")
_MOST_BYTES = 64 * 2**20


@dataclass(frozen=True)
class OpenAIProvider:
    """An image model behind ``images.generate``.

    Attributes:
        model: name the server knows.
        base_url: another server than OpenAI's.
        api_key_env: the environment variable that holds the key.
        size: "1024x1024" or "auto"; the API takes no seed and no aspect.
        quality: "low", "medium", "high" or "auto".
        extra: further arguments of ``images.generate``.

    Raises:
        ConfigError: a DALL·E model at OpenAI itself, which shut it down.
    """

    name: str
    model: str
    base_url: str | None = None
    api_key_env: str = "OPENAI_API_KEY"
    size: str = "1024x1024"
    quality: str | None = None
    timeout_s: float = 180.0
    extra: Mapping[str, Any] = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)
    batch_size: int = 1
    hosted: bool = True

    def __post_init__(self) -> None:
        if self.base_url is None and _GONE.fullmatch(self.model):
            raise ConfigError(
                f"{self.model} was shut down on OpenAI's API on 2026-05-12; use model=gpt-image, set model.base_url to a server that still "
                "has it, or import archived pictures: python -m bench import FOLDER --name dalle3 --prompts SET"
            )
        if not re.fullmatch(r"\d+x\d+|auto", str(self.size)):
            raise ConfigError(f"model.size={self.size!r} must be WIDTHxHEIGHT or auto")
        if not isinstance(self.timeout_s, int | float) or self.timeout_s <= 0:
            raise ConfigError(f"model.timeout_s={self.timeout_s!r} must be a number above 0")

    def request(self, prompt: Prompt, seed: int | None) -> Request:  # noqa: ARG002 - the API takes no seed
        """The request for a prompt; one picture a prompt, for there is no seed to tell two apart."""
        width, height = (int(s) for s in self.size.split("x")) if self.size != "auto" else (0, 0)
        settings = {"quality": self.quality, "endpoint": self.base_url or "openai", **dict(self.extra)}
        return Request(self.model, "", prompt.text, None, None, width, height, settings)

    def check(self) -> None:
        """Raise MissingKeyError without a key."""
        if not os.environ.get(self.api_key_env):
            raise MissingKeyError(f"{self.name} needs a key: export {self.api_key_env}=…; without one, model=tiny-dev runs anywhere")

    def open(self, say: Callable[[str], None]) -> OpenAISession:
        """Build the client; nothing is sent yet."""
        began = time.monotonic()
        import openai  # noqa: PLC0415 - slow import

        say(f"{self.name}: {self.model} at {self.base_url or 'OpenAI'}")
        key = os.environ[self.api_key_env]
        client = openai.OpenAI(api_key=key, base_url=self.base_url, timeout=self.timeout_s, max_retries=0)
        return OpenAISession(self, client, key, time.monotonic() - began)


class OpenAISession:
    """One call a picture; latency is the whole call.

    The head of the answer ends generation, for servers send it when the picture is there; its body, and the file behind
    a link, are the download. Waiting in the server's queue cannot be told from generation. Nothing is tried twice.
    """

    def __init__(self, provider: OpenAIProvider, client: Any, key: str, load_s: float) -> None:  # noqa: ANN401 - SDK client
        self._provider, self._client, self._key = provider, client, key
        self._load_s = load_s

    @property
    def facts(self) -> Mapping[str, Any]:
        """Where pictures are made."""
        return {"device": "hosted", "endpoint": self._provider.base_url or "openai", "load_s": self._load_s}

    def render(self, requests: Sequence[Request]) -> list[Rendered]:
        """Pictures, refusals and failures. Raises BenchError when the key is wrong, for that ends the run."""
        return [self._one(request) for request in requests]

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _one(self, request: Request) -> Rendered:
        import openai  # noqa: PLC0415 - imported by ``open``

        began = time.perf_counter()
        told: dict[str, Any] = {"model": request.model, "prompt": request.prompt, "size": self._provider.size, **dict(self._provider.extra)}
        if self._provider.quality:
            told["quality"] = self._provider.quality
        try:
            with self._client.images.with_streaming_response.generate(**told) as response:
                generated = time.perf_counter()
                answer = _read(response)
            data = list(answer.data or [])
            image = self._bytes(data[0]) if data else None
            ended = time.perf_counter()
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            raise BenchError(
                f"{self._provider.name}: the server refuses the key in {self._provider.api_key_env}: {self._clean(error)}"
            ) from None
        except openai.BadRequestError as error:
            refused = error.code in _REFUSALS
            return Rendered("refused" if refused else "failed", error=self._clean(error), timing=_took(began), detail={"code": error.code})
        except (openai.OpenAIError, OSError, ValueError) as error:
            return Rendered("failed", error=self._clean(error), timing=_took(began))
        usage = answer.usage.model_dump() if answer.usage else {}
        if image is None:
            return Rendered("refused", error="the server answered without a picture", timing=_took(began), detail={"usage": usage})
        timing = Timing(latency_s=ended - began, generate_s=generated - began, download_s=ended - generated, retry_s=0.0)
        return Rendered("ok", image, timing, revised_prompt=data[0].revised_prompt, detail={"usage": usage})

    def _bytes(self, item: Any) -> bytes | None:  # noqa: ANN401 - SDK object
        if item.b64_json:
            data = base64.b64decode(item.b64_json, validate=True)
        elif item.url:
            data = self._download(item.url)
        else:
            return None
        if not data.startswith((b"\x89PNG", b"\xff\xd8\xff", b"RIFF")):
            raise ValueError("the server sent something that is no PNG, JPEG or WebP picture")
        return data

    def _download(self, url: str) -> bytes:
        own = self._provider.base_url or ""
        if not url.startswith("https://") and not (own.startswith("http://") and url.startswith("http://")):
            raise ValueError("the picture's address is not https")
        with urllib.request.urlopen(url, timeout=self._provider.timeout_s) as answer:  # noqa: S310 - scheme checked above
            data: bytes = answer.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise ValueError("the picture is larger than 64 MiB")
        return data

    def _clean(self, error: Exception) -> str:
        return " ".join(str(error).replace(self._key, "***").split())[:300]


def _read(response: Any) -> Any:  # noqa: ANN401 - SDK objects
    """The body of an answer. Raises OSError where it breaks off, for the SDK lets its transport's own errors through."""
    import openai  # noqa: PLC0415 - imported by ``open``

    try:
        return response.parse()
    except (openai.OpenAIError, OSError, ValueError):
        raise
    except Exception as error:
        raise OSError(f"the answer broke off: {error}") from error


def _took(began: float) -> Timing:
    return Timing(latency_s=time.perf_counter() - began, retry_s=0.0)
