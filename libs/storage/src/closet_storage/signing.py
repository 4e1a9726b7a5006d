"""Signed URLs (AWS Signature Version 4 in the query) in microseconds: the day's key is derived once, not per URL."""

import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from functools import cached_property, lru_cache
from hashlib import sha256
from hmac import digest
from typing import NamedTuple, Self
from urllib.parse import quote, urlsplit

from closet_storage.access import Access

TAGGING = "x-amz-tagging"
UPLOAD_TAG = "closet=upload"  # of uploads; by `admin.ensure_bucket` the bucket removes them after a day
MAX_EXPIRES_S = 7 * 24 * 3600
_DEFAULT_PORTS = {"http": 80, "https": 443}
# Never signed: proxies rewrite them.
_UNSIGNED = {"expect", "transfer-encoding", "user-agent", "x-amzn-trace-id"}


class Signer(Access):
    """Signs URLs that permit one operation on one object for a limited time. Pure CPU, no I/O."""

    @classmethod
    def of(cls, access: Access) -> Self:
        """Return a signer for this bucket and identity."""
        return cls(**{item.name: getattr(access, item.name) for item in fields(access)})

    def put_url(
        self, key: str, headers: Mapping[str, str], expires_s: int, now: datetime | None = None
    ) -> tuple[str, dict[str, str]]:
        """Return a URL for a PUT and the headers that have to be sent with it: the signature binds each of them."""
        return self._url("PUT", key, self._signature_base(expires_s, now), headers), dict(headers)

    def get_url(
        self, key: str, expires_s: int, response: Mapping[str, str] | None = None, now: datetime | None = None
    ) -> str:
        """Return a URL to read the object; `response` overrides response headers, by S3's names `response-...`."""
        return self._url("GET", key, self._signature_base(expires_s, now), {}, _response_parameters(response or {}))

    def head_url(self, key: str, expires_s: int, now: datetime | None = None) -> str:
        """Return a URL for a HEAD request."""
        return self._url("HEAD", key, self._signature_base(expires_s, now), {})

    def delete_url(self, key: str, expires_s: int, now: datetime | None = None) -> str:
        """Return a URL to delete the object."""
        return self._url("DELETE", key, self._signature_base(expires_s, now), {})

    @cached_property
    def _location(self) -> tuple[str, str, str]:
        """Return the origin, the host as it is signed, and the path before the key."""
        parts = urlsplit(self.endpoint)
        host = parts.hostname or ""
        host = f"[{host}]" if ":" in host else host
        if parts.port and parts.port != _DEFAULT_PORTS.get(parts.scheme):
            host = f"{host}:{parts.port}"
        base = parts.path.rstrip("/")
        if not self.path_style:
            host = f"{self.bucket}.{host}"
            return f"{parts.scheme}://{host}", host, f"{base}/"
        return f"{parts.scheme}://{host}", host, f"{base}/{self.bucket}/"

    def _signature_base(self, expires_s: int, now: datetime | None) -> "_SignatureBase":
        second = int(now.timestamp() if now else time.time())
        return _signature_base(self.access_key, self.secret_key, self.region, second, expires_s)

    def _url(
        self, method: str, key: str, base: "_SignatureBase", headers: Mapping[str, str], parameters: str = ""
    ) -> str:
        if not key:
            raise ValueError("a URL is for one object: its key cannot be empty")
        origin, host, prefix = self._location
        path = prefix + quote(key, safe="/~")
        names, lines = _canonical_headers(headers, host)
        query = f"{base.query}&X-Amz-SignedHeaders={names.replace(';', '%3B')}{parameters}"
        request = f"{method}\n{path}\n{query}\n{lines}\n\n{names}\nUNSIGNED-PAYLOAD"
        to_sign = f"{base.to_sign}\n{sha256(request.encode()).hexdigest()}"
        signature = digest(base.key, to_sign.encode(), "sha256").hex()
        return f"{origin}{path}?{query}&X-Amz-Signature={signature}"


def put_headers(content_type: str, *, size: int, sha256_hex: str | None = None, sse: str = "") -> dict[str, str]:
    """Return the headers that a PUT is bound to: always its `size` in bytes, the only header that limits it.

    `sse`: server-side encryption at rest, "AES256" or "" for none.
    """
    headers = {"Content-Type": content_type, "Content-Length": str(size)}
    if sha256_hex is not None:
        headers["x-amz-checksum-sha256"] = b64encode(bytes.fromhex(sha256_hex)).decode()
    if sse:
        headers["x-amz-server-side-encryption"] = sse
    return headers


class _SignatureBase(NamedTuple):
    """The parts shared by all URLs that one identity signs in the same second."""

    query: str
    to_sign: str
    key: bytes


@lru_cache(maxsize=64)
def _signature_base(access_key: str, secret_key: str, region: str, second: int, expires_s: int) -> _SignatureBase:
    if not 0 < expires_s <= MAX_EXPIRES_S:
        raise ValueError(f"a URL lives from 1 to {MAX_EXPIRES_S} seconds")
    date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
    scope = f"{date[:8]}/{region}/s3/aws4_request"
    credential = quote(f"{access_key}/{scope}", safe="-_.~")
    query = (
        f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={date}&X-Amz-Expires={expires_s}"
    )
    return _SignatureBase(query, f"AWS4-HMAC-SHA256\n{date}\n{scope}", _day_key(secret_key, region, date[:8]))


@lru_cache(maxsize=16)
def _day_key(secret_key: str, region: str, day: str) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = digest(key, part.encode(), "sha256")
    return key


def _canonical_headers(headers: Mapping[str, str], host: str) -> tuple[str, str]:
    """Return the names that are signed, and the lines `name:value`, both sorted by name."""
    if not headers:
        return "host", f"host:{host}"
    lines = {low: " ".join(value.split()) for name, value in headers.items() if (low := name.lower()) not in _UNSIGNED}
    lines["host"] = host
    names = sorted(lines)
    return ";".join(names), "\n".join(f"{name}:{lines[name]}" for name in names)


def _response_parameters(response: Mapping[str, str]) -> str:
    """Return query parameters `response-...`; they sort after every `X-Amz-...`, so they may simply follow."""
    if invalid := [name for name in response if not name.startswith("response-")]:
        raise ValueError(f"not an override of a response header: {invalid[0]}")
    return "".join(f"&{quote(name, safe='-_.~')}={quote(response[name], safe='-_.~')}" for name in sorted(response))
