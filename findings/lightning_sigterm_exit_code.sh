#!/usr/bin/env bash
# pytorch-lightning 2.6.6: a program whose `Trainer.fit` is ended by SIGTERM ends with code 0, as if it had been trained to the end.
# The trainer handles the signal, finishes the batch, and raises SIGTERMException without a code; that is a SystemExit, and a
# SystemExit without a code is success. Whoever asks the code (make, a scheduler, a pipeline) takes what is half trained for done,
# or misses files that it was promised. Ctrl-C ends the same program with 1. The CPU is enough. Exits with 1 if this has changed.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
TMPDIR=$work "$work/venv/bin/python" -m pip install --quiet --no-cache-dir --disable-pip-version-check pytorch-lightning==2.6.6 torch==2.13.0 numpy
"$work/venv/bin/python" -c 'import importlib.metadata as m; print("pytorch-lightning", m.version("pytorch-lightning"), "torch", m.version("torch"))'

cat > "$work/program.py" <<'PROGRAM'
import logging
import os
import signal
import sys
import warnings

warnings.filterwarnings("ignore")
logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
import torch
from pytorch_lightning import LightningModule, Trainer


class Line(LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch, number):
        if number == 2 and sys.argv[1] != "nothing":
            os.kill(os.getpid(), getattr(signal, sys.argv[1]))  # as somebody else would
        return self.layer(batch[0]).square().mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


rows = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(8, 1)), batch_size=1)
trainer = Trainer(accelerator="cpu", max_epochs=2, logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)
try:
    trainer.fit(Line(), rows)
finally:
    print(trainer.global_step, "of 16 steps, ", end="", flush=True)
PROGRAM

changed=0
ends() {  # signal, code as whoever asks would expect it, code as it was seen when this was written
  local code=0 said
  said=$(cd "$work" && "$work/venv/bin/python" program.py "$1" 2> "$work/errors") || code=$?
  printf '%-8s %s code %s (expected %s)\n' "$1" "$said" "$code" "$2"
  [ "$code" = "$3" ] || { cat "$work/errors"; changed=1; }
}
ends nothing 0 0
ends SIGTERM "other than 0, by custom 143" 0
ends SIGINT "other than 0" 1
[ "$changed" = 0 ] || echo "what was seen is not what was seen when this was written"
exit "$changed"
