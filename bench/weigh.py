"""Runs a command to its end and writes what it took to a file descriptor: `python -I -S bench/weigh.py DESCRIPTOR COMMAND...`.

Linux gives a new process the peak memory of the one that started it. This one is small, whoever starts it.
"""

import json
import os
import sys


def main() -> None:
    descriptor, command = int(sys.argv[1]), sys.argv[2:]
    os.set_inheritable(descriptor, False)
    process = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(process, 0)
    took = {"cpu_s": usage.ru_utime + usage.ru_stime, "peak_mib": usage.ru_maxrss / 1024}
    os.write(descriptor, json.dumps(took | {"returncode": os.waitstatus_to_exitcode(status)}).encode())


if __name__ == "__main__":
    main()
