"""Data sets: from a plugin, from a file, and to the arrays that training reads."""

from trainer.data.cache import cache_folder, cached
from trainer.data.dataset import Dataset, Facts
from trainer.data.loading import facts_of, load
from trainer.data.prepared import Prepared, Rows, TargetKind, prepare
from trainer.data.preprocessing.pipeline import Preprocessing
from trainer.data.preprocessing.scaling import Scaling
from trainer.data.readers.array_file import read_npy, read_npz
from trainer.data.readers.csv_file import read_csv
from trainer.data.readers.image_folder import read_images
from trainer.data.readers.text_file import read_text
from trainer.data.split import Split

__all__ = [
    "Dataset",
    "Facts",
    "Prepared",
    "Preprocessing",
    "Rows",
    "Scaling",
    "Split",
    "TargetKind",
    "cache_folder",
    "cached",
    "facts_of",
    "load",
    "prepare",
    "read_csv",
    "read_images",
    "read_npy",
    "read_npz",
    "read_text",
]
