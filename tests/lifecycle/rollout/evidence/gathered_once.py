"""`python -m tests.lifecycle.rollout.evidence.gathered_once FOLDER`: one look at the evidence of what lies there."""

import sys
from pathlib import Path

from tests.lifecycle.rollout.evidence.evidence_world import gathered

if __name__ == "__main__":
    gathered(Path(sys.argv[1]))
