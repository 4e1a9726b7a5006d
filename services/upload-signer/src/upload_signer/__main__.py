"""`python -m upload_signer`: run the service."""

import sys

from closet_chassis.lifecycle import run
from closet_contracts.nouns import Service

from upload_signer.app import build
from upload_signer.settings import Settings

if __name__ == "__main__":
    sys.exit(run(Service.UPLOAD_SIGNER, Settings, build))
