"""What the fault server answers: which fault, drawn or asked for, and in which vendor's words.

A prompt asks for faults in brackets, in order: "[429:2][half:1] a fox" is told to slow down twice, then gets half a
picture, then a whole one; "[500] a fox" never gets one. Drawn faults depend on seed, prompt and attempt alone.

========================== =============================================================================================
429, 500, 503, 4xx, 5xx     that status, with ``Retry-After: 0`` where another try makes sense; 401, 402, 404 and "quota"
                            in the words that end a run
slow                        the picture comes late
half, close                 the answer breaks off in the middle, or before it begins
html, headers               a web page instead of an answer; more headers than a client should read
notimage, garbled, huge     a text, broken base64, or a PNG that claims 60,000 x 60,000 pixels, where a picture should be
expired, redirect, large    a picture behind a link that has run out, leads to a private address, or never ends
moderated, filtered         the prompt declined, the picture withheld; final
empty, task                 a 200 without a picture or a word, a 202 with the name of a task: no refusals
error, lost, pollfail       BFL: the task fails, is forgotten, or its polling does
url, cost:N, tokens:N,      no faults: the picture behind a link, the reported price (US cents) or output tokens, and a
revised                     rewritten prompt
========================== =============================================================================================
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct
import zlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

WITHHELD = ("moderated", "filtered")
LINKED = frozenset({"expired", "redirect", "large"})
"""Faults of the link, not of the answer that holds it."""
DRAWN = {
    "generate": ("429", "500", "503", "half", "close", "html", "notimage", "429"),
    "submit": ("429", "500", "error", "lost", "pollfail", "expired", "notimage", "half"),
}
_WITHHELD_SHARE = 0.25
_WORD = re.compile(r"\[([a-z]+|\d{3})(?::(\d+))?\]")
_NO_FAULTS = {"url", "cost", "tokens", "revised"}
_LATER = {"pollfail", "expired"}
"""Their number counts polls and links of one attempt, not attempts."""
_PAGE = b"<!doctype html><title>Bad gateway</title><p>This is no picture.</p>"
_TOLD = {
    "400": ("invalid_request_error", "invalid_value", "bad parameter"),
    "401": ("invalid_request_error", "invalid_api_key", "this key is not known here"),
    "402": ("billing", "payment_required", "no credit left"),
    "403": ("invalid_request_error", "permission_denied", "this key may not do that"),
    "404": ("invalid_request_error", "model_not_found", "no such model"),
    "429": ("requests", "rate_limit_exceeded", "too many requests"),
    "quota": ("insufficient_quota", "insufficient_quota", "the quota is used up; see plan and billing"),
}


@dataclass(frozen=True)
class Script:
    """Which outcome an attempt has: what the prompt's brackets say, else ``share`` of faults drawn with ``seed``."""

    share: float
    seed: int

    def outcome(self, prompt: str, turn: int, kind: str) -> str:
        """Of the ``turn``-th attempt (from 1) at a prompt; "ok" or a word of the table above."""
        for word, times in words(prompt):
            if word in _NO_FAULTS:
                continue
            if (word in _LATER and kind == "submit") or times is None or turn <= times:
                return word
            turn -= times
        if _draw(self.seed, prompt, 0) < self.share * _WITHHELD_SHARE:
            return WITHHELD[int(_draw(self.seed, prompt, -1) * len(WITHHELD))]
        if _draw(self.seed, prompt, turn) < self.share * (1 - _WITHHELD_SHARE) / (1 - self.share * _WITHHELD_SHARE):
            return DRAWN[kind][int(_draw(self.seed, prompt, -1 - turn) * len(DRAWN[kind]))]
        return "ok"


def words(prompt: str) -> list[tuple[str, int | None]]:
    """The bracketed words of a prompt with their numbers."""
    return [(word, int(number) if number else None) for word, number in _WORD.findall(prompt)]


def number(prompt: str, wanted: str, default: float | None = None) -> float | None:
    """The number that the prompt gives a word."""
    return next((float(n) for word, n in words(prompt) if word == wanted and n is not None), default)


@lru_cache(maxsize=4096)
def picture(prompt: str, side: int = 16) -> bytes:
    """A PNG that only this prompt has: 16 x 16 coloured blocks."""
    block, colours = side // 16, hashlib.shake_256(prompt.encode()).digest(16 * 16 * 3)
    rows = [b"\0" + b"".join(colours[i : i + 3] * block for i in range(r, r + 48, 3)) for r in range(0, len(colours), 48)]
    return _png(16 * block, zlib.compress(b"".join(row * block for row in rows), 1))


def said(outcome: str, data: bytes) -> bytes:
    """The bytes that stand where the picture should."""
    return {"notimage": _PAGE, "huge": _png(60_000, zlib.compress(b""))}.get(outcome, data)


