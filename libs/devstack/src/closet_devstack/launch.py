"""Become another program: as a given user, in a way that dies with the parent. Run by path, imports nothing of ours.

Usage: `launch.py PARENT_PID DEATH_SIGNAL UID GID PROGRAM [ARG...]`; UID -1 keeps the user.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, death_signal, uid, gid = (int(word) for word in sys.argv[1:5])
    if uid >= 0:
        os.setgroups([gid])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # Only now: a change of user clears it.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent:  # it died before we asked
            sys.exit(1)
    for ignored_by_python in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored_by_python, signal.SIG_DFL)
    program = sys.argv[5:]
    os.execvp(program[0], program)  # noqa: S606 - becoming that program is the whole point; no shell is wanted


if __name__ == "__main__":
    main()
