"""`python -m perfect_adapter`: run the service, or an operator's verb."""

import sys

from closet_chassis.lifecycle import run
from closet_contracts.nouns import Service

from perfect_adapter import admin
from perfect_adapter.app import build
from perfect_adapter.settings import Settings

if __name__ == "__main__":
    sys.exit(admin.main(sys.argv[1:]) if sys.argv[1:] else run(Service.PERFECT_ADAPTER, Settings, build))
