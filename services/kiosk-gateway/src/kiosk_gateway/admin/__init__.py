"""Manage tenants, their API keys and sessions; print the client API's description."""

import argparse
from collections.abc import Callable, Sequence

from kiosk_gateway.admin import openapi, revocation, tenants


def main(arguments: Sequence[str]) -> int:
    """Run one verb and print its result.

    Returns:
        0 if it is done, now or before; 1 if it is refused; 2 for wrong usage.
    """
    parser = argparse.ArgumentParser(prog="kiosk_gateway", description=__doc__)
    verbs = parser.add_subparsers(required=True)
    for module in (tenants, revocation, openapi):
        module.add_verbs(verbs)
    options = parser.parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    return run(options)
