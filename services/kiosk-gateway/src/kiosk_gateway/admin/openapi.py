"""`openapi`: print the description of the client API."""

import argparse
import json
import sys

from kiosk_gateway.admin.database import Verbs
from kiosk_gateway.http.openapi import document
from kiosk_gateway.http.routes import ROUTES


def add_verbs(verbs: Verbs) -> None:
    """Add `openapi`."""
    verb = verbs.add_parser("openapi", help="print the description of the client API as YAML")
    verb.set_defaults(run=_openapi)


def _openapi(_options: argparse.Namespace) -> int:
    import yaml  # noqa: PLC0415  installed only where the description is exported

    plain = json.loads(json.dumps(document(ROUTES)))  # without shared objects, for which YAML would write aliases
    sys.stdout.write(yaml.safe_dump(plain, sort_keys=False, width=120))
    return 0
