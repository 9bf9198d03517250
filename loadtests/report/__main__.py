"""`python -m loadtests.report`: the program is in `page.py` beside this."""

if __name__ == "__main__":  # before matplotlib is imported, and all that takes its time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

    from contracts.local_libraries import keep_matplotlib_here

    keep_matplotlib_here()

from loadtests.report.page import main
from serving.entry import run

if __name__ == "__main__":
    run("report", main)
