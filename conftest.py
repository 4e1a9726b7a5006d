"""For every test of the repository."""

from pathlib import PurePath

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

# A busy machine makes no property wrong: hypothesis's limit of 200 ms an example is off, all else as it was.
settings.register_profile("no-wall-clock", settings(), deadline=None)
settings.load_profile("no-wall-clock")


class OneStackForE2e(LoadFileScheduling):
    """A file is one worker's, and those of tests/e2e that share a stack are all the same worker's: it starts once."""

    _WITH_STACKS_OF_THEIR_OWN = ("test_demo.py", "test_make.py", "test_proxy.py")

    def _split_scope(self, nodeid: str) -> str:
        file = PurePath(super()._split_scope(nodeid))
        shares = file.parent == PurePath("tests/e2e") and file.name not in self._WITH_STACKS_OF_THEIR_OWN
        return str(file.parent if shares else file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    return OneStackForE2e(config, log)
