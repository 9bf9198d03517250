"""Where training curves are kept: plots/metrics/<name>.tsv, by DVCLive."""

from pathlib import Path

from dvclive.lightning import DVCLiveLogger


def curve_logger(folder: Path) -> DVCLiveLogger:
    """A logger that writes plots/metrics/<name>.tsv (step, value) below `folder`: no report, no dvc.yaml, no experiment."""
    return DVCLiveLogger(dir=str(folder), save_dvc_exp=False, dvcyaml=None, report=None)
