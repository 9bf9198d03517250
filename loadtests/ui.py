"""`python -m loadtests.ui [SHAPE] [key=value ...]` (`make load-ui`): Locust's own page, with the same users and stages.

The load begins when somebody presses Start, as often as they do. Nothing is judged. Ctrl-C ends all that was started.
"""

if __name__ == "__main__":  # before matplotlib is imported, and all that takes its time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

    from contracts.local_libraries import keep_matplotlib_here

    keep_matplotlib_here()

import signal
import socket
import sys
import time

from loadtests.run import arguments
from loadtests.settings import load_settings
from loadtests.users.locust_processes import LocustProcesses, locust_processes
from loadtests.users.prepared_run import prepared_run
from serving.entry import run
from serving.server.ports import refuse_busy_ports

HOST, PORT = "127.0.0.1", 8089
POLL_S = 0.2
UP_WITHIN_S = 30.0


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    shape, overrides = arguments(sys.argv[1:])
    config = load_settings(shape, overrides)
    refuse_busy_ports(HOST, {"Locust's page": PORT})
    with prepared_run(config) as prepared, locust_processes(prepared, web_port=PORT) as sending:
        wait_up(sending)
        print(f"load-ui: http://{HOST}:{PORT}, shape {shape}: press Start; Ctrl-C ends it", flush=True)
        while sending.running():
            time.sleep(POLL_S)


def wait_up(sending: LocustProcesses) -> None:
    """Raises ValueError if the page does not come."""
    deadline_s = time.monotonic() + UP_WITHIN_S
    while time.monotonic() < deadline_s and sending.running():
        try:
            socket.create_connection((HOST, PORT), timeout=1.0).close()
            return
        except OSError:
            time.sleep(POLL_S)
    raise ValueError(f"Locust's page did not come within {UP_WITHIN_S:g} s; logs: {sending.folder}")


if __name__ == "__main__":
    run("load-ui", main)
