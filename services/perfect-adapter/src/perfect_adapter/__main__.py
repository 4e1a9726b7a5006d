"""`python -m perfect_adapter` runs the service; with a verb, does what an operator asks."""

import sys

from closet_chassis.lifecycle import run
from closet_contracts.ownership import Service

from perfect_adapter import admin, recovery
from perfect_adapter.app import build
from perfect_adapter.settings import Settings

if __name__ == "__main__":
    if sys.argv[1:2] == ["recover"]:
        sys.exit(recovery.main(sys.argv[2:]))
    sys.exit(admin.main(sys.argv[1:]) if sys.argv[1:] else run(Service.PERFECT_ADAPTER, Settings, build))
