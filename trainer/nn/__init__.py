"""Networks: layers in sequence over parameters that are named views on one vector θ."""

from trainer.nn.layers import Dense, Flatten, Layer, OpLayer
from trainer.nn.network import LayerError, Network

__all__ = ["Dense", "Flatten", "Layer", "LayerError", "Network", "OpLayer"]
