"""Networks: layers in sequence over parameters that are named views on one vector θ."""

from trainer.nn.calls import LayerState, Masked
from trainer.nn.contract import Layer, Layout
from trainer.nn.draw import Draw
from trainer.nn.layers import Dense, Flatten, OpLayer, Rescale
from trainer.nn.network import LayerError, Network
from trainer.nn.several import Several
from trainer.nn.structure import Columns, Input, Parallel, Repeat, Residual, Sequential, Shared

__all__ = [
    "Columns",
    "Dense",
    "Draw",
    "Flatten",
    "Input",
    "Layer",
    "LayerError",
    "LayerState",
    "Layout",
    "Masked",
    "Network",
    "OpLayer",
    "Parallel",
    "Repeat",
    "Rescale",
    "Residual",
    "Sequential",
    "Several",
    "Shared",
]
