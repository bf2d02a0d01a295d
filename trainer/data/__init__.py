"""Data sets: from a plugin, from a file, and to the arrays that training reads."""

from trainer.data.array_file import read_npy, read_npz
from trainer.data.cache import cache_folder, cached
from trainer.data.csv_file import read_csv
from trainer.data.dataset import Dataset, Facts
from trainer.data.load import describe, load
from trainer.data.prepare import Prepared, TargetKind, prepare
from trainer.data.scaling import Scaling
from trainer.data.split import split

__all__ = [
    "Dataset",
    "Facts",
    "Prepared",
    "Scaling",
    "TargetKind",
    "cache_folder",
    "cached",
    "describe",
    "load",
    "prepare",
    "read_csv",
    "read_npy",
    "read_npz",
    "split",
]
