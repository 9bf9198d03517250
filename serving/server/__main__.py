"""`python -m serving.server`: the program is in `command.py` beside this."""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

from serving.entry import run
from serving.server.command import main

if __name__ == "__main__":
    run("serve", main)
