"""Pictures of what a model has learnt, made of the model alone: no data set is read for one.

    regions(model)            what it says over the plane of its two inputs
    filters(model)            what each convolution weighs its windows by
    attention(model, x)       how much each position of a row takes from each other one

`planes` and `panels` say what is in a picture; `svg` draws it for a page, `figures` into a .png or .svg file, and
`trainer.cli.terminal.insides` as text.
"""

from trainer.experiment.pictures.panels import Panel, Panels, attention, filters
from trainer.experiment.pictures.planes import Plane, regions, unfit

__all__ = ["Panel", "Panels", "Plane", "attention", "filters", "regions", "unfit"]
