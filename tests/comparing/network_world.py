"""The project's own network, small, trained on rows of `compared_world` for some seconds, exported as stage export does."""

from pathlib import Path

from stages import train
from stages.export import creative_table
from stages.exporting.graphs import creative_encoder_graph, ranker_graph
from stages.models.curve_files import curve_logger
from stages.models.encoded_arrays import load_creatives, load_spec, load_split
from stages.models.training import EncodedData, train_network
from tests.models.encoded_world import model_config, train_config, trainer_config

NETWORK = {"embedding_dim": 8, "hidden_dims": [32, 16], "cross_rank": 8, "creative_dim": 4, "creative_channels": [8, 8]}
TRAINING = {"batch_size": 256, "max_epochs": 5, "patience_epochs": 5, "average_frac": 0.3}


def learn_network(seed: int) -> None:
    """Train on data/encoded; write ranker and creative encoder to artifacts/export."""
    folder = Path("data/encoded")
    spec = load_spec(folder)
    data = EncodedData(
        spec=spec,
        train=load_split(folder, "train", spec),
        val=load_split(folder, "val", spec),
        image_NCSS=load_creatives(folder, spec),
    )
    fitted = train_network(
        data,
        model_config("dcnv2", **NETWORK),
        train_config(seed=seed, **TRAINING),
        trainer_config(),
        work_folder=Path(".checkpoints/train"),
        logger=curve_logger(Path("reports/train")),
    )
    train.mix(fitted, data, seed)  # the best weights, and with few clicks a linear part
    network = fitted.network.eval()
    export = Path("artifacts/export")
    export.mkdir(parents=True, exist_ok=True)
    table = creative_table(network, data.image_NCSS)
    for name, graph in (("ranker", ranker_graph(network, table)), ("creative_encoder", creative_encoder_graph(network))):
        (export / f"{name}.onnx").write_bytes(graph.SerializeToString(deterministic=True))
