"""From a config to a training, and from a training to a run."""

from trainer.experiment.builder import build, load_data
from trainer.experiment.components import built
from trainer.experiment.layers import LayerRow, layer_table

__all__ = ["LayerRow", "build", "built", "layer_table", "load_data"]
