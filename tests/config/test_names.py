from trainer.config.schema import Compute, Config, DatasetConfig
from trainer.config.synonyms import KEYS, NAMES, meant
from trainer.plugins import KINDS, shared


def test_every_synonym_stands_for_something_that_exists():
    keys = {*Config.model_fields, *Compute.model_fields, *DatasetConfig.model_fields}
    options = {p.name for kind in KINDS for component in shared().all(kind).values() for p in component.parameters}
    assert {key for keys_of_one in KEYS.values() for key in keys_of_one} <= keys | options | {"target"}
    names = {name for kind in KINDS for name in shared().all(kind)}
    assert {name for names_of_one in NAMES.values() for name in names_of_one} <= names


def test_a_synonym_gives_way_to_a_spelling():
    assert meant("Batch-Size", ["batch_size", "epochs"], KEYS) == "batch_size"
    assert meant("size", ["rows", "noise"], KEYS) == "rows"
    assert meant("size", ["units", "bias"], KEYS) == "units"
    assert meant("mse", ["mean_squared_error"], NAMES) == "mean_squared_error"
    assert meant("mse", ["huber"], NAMES) is None
