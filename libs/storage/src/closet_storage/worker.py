"""The process that decodes pictures: it holds no secrets, dies with its parent, and has limits.

Both sides send frames: the lengths of two parts, a JSON head, a picture's bytes. Nothing is ever unpickled, so a
compromised decoder gains nothing in the service.
"""

import ctypes
import json
import math
import os
import resource
import select
import signal
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from closet_storage.picture import Picture, PictureRejected

LENGTHS = struct.Struct(">II")
_PR_SET_PDEATHSIG = 1
_NICE = 5
_IDLE_S = 1.0

Calls = dict[str, Callable[..., Picture]]


def frame_header(head: dict[str, Any], data: bytes) -> bytes:
    """Return the bytes of a frame that precede `data`."""
    text = json.dumps(head).encode()
    return LENGTHS.pack(len(text), len(data)) + text


def main(parent: int, memory_bytes: int, cpu_s: int) -> None:
    """Answer frames from stdin until it ends. The kernel kills the process if a frame takes more than `cpu_s`."""
    _restrict(parent, memory_bytes)
    from closet_storage import images  # noqa: PLC0415 - decoders are loaded when the limits hold

    calls: Calls = {
        "normalise": images.normalise,
        "fit": images.fit,
        "jpeg": images.jpeg,
        "mask": images.mask,
        "check_result": images.check_result,
    }
    requests, replies = sys.stdin.buffer, _reserve_stdout()
    _send(replies, {"ready": True})
    while True:
        _wait(requests)
        if not (lengths := requests.read(LENGTHS.size)):
            return
        head_length, data_length = LENGTHS.unpack(lengths)
        head = json.loads(requests.read(head_length))
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time()) + cpu_s, resource.RLIM_INFINITY))
        _send(replies, *_answer(calls, head, requests.read(data_length)))


def _answer(calls: Calls, head: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    try:
        picture = calls[head["call"]](data, **head["arguments"])
    except PictureRejected as refusal:
        return {"code": refusal.code, "message": refusal.message}, b""
    made = {"content_type": picture.content_type, "width": picture.width, "height": picture.height}
    # Bytes that were clean already need not be sent back.
    return (made | {"same": True}, b"") if picture.data is data else (made, picture.data)


def _wait(requests: BinaryIO) -> None:
    """Wait for a frame; after `_IDLE_S` return the memory of the last picture to the system."""
    libc = ctypes.CDLL(None)
    if not select.select([requests], [], [], _IDLE_S)[0] and hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)


def _restrict(parent: int, memory_bytes: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent died before the line above
        sys.exit(1)
    os.nice(_NICE)  # the service's own loop goes first
    with suppress(OSError):  # where memory runs out, the kernel shall end this process, not the service
        Path("/proc/self/oom_score_adj").write_text("1000")
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _reserve_stdout() -> BinaryIO:
    """Reserve stdout for frames and return it; everything else that is printed goes to stderr."""
    frames = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return frames


def _send(out: BinaryIO, head: dict[str, Any], data: bytes = b"") -> None:
    out.write(frame_header(head, data))
    out.write(data)
    out.flush()


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
