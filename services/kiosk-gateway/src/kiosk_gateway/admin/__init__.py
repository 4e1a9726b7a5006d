"""By hand: `python -m kiosk_gateway VERB`, for tenants, their keys and sessions; and `openapi`."""

import argparse
from collections.abc import Callable, Sequence

from kiosk_gateway.admin import openapi, revocation, tenants


def main(arguments: Sequence[str]) -> int:
    """Run one verb and print what became of it.

    Returns:
        0 if it is done, now or before; 1 if it is refused; 2 if it was asked wrongly.
    """
    parser = argparse.ArgumentParser(prog="kiosk_gateway", description=__doc__)
    verbs = parser.add_subparsers(required=True)
    for module in (tenants, revocation, openapi):
        module.add_verbs(verbs)
    options = parser.parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    return run(options)
