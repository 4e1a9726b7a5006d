"""Bytes to and from storage by signed URLs. The URLs are secrets: no error names one."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import aiohttp
from multidict import CIMultiDict
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from closet_client.errors import TransferFailed
from closet_client.pictures import SUFFIXES, Source, content_type_of
from closet_client.proxies import proxy_for

Progress = Callable[[int, int], None]  # bytes so far, bytes in all (0 where storage did not say)

_CHUNK = 1 << 16
_SUFFIXES = {**SUFFIXES, "application/json": ".json"}
# Nothing for so long is a dead connection; a slow one that still moves may take as long as the URL lives.
_TIMEOUT = aiohttp.ClientTimeout(total=600, sock_connect=5, sock_read=60)


@dataclass(frozen=True)
class Downloaded:
    """A file that is here, whole."""

    path: Path
    content_type: str
    size: int


async def put(
    session: aiohttp.ClientSession, url: str, headers: Mapping[str, str], source: Source, progress: Progress
) -> None:
    """One PUT with exactly `headers`, which the signature binds.

    Raises:
        TransferFailed: storage refused, or the connection broke.
    """
    sent = CIMultiDict(headers)
    sent["Content-Length"] = str(source.size)  # or aiohttp would send it in chunks, which storage refuses
    try:
        async with session.put(
            url,
            headers=sent,
            data=_told(source, progress),
            timeout=_TIMEOUT,
            allow_redirects=False,
            proxy=proxy_for(url),
        ) as response:
            if response.status >= HTTPStatus.MULTIPLE_CHOICES:
                raise TransferFailed(f"Storage did not take the picture ({response.status}).", response.status)
    except (TimeoutError, aiohttp.ClientError, ConnectionError) as error:
        raise TransferFailed(f"The upload broke off ({type(error).__name__}).") from error


async def _told(source: Source, progress: Progress) -> AsyncIterator[bytes]:
    sent = 0
    progress(sent, source.size)
    async for chunk in source.chunks():
        yield chunk
        sent += len(chunk)
        progress(sent, source.size)


async def download(session: aiohttp.ClientSession, url: str, path: Path, progress: Progress) -> Downloaded:
    """Save what `url` gives as `path`, which appears whole or not at all.

    A path without a suffix gets the one of the file's type; the bytes are never converted.

    Raises:
        TransferFailed: storage refused (an expired URL is a 403), or the connection broke again and again.
        OSError: the file cannot be written.
    """
    retrying = AsyncRetrying(
        retry=retry_if_exception(_may_pass),
        stop=stop_after_attempt(4),
        wait=wait_random_exponential(0.2, 3),
        reraise=True,
    )
    with _beside(path) as (part, file):
        size: int
        named: str
        size, named = await retrying(_fetch, session, url, file, progress)
        file.close()
        with part.open("rb") as written:
            content_type = content_type_of(written.read(12)) or named
        target = path if path.suffix else path.with_suffix(_SUFFIXES.get(content_type, ""))
        part.replace(target)
    return Downloaded(target, content_type, size)


async def _fetch(session: aiohttp.ClientSession, url: str, file: BinaryIO, progress: Progress) -> tuple[int, str]:
    """The number of bytes, and what storage calls them."""
    file.seek(0)
    file.truncate()
    size = 0
    try:
        async with session.get(url, timeout=_TIMEOUT, proxy=proxy_for(url)) as response:
            if response.status != HTTPStatus.OK:
                raise TransferFailed(f"Storage did not give the picture ({response.status}).", response.status)
            async for chunk in response.content.iter_chunked(_CHUNK):
                size += file.write(chunk)
                progress(size, response.content_length or 0)
    except (TimeoutError, aiohttp.ClientError, ConnectionError) as error:
        raise TransferFailed(f"The download broke off ({type(error).__name__}).") from error
    return size, response.content_type


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, TransferFailed) and (
        error.status is None or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    )


@contextmanager
def _beside(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    part = path.parent / f".{path.name}.{uuid4().hex}.part"
    try:
        with part.open("xb") as file:
            yield part, file
    finally:
        part.unlink(missing_ok=True)
