"""`python -m billing_meter` runs the service; with a verb, does what an operator asks."""

import sys

from closet_chassis.lifecycle import run
from closet_contracts.ownership import Service

from billing_meter import admin, recovery
from billing_meter.app import build
from billing_meter.settings import Settings

if __name__ == "__main__":
    if sys.argv[1:2] == ["recover"]:
        sys.exit(recovery.main(sys.argv[2:]))
    sys.exit(admin.main(sys.argv[1:]) if sys.argv[1:] else run(Service.BILLING_METER, Settings, build))
