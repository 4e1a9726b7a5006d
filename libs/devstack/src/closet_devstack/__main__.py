"""`python -m closet_devstack demo` and `python -m closet_devstack run`."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from closet_devstack.demo import DemoFailed, demo
from closet_devstack.folders import FolderInUse
from closet_devstack.loopback import bypass_proxies
from closet_devstack.process import DidNotStart
from closet_devstack.running import keep_running
from closet_devstack.servers.reach import Unreachable

INTERRUPTED = 130
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Run a command; 0 if all went well, 130 if the demonstration was interrupted."""
    parser = argparse.ArgumentParser(prog="closet_devstack", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("demo", "one try-on through everything"), ("run", "keep the stack up until Ctrl-C")):
        command = commands.add_parser(name, help=text)
        command.add_argument("--folder", type=Path, default=Path("build", name), help="default: %(default)s")
    arguments = parser.parse_args()
    bypass_proxies()
    try:
        if arguments.command == "demo":
            asyncio.run(_stoppable(demo(arguments.folder)))
        else:
            with suppress(asyncio.CancelledError):
                asyncio.run(_stoppable(keep_running(arguments.folder)))
    except (DemoFailed, DidNotStart, FolderInUse, Unreachable) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except asyncio.CancelledError:
        sys.stderr.write("interrupted; everything was stopped\n")
        return INTERRUPTED
    return 0


async def _stoppable(work: Coroutine[Any, Any, object]) -> None:
    """Do it, or stop it in good order on the first SIGINT, SIGTERM or SIGHUP; more of them do not disturb that."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        for number in _SIGNALS:
            loop.add_signal_handler(number, lambda: None)
        task.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop)
    await task


if __name__ == "__main__":
    sys.exit(main())
