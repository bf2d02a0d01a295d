"""From a config to a training, and from a training to a run."""

from trainer.experiment.builder import LayerRow, build, layer_table, load_data

__all__ = ["LayerRow", "build", "layer_table", "load_data"]
