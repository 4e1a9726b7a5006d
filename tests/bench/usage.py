"""CPU and memory of processes with all their children."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import psutil

_PICTURE_WORKER = "closet_storage.worker"


@dataclass(frozen=True)
class Cpu:
    """CPU seconds so far, by name; `everything`: of the whole machine, whoever used them."""

    at: float
    by_name: Mapping[str, float]
    everything: float

    def since(self, before: "Cpu") -> dict[str, float]:
        """What each has used since."""
        return {name: max(0.0, used - before.by_name.get(name, 0.0)) for name, used in self.by_name.items()}

    def others_since(self, before: "Cpu") -> float:
        """Cores that others than these used meanwhile: other people's load on the machine."""
        ours = sum(self.since(before).values())
        return max(0.0, (self.everything - before.everything - ours) / (self.at - before.at))


@dataclass(frozen=True)
class Memory:
    """Resident MB of a service, and of its processes for pictures, which are there only while it has pictures."""

    service: float
    picture_workers: float

    def or_more(self, other: "Memory | None") -> "Memory":
        """The larger of each."""
        if other is None:
            return self
        return Memory(max(self.service, other.service), max(self.picture_workers, other.picture_workers))


class Meter:
    """Measures processes by their root's pid."""

    def __init__(self, roots: Mapping[str, int]) -> None:
        self._roots = {name: psutil.Process(pid) for name, pid in roots.items()}

    def add(self, name: str, pid: int) -> None:
        self._roots[name] = psutil.Process(pid)

    def cpu(self) -> Cpu:
        by_name = {name: sum(map(_cpu_of, _tree(root))) for name, root in self._roots.items()}
        machine = psutil.cpu_times()
        return Cpu(time.monotonic(), by_name, sum(machine) - machine.idle - machine.iowait - machine.guest)

    def memory(self, name: str) -> Memory:
        own, pictures = 0.0, 0.0
        for process in _tree(self._roots[name]):
            with suppress(psutil.Error):
                rss = process.memory_info().rss / 2**20
                if _PICTURE_WORKER in process.cmdline():
                    pictures += rss
                else:
                    own += rss
        return Memory(own, pictures)


def _tree(root: psutil.Process) -> list[psutil.Process]:
    try:
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _cpu_of(process: psutil.Process) -> float:
    """Its own, and that of children it has outlived."""
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)
