"""Our own servers are reached directly."""

import os


def bypass_proxies() -> None:
    """Whatever proxy this machine has, loopback is not behind it: for this process and its children."""
    named = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(filter(None, [named, "127.0.0.1", "localhost"]))
