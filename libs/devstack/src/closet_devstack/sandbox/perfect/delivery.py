"""Ways in which an answer reaches its caller, or does not."""

from dataclasses import dataclass

from aiohttp import web

from closet_devstack.sandbox.perfect.clock import Clock

_PIECES = 20


@dataclass(frozen=True, slots=True)
class Sending:
    """How a body is sent: over how long, and whether the connection is cut half-way."""

    trickle_s: float = 0
    is_cut: bool = False


async def send(request: web.Request, response: web.Response, sending: Sending, clock: Clock) -> web.StreamResponse:
    """Send it in pieces, and return when the last one was taken."""
    body = bytes(response.body) if isinstance(response.body, bytes) else b""
    stream = web.StreamResponse(status=response.status, headers=response.headers)
    stream.content_length = len(body)
    await stream.prepare(request)
    if sending.is_cut:
        await stream.write(body[: len(body) // 2])
        return cut(request)
    await _trickle(stream, body, sending.trickle_s, clock)
    await stream.write_eof()
    return stream


async def _trickle(stream: web.StreamResponse, body: bytes, duration_s: float, clock: Clock) -> None:
    pieces = _PIECES if duration_s else 1
    step = max(1, -(-len(body) // pieces))
    for start in range(0, len(body), step):
        await clock.sleep(duration_s / pieces)
        await stream.write(body[start : start + step])


def cut(request: web.Request) -> web.StreamResponse:
    """End the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
