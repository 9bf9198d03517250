"""How a command of serving fails: one sentence on stderr and an exit code, never a traceback for bad input."""

import sys
from collections.abc import Callable

from contracts.terminal import interruptible, sentence, show_any_text


def run(name: str, main: Callable[[], int | None], *failures: type[Exception]) -> None:
    """Run `main` and exit with its status; ValueError, OSError and `failures` are the user's to mend."""
    show_any_text()
    to_mend: tuple[type[Exception], ...] = (ValueError, OSError, *failures)
    try:
        interruptible()
        sys.exit(main() or 0)
    except KeyboardInterrupt:
        print(f"{name}: stopped", file=sys.stderr)
        sys.exit(130)
    except to_mend as error:
        print(f"{name}: error: {sentence(error)}", file=sys.stderr)
        sys.exit(1)
