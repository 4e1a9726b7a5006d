"""What the parts of a stack share: start, stop, and for child processes a folder and ports of their own."""

import threading
import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

from closet_devstack.process import Child, DidNotStart

_ATTEMPTS = 5
_PAUSE_S = 0.1


class Part(ABC):
    """Something that runs: a child process, a container, or a server that somebody else runs."""

    name: str

    @abstractmethod
    def start(self) -> Self:
        """Start and wait until it answers.

        Raises:
            DidNotStart: not in several attempts.
        """

    @abstractmethod
    def stop(self) -> None:
        """Stop in good order; killed after a bounded wait."""

    @abstractmethod
    def kill(self) -> None:
        """SIGKILL: what a lost machine looks like."""

    def restart(self) -> None:
        self.stop()
        self.start()

    def discard(self) -> None:
        """Stop for good, without care for its data."""
        self.kill()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Server(Part):
    """A child process with a folder. Once it has started it keeps its ports, so that clients find it again."""

    ready_s = 60.0  # a busy machine
    grace_s = 10.0

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()  # children have working directories of their own
        self._child: Child | None = None
        self._has_ports = False
        self._is_stopped = False
        self._lock = threading.Lock()

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    @abstractmethod
    def _choose_ports(self) -> None: ...

    @abstractmethod
    def _launch(self) -> Child: ...

    @abstractmethod
    def _is_ready(self, child: Child) -> bool:
        """Whether this very child answers, not a stranger on the same port."""

    @property
    def pid(self) -> int:
        if self._child is None:
            raise RuntimeError(f"{self.name} is not running")
        return self._child.pid

    @property
    def is_running(self) -> bool:
        return self._child is not None and self._child.returncode is None

    @property
    def returncode(self) -> int | None:
        """Its exit code, if it ended although nobody stopped it."""
        return self._child.returncode if self._child is not None else None

    def start(self) -> Self:
        if self.is_running:
            return self
        self._is_stopped = False
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._launch_unless_stopped().wait_until(self._answers, self.ready_s)
            except DidNotStart as error:
                if self._is_stopped or attempt == _ATTEMPTS or not self._may_try_again(error):
                    raise
                time.sleep(_PAUSE_S * attempt)
            else:
                break
        self._has_ports = True
        return self

    def _launch_unless_stopped(self) -> Child:
        """Launch, unless it is being stopped by another thread meanwhile: that child would be nobody's."""
        with self._lock:
            if self._is_stopped:
                raise DidNotStart(f"{self.name} was stopped while it started")
            if not self._has_ports:
                self._choose_ports()
            self._child = self._launch()
            return self._child

    def _take_child(self) -> Child | None:
        with self._lock:
            self._is_stopped = True
            child, self._child = self._child, None
            return child

    def _answers(self) -> bool:
        return self._child is not None and self._is_ready(self._child)

    def _may_try_again(self, _error: DidNotStart) -> bool:
        """A race for a port was lost, or a predecessor that was killed still lets go of its files."""
        return True

    def stop(self) -> None:
        if (child := self._take_child()) is not None:
            child.stop(grace_s=self.grace_s)

    def kill(self) -> None:
        if (child := self._take_child()) is not None:
            child.kill()


class NotOurs(RuntimeError):
    """A server that somebody else runs cannot be stopped or killed by us."""


class Given(Part):
    """A server that runs already."""

    def start(self) -> Self:
        return self

    def stop(self) -> None:
        """It stays."""

    def discard(self) -> None:
        """It stays."""

    def kill(self) -> None:
        raise NotOurs(f"{self.name} was given by its URL: it cannot be killed from here")

    def restart(self) -> None:
        raise NotOurs(f"{self.name} was given by its URL: it cannot be restarted from here")
