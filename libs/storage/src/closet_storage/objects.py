"""Read and write objects by signed URLs and plain streaming HTTP, at a fraction of an SDK's CPU per object."""

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
_RETRYABLE = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
_tracer = trace.get_tracer("closet_storage")


class StorageError(Exception):
    """The storage did not carry out the request."""


class NotFound(StorageError):
    """The object does not exist."""


class TooLarge(StorageError):
    """The object is larger than the caller allows."""


class StorageUnavailable(StorageError):
    """The storage did not answer, or asked to try again later. This says nothing about the object."""


class StorageRefused(StorageUnavailable):
    """The storage refused the credentials or rights. An operator has to fix them; then a later try works."""


@dataclass(frozen=True)
class ObjectInfo:
    """The metadata of an object. `size` is in bytes; `encryption` is that at rest, "" for none."""

    size: int
    content_type: str
    etag: str
    encryption: str


_retry_unavailable = retry(
    retry=retry_if_exception(lambda e: isinstance(e, StorageUnavailable) and not isinstance(e, StorageRefused)),
    stop=stop_after_attempt(3),
    wait=wait_random_exponential(multiplier=0.1, max=1),
    reraise=True,
)


class ObjectStore:
    """A bucket, used with one identity. Every call is safe to repeat and is tried up to three times.

    Every call raises StorageUnavailable if the storage does not answer.
    """

    def __init__(self, session: aiohttp.ClientSession, signer: Signer, sse: str = "") -> None:
        self._session = session
        self._signer = signer
        self._sse = sse

    @_retry_unavailable
    async def get(self, key: str, max_bytes: int) -> bytes:
        """Read the whole object.

        Raises:
            NotFound: the object does not exist.
            TooLarge: it has more than `max_bytes`; reading stopped there.
        """
        return b"".join([chunk async for chunk in self.stream(key, max_bytes)])

    async def stream(self, key: str, max_bytes: int) -> AsyncIterator[bytes]:
        """Read the object in chunks, without retries; raise what `get` raises, possibly after some chunks."""
        async with self._request("GET", key, self._signer.get_url(key, _SIGNED_FOR_S)) as response:
            left = max_bytes
            if (response.content_length or 0) > left:
                raise TooLarge(key)
            async for chunk in response.content.iter_chunked(_CHUNK):
                left -= len(chunk)
                if left < 0:
                    raise TooLarge(key)
                yield chunk

    @_retry_unavailable
    async def put(self, key: str, data: bytes, content_type: str) -> None:
        """Write the whole object, replacing an existing one."""
        headers = put_headers(content_type, size=len(data), sse=self._sse)
        url, headers = self._signer.put_url(key, headers, _SIGNED_FOR_S)
        async with self._request("PUT", key, url, headers, data):
            pass

    @_retry_unavailable
    async def head(self, key: str) -> ObjectInfo | None:
        """Return the object's metadata, None if it does not exist."""
        try:
            async with self._request("HEAD", key, self._signer.head_url(key, _SIGNED_FOR_S)) as response:
                return _info(response)
        except NotFound:
            return None

    @_retry_unavailable
    async def delete(self, key: str) -> None:
        """Delete the object; do nothing if it does not exist."""
        try:
            async with self._request("DELETE", key, self._signer.delete_url(key, _SIGNED_FOR_S)):
                pass
        except NotFound:
            return

    @asynccontextmanager
    async def _request(
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
                # An object that a client stored as gzip stays gzip, so that it does not grow while it is read.
                auto_decompress=False,
            ) as response:
                span.set_attribute("http.response.status_code", response.status)
                if response.status >= HTTPStatus.BAD_REQUEST:
                    span.set_status(trace.StatusCode.ERROR)
                _raise_for_status(response.status, key)
                yield response
        except (aiohttp.ClientError, TimeoutError) as error:
            span.set_status(trace.StatusCode.ERROR, type(error).__name__)
            # The error's own text may hold the signed URL.
            raise StorageUnavailable(f"{method} {key}: {type(error).__name__}") from None
        finally:
            span.end()


@asynccontextmanager
async def open_store(signer: Signer, sse: str = "") -> AsyncIterator[ObjectStore]:
    """Open a store with an HTTP session of its own, and close it at the end."""
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


def _raise_for_status(status: int, key: str) -> None:
    if status < HTTPStatus.MULTIPLE_CHOICES:
        return
    if status == HTTPStatus.NOT_FOUND:
        raise NotFound(key)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _RETRYABLE:
        raise StorageUnavailable(f"{key}: HTTP {status}")
    raise StorageRefused(f"{key}: HTTP {status}")
