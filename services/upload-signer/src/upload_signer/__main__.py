"""`python -m upload_signer` runs the service; `... recover` brings a restored database up to the bus."""

import sys

from closet_chassis.lifecycle import run
from closet_contracts.ownership import Service

from upload_signer import recovery
from upload_signer.app import build
from upload_signer.settings import Settings

if __name__ == "__main__":
    if sys.argv[1:2] == ["recover"]:
        sys.exit(recovery.main(sys.argv[2:]))
    sys.exit(run(Service.UPLOAD_SIGNER, Settings, build))
