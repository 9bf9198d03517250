"""How every stage starts and how it fails: one sentence on stderr and exit code 1, never a traceback for bad input."""

import gc
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from contracts.terminal import interruptible, sentence, show_any_text


def run_stage(main: Callable[[], None]) -> None:
    """Run `main`; ValueError and OSError are the user's to mend: one sentence. ADCLICK_DEBUG=1 shows where."""
    gc.freeze()  # what the imports made stays; looking through it for garbage again and again costs a tenth of a short stage
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    show_any_text()
    try:
        interruptible()
        main()
    except (ValueError, OSError) as error:
        if os.environ.get("ADCLICK_DEBUG") == "1":
            raise
        print(f"{Path(sys.argv[0]).stem}: error: {sentence(error)}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print(f"{Path(sys.argv[0]).stem}: stopped", file=sys.stderr)
        sys.exit(130)
