"""Proxies as everybody names them: HTTP_PROXY, HTTPS_PROXY, NO_PROXY, in capitals or not."""

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


def proxy_for(url: str) -> str | None:
    """The proxy through which this URL is reached, None for none.

    Asked once for each upstream and given to its session or calls: aiohttp's own `trust_env` asks the environment and
    ~/.netrc again for every request, and refuses one whose Authorization header is its caller's.
    """
    parts = urlsplit(url)
    return None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)
