"""For every test of the repository."""

from pathlib import PurePath

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

# A busy machine makes no property wrong: hypothesis's limit of 200 ms an example is off, all else as it was.
settings.register_profile("no-wall-clock", settings(), deadline=None)
settings.load_profile("no-wall-clock")


class FewStacksAtOnce(LoadFileScheduling):
    """Whole stacks are two workers' first, who keep a processor busy each; the others' tests wait for much meanwhile.

    A file is one worker's, and those of tests/e2e that share a stack are all the same worker's: it starts once.
    """

    _OF_STACKS = ("gw0", "gw1")
    _WITH_STACKS_OF_THEIR_OWN = ("test_demo.py", "test_make.py", "test_proxy.py")

    def _assign_work_unit(self, node: WorkerController) -> None:
        of_stacks = node.gateway.id in self._OF_STACKS
        fitting = (scope for scope in self.workqueue if scope.startswith("tests/") == of_stacks)
        self.workqueue.move_to_end(next(fitting, next(iter(self.workqueue))), last=False)
        super()._assign_work_unit(node)

    def _split_scope(self, nodeid: str) -> str:
        file = PurePath(super()._split_scope(nodeid))
        shares = file.parent == PurePath("tests/e2e") and file.name not in self._WITH_STACKS_OF_THEIR_OWN
        return str(file.parent if shares else file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    return FewStacksAtOnce(config, log)