@dataclass
class Answer:
    """An HTTP answer, or part of one."""

    status: int
    body: bytes
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    half: bool = False
    endless: bool = False

    async def send(self, writer: asyncio.StreamWriter) -> bool:
        """Write it; whether the connection can go on."""
        if not self.status:
            return False
        told = {"Content-Type": self.kind, "Content-Length": str(len(self.body)), **self.headers}
        if self.endless:
            told["Content-Length"] = str(2**40)
        head = f"HTTP/1.1 {self.status} -\r\n" + "".join(f"{name}: {value}\r\n" for name, value in told.items()) + "\r\n"
        writer.write(head.encode() + (self.body[: len(self.body) // 2] if self.half else self.body))
        await writer.drain()
        while self.endless:
            writer.write(bytes(2**20))
            await writer.drain()
        return not self.half


def json_answer(status: int, body: object, **headers: str) -> Answer:
    """An answer in JSON."""
    return Answer(status, json.dumps(body).encode(), headers={name.replace("_", "-"): value for name, value in headers.items()})


def problem(vendor: str, word: str, echo: str = "", message: str = "") -> Answer:
    """An error in the vendor's shape; ``echo`` (the key of a careless server) is repeated in it."""
    status = 429 if word == "quota" else int(word)
    kind, code, text = _TOLD.get(word, ("server_error", "internal_error", "something broke here"))
    text = f"{message or text} {echo}".strip()
    bodies: dict[str, dict[str, Any]] = {
        "openai": {"error": {"message": text, "type": kind, "param": None, "code": None if status >= 500 else code}},
        "xai": {"code": code, "error": text},
        "bfl": {"detail": text},
        "stability": {"id": "0" * 32, "name": code, "errors": [text]},
    }
    if vendor == "bfl" and status == 401:
        status = 403
    if vendor == "xai" and status == 401:
        status, bodies["xai"]["code"] = 400, "Client specified an invalid argument"
        bodies["xai"]["error"] = f"Incorrect API key provided: {echo or 'xa***y'}."
    return json_answer(status, bodies[vendor], **({"Retry_After": "0"} if status in {408, 409, 429} or status >= 500 else {}))


def broken(vendor: str, outcome: str, echo: str) -> Answer | None:
    """The answer of an outcome that gives no answer of the vendor's; None for the others."""
    match outcome:
        case "close":
            return Answer(0, b"")
        case "html":
            return Answer(200, _PAGE + echo.encode(), "text/html")
        case "headers":
            return Answer(200, b"{}", headers={f"X-Bomb-{i}": "x" * 1000 for i in range(1000)})
        case "empty":
            return Answer(200, b"", "image/png") if vendor == "stability" else json_answer(200, {"created": 1, "data": []})
        case "task":
            return json_answer(202, {"task": {"id": "task-1"}, "state": "queued"})
    return problem(vendor, outcome, echo) if outcome.isdigit() or outcome == "quota" else None


def withheld(vendor: str, outcome: str, echo: str) -> Answer | None:
    """The answer of an outcome in ``WITHHELD`` from OpenAI, xAI or Stability; None for the others and for a filtered Stability."""
    if outcome not in WITHHELD or (vendor, outcome) == ("stability", "filtered"):
        return None
    if vendor == "stability":
        return json_answer(403, {"id": "0" * 32, "name": "content_moderation", "errors": [f"flagged by moderation {echo}".strip()]})
    if vendor == "xai":
        return json_answer(400, {"code": "Client specified an invalid argument", "error": f"rejected by content moderation {echo}".strip()})
    details = {"moderation_stage": "input" if outcome == "moderated" else "output", "categories": ["made-up"]}
    error = {"message": f"the safety system declined {echo}".strip(), "type": "image_generation_user_error", "param": None,
             "code": "moderation_blocked", "moderation_details": details}  # fmt: skip
    return json_answer(400, {"error": error})


def made(
    vendor: str, prompt: str, told: Mapping[str, Any], *, data: bytes, link: str | None, outcome: str, accept: str, echo: str
) -> Answer:
    """A picture from OpenAI, xAI or Stability, in the answer or behind ``link``."""
    coded = "=broken=" if outcome == "garbled" else base64.b64encode(data).decode()
    half = outcome == "half"
    if vendor == "stability":
        reason = "CONTENT_FILTERED" if outcome == "filtered" else "SUCCESS"
        if "json" in accept:
            return Answer(200, json.dumps({"image": coded, "finish_reason": reason, "seed": 1}).encode(), half=half)
        return Answer(200, data, "image/png", {"finish-reason": reason, "seed": str(told.get("seed", 1))}, half=half)
    item = {"url": link} if link else {"b64_json": coded}
    if "[revised]" in prompt or str(told.get("model", "")).startswith("dall-e") or echo:
        item["revised_prompt"] = f"rewritten: {prompt} {echo}".strip()
    text, image = len(prompt.split()), int(number(prompt, "tokens", 100) or 0)
    usage = {"input_tokens": text, "input_tokens_details": {"text_tokens": text, "image_tokens": 0}, "output_tokens": image,
             "output_tokens_details": {"text_tokens": 0, "image_tokens": image}, "total_tokens": text + image}  # fmt: skip
    answer: dict[str, Any] = {"created": 1, "data": [item]}
    if vendor == "openai" and "response_format" not in told and link is None:
        answer["usage"] = {**usage, **({"served_to": echo} if echo else {})}
    return Answer(200, json.dumps(answer).encode(), half=half)


def _draw(seed: int, prompt: str, turn: int) -> float:
    """A number from 0 to 1 that these three decide."""
    return int.from_bytes(hashlib.sha256(f"{seed}\0{turn}\0{prompt}".encode()).digest()[:6]) / 2**48


def _png(side: int, pixels: bytes) -> bytes:
    """A PNG file of 8-bit colour."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)), (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in chunks)
