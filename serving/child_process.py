"""What a program that starts others does so that none of them is left when it dies."""

import ctypes
import signal

PR_SET_PDEATHSIG = 1  # of Linux's prctl


def end_with_parent() -> None:
    """For `preexec_fn`, in the child: the kernel sends it SIGTERM when we die, however we die."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
