"""Keep the voting page from others: other machines, other users, other pages in the same browser."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src blob: data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
"""Of every response: load nothing from elsewhere, cache nothing, no frames, no referrer."""


@dataclass(frozen=True)
class Guard:
    """ASGI middleware that passes only the voting page's own requests on to ``app``.

    A request must

    - have this server as its ``Host``, which keeps out DNS rebinding: a site whose name was pointed at 127.0.0.1;
    - begin its path with the token, compared in constant time;
    - come from the page itself: ``Sec-Fetch-Site`` may name another site only where the page is opened, and a POST must have
      this server as its ``Origin`` and the type JSON, which forms of other sites cannot send.

    Every other request is answered 403 with the same text. ``app`` gets the path without the token.

    Attributes:
        app: the ASGI application behind the guard.
        token: secret of the address.
        port: the server's port on 127.0.0.1.
    """

    app: ASGIApp
    token: str
    port: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] != "http":
            return  # uvicorn runs without websockets and lifespan

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        _, _, rest = scope["path"].partition("/")
        token, slash, path = rest.partition("/")
        allowed = secrets.compare_digest(token.encode(), self.token.encode()) and self._from_here(scope)
        if not allowed:
            await PlainTextResponse("403: use the address that the command printed\n", 403)(scope, receive, send_with_headers)
        elif not slash:
            await RedirectResponse(f"/{self.token}/")(scope, receive, send_with_headers)
        else:
            await self.app({**scope, "path": f"/{path}", "raw_path": None}, receive, send_with_headers)

    def _from_here(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        hosts, site = headers.getlist("host"), headers.get("sec-fetch-site", "none")
        if len(hosts) != 1 or hosts[0] not in {f"127.0.0.1:{self.port}", f"localhost:{self.port}"}:
            return False
        opening = scope["method"] == "GET" and headers.get("sec-fetch-mode") == "navigate"
        if site not in {"same-origin", "none"} and not opening:
            return False
        if scope["method"] in {"GET", "HEAD"}:
            return True
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        return headers.getlist("origin") == [f"http://{hosts[0]}"] and kind == "application/json"
