"""Writes artifacts/model/ of the current folder with fresh weights.

What scoring costs does not depend on what they learnt."""

from pathlib import Path

from stages.models.config import ModelConfig
from stages.models.encoded_arrays import load_spec
from stages.models.model_folder import save_model
from stages.models.network import build_network
from stages.settings import load_section


def main() -> None:
    network = build_network(load_section("model", ModelConfig), load_spec(Path("data/encoded")))
    save_model(Path("artifacts/model"), network, network.state_dict(), {})


if __name__ == "__main__":
    main()
