"""How a command behaves at its terminal: Ctrl-C ends it without a traceback, what it prints can be shown, and an error
is one sentence.

Needs nothing but Python, since a command calls it before its other imports, which may take seconds.
"""

import errno
import signal
import sys


def end_on_ctrl_c() -> None:
    """From here on Ctrl-C ends this process by its signal, without a word: for the imports. `interruptible` takes it back.

    Where the shell has it ignored (a job in the background), it stays ignored.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def interruptible() -> None:
    """From here on Ctrl-C raises KeyboardInterrupt, as usual in Python."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def show_any_text() -> None:
    r"""Change stdout so that it writes `\xe9` for what its encoding lacks: a printed path must not fail a stage that is done."""
    if hasattr(sys.stdout, "reconfigure"):  # not so where a test or a program has put something else
        sys.stdout.reconfigure(errors="backslashreplace")


def sentence(error: BaseException) -> str:
    """What to say to the user about `error`, on one line."""
    if isinstance(error, OSError) and error.strerror:
        where = f" ({error.filename})" if error.filename else ""
        advice = "; free some space and run again" if error.errno == errno.ENOSPC else ""
        return f"{error.strerror}{where}{advice}"
    return " ".join(str(error).split())
