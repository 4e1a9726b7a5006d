"""Reading and writing objects: signed URLs and plain streaming HTTP, a fraction of an SDK's CPU per object."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp
from closet_chassis.proxies import proxy_for
from opentelemetry import trace
from tenacity import retry, retry_if_exception, stop_after_attempt, wait_random_exponential
from yarl import URL

from closet_storage.signing import Signer, put_headers

_SIGNED_FOR_S = 300
_CHUNK = 256 * 1024
_TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=3, sock_read=15)
_PATIENCE = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
_tracer = trace.get_tracer("closet_storage")


class StorageError(Exception):
    """The storage did not do what it was asked to."""


class NotFound(StorageError):
    """There is no such object."""


class TooLarge(StorageError):
    """The object is larger than the caller will take."""


class StorageUnavailable(StorageError):
    """No answer, or one that asks for patience. Nothing is wrong with the object: try again later."""


class StorageRefused(StorageUnavailable):
    """The storage does not let us: wrong keys or rights. Only an operator can help, and then later works too."""


@dataclass(frozen=True)
class ObjectInfo:
    """What storage says about an object. `encryption` is that at rest, "" for none."""

    size: int
    content_type: str
    etag: str
    encryption: str


_retried = retry(
    retry=retry_if_exception(lambda e: isinstance(e, StorageUnavailable) and not isinstance(e, StorageRefused)),
    stop=stop_after_attempt(3),
    wait=wait_random_exponential(multiplier=0.1, max=1),
    reraise=True,
)


class ObjectStore:
    """One bucket as one identity. Every call is safe to repeat and is tried up to three times.

    All calls raise StorageUnavailable when the storage is away.
    """

    def __init__(self, session: aiohttp.ClientSession, signer: Signer, sse: str = "") -> None:
        self._session = session
        self._signer = signer
        self._sse = sse

    @_retried
    async def get(self, key: str, max_bytes: int) -> bytes:
        """The whole object.

        Raises:
            NotFound: it does not exist.
            TooLarge: it has more than `max_bytes`; they were not all read.
        """
        return b"".join([chunk async for chunk in self.stream(key, max_bytes)])

    async def stream(self, key: str, max_bytes: int) -> AsyncIterator[bytes]:
        """The object in chunks, tried once; raises what `get` raises, possibly after some chunks."""
        async with self._call("GET", key, self._signer.get_url(key, _SIGNED_FOR_S)) as response:
            left = max_bytes
            if (response.content_length or 0) > left:
                raise TooLarge(key)
            async for chunk in response.content.iter_chunked(_CHUNK):
                left -= len(chunk)
                if left < 0:
                    raise TooLarge(key)
                yield chunk

    @_retried
    async def put(self, key: str, data: bytes, content_type: str) -> None:
        """Write the object whole, over what was there."""
        wanted = put_headers(content_type, size=len(data), sse=self._sse)
        url, headers = self._signer.put_url(key, wanted, _SIGNED_FOR_S)
        async with self._call("PUT", key, url, headers, data):
            pass

    @_retried
    async def head(self, key: str) -> ObjectInfo | None:
        """What is known of the object, None if there is none."""
        try:
            async with self._call("HEAD", key, self._signer.head_url(key, _SIGNED_FOR_S)) as response:
                return _info(response)
        except NotFound:
            return None

    @_retried
    async def delete(self, key: str) -> None:
        """Remove the object; one that is already gone is fine."""
        try:
            async with self._call("DELETE", key, self._signer.delete_url(key, _SIGNED_FOR_S)):
                pass
        except NotFound:
            return

    @asynccontextmanager
    async def _call(
        self, method: str, key: str, url: str, headers: dict[str, str] | None = None, data: bytes | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        # Not made current: a reader of `stream` may end it in another context. It has no children anyway.
        span = _tracer.start_span(f"s3 {method.lower()}", kind=trace.SpanKind.CLIENT, attributes={"aws.s3.key": key})
        try:
            async with self._session.request(
                method,
                URL(url, encoded=True),
                headers={"Accept-Encoding": "identity", **(headers or {})},
                data=data,
                timeout=_TIMEOUT,
                allow_redirects=False,
                # What a client stored as gzip stays what it is: nothing grows while it is read.
                auto_decompress=False,
            ) as response:
                span.set_attribute("http.response.status_code", response.status)
                if response.status >= HTTPStatus.BAD_REQUEST:
                    span.set_status(trace.StatusCode.ERROR)
                _raise_for(response.status, key)
                yield response
        except (aiohttp.ClientError, TimeoutError) as error:
            span.set_status(trace.StatusCode.ERROR, type(error).__name__)
            # The error's own text may hold the signed URL.
            raise StorageUnavailable(f"{method} {key}: {type(error).__name__}") from None
        finally:
            span.end()


@asynccontextmanager
async def open_store(signer: Signer, sse: str = "") -> AsyncIterator[ObjectStore]:
    """A store with a session of its own, closed at the end."""
    proxy = proxy_for(signer.endpoint)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64), proxy=proxy) as session:
        yield ObjectStore(session, signer, sse)


def _info(response: aiohttp.ClientResponse) -> ObjectInfo:
    headers = response.headers
    return ObjectInfo(
        size=int(headers.get("Content-Length", 0)),
        content_type=headers.get("Content-Type", ""),
        etag=headers.get("ETag", "").strip('"'),
        encryption=headers.get("x-amz-server-side-encryption", ""),
    )


def _raise_for(status: int, key: str) -> None:
    if status < HTTPStatus.MULTIPLE_CHOICES:
        return
    if status == HTTPStatus.NOT_FOUND:
        raise NotFound(key)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _PATIENCE:
        raise StorageUnavailable(f"{key}: HTTP {status}")
    raise StorageRefused(f"{key}: HTTP {status}")
