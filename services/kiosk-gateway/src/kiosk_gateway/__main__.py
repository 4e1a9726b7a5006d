"""`python -m kiosk_gateway` runs the service; with a verb, it runs an operator's command."""

import sys

from closet_chassis.lifecycle import run
from closet_contracts.ownership import Service

from kiosk_gateway import admin, recovery
from kiosk_gateway.app import build
from kiosk_gateway.settings import Settings

if __name__ == "__main__":
    if sys.argv[1:2] == ["recover"]:
        sys.exit(recovery.main(sys.argv[2:]))
    sys.exit(admin.main(sys.argv[1:]) if sys.argv[1:] else run(Service.KIOSK_GATEWAY, Settings, build))
