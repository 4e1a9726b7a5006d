"""Proxies as everybody names them: HTTP_PROXY, HTTPS_PROXY, NO_PROXY, in capitals or not."""

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


def proxy_for(url: str) -> str | None:
    """The proxy through which this URL is reached, None for none.

    aiohttp's own `trust_env` would read ~/.netrc too, and refuse our calls where that names a host of theirs.
    """
    parts = urlsplit(url)
    return None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)
