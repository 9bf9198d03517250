"""`python -m serving.predict`: the program is in `command.py` beside this."""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

from serving.client import ServerFailed
from serving.entry import run
from serving.predict.command import piped

if __name__ == "__main__":
    run("predict", piped, ServerFailed)
