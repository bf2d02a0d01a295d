"""What comes with the package, layers, optimizers, schedules, metrics, readers and more, through everyone's hooks.

Each hook imports its own, for a server asks for launchers and imports no array.
"""

from __future__ import annotations

from trainer.plugins.hookspecs import Register, hookimpl

__all__: list[str] = []


@hookimpl
def register_layers(register: Register) -> None:
    from trainer import nn

    for layer in (nn.Dense, nn.Flatten, nn.Residual, nn.Parallel, nn.Repeat, nn.Columns, nn.Input, nn.Rescale):
        register(layer)


@hookimpl
def register_costs(register: Register) -> None:
    from trainer import nn

    register(nn.Several, targets="values")


@hookimpl
def register_optimizers(register: Register) -> None:
    from trainer import optimizers

    register(optimizers.Sgd)
    register(optimizers.Momentum)
    register(optimizers.Nesterov)
    register(optimizers.Adagrad)
    register(optimizers.RmsProp, name="rmsprop")
    register(optimizers.Adadelta)
    register(optimizers.Adam)
    register(optimizers.AdamW, name="adamw")
    register(optimizers.AmsGrad, name="amsgrad")
    register(optimizers.NAdam, name="nadam")
    register(optimizers.Adamax)
    register(optimizers.Lion)
    register(optimizers.Lamb)
    register(optimizers.Lbfgs)


@hookimpl
def register_schedules(register: Register) -> None:
    from trainer.training import schedules

    register(schedules.Constant)
    register(schedules.Staircase, name="step")
    register(schedules.Milestones)
    register(schedules.Exponential)
    register(schedules.Polynomial)
    register(schedules.Cosine)
    register(schedules.WarmRestarts)
    register(schedules.OneCycle)
    register(schedules.Plateau)


@hookimpl
def register_metrics(register: Register) -> None:
    from trainer import metrics

    for metric in metrics.CLASSIFICATION:
        lower = metric in (metrics.log_loss, metrics.perplexity)
        positive = {"average_precision": "always", "precision": "binary", "recall": "binary", "f1": "binary"}
        better = "lower" if lower else "higher"
        register(metric, task="classification", better=better, positive=positive.get(metric.__name__))
    for metric in metrics.REGRESSION:
        register(metric, task="regression", better="higher" if metric is metrics.r2 else "lower")
    for metric in metrics.LABELS:
        register(metric, task="labels")
    for table in metrics.REPORTS:
        register(table, task="classification", report=True)


@hookimpl
def register_executors(register: Register) -> None:
    from trainer.compiler.executors import Native, Numpy

    register(Numpy)
    register(Native)


@hookimpl
def register_launchers(register: Register) -> None:
    from trainer.service.local import Local
    from trainer.service.remote.command import Command
    from trainer.service.remote.dask import Dask
    from trainer.service.remote.slurm import Slurm

    for launcher in (Local, Command, Dask, Slurm):
        register(launcher)


@hookimpl
def register_readers(register: Register) -> None:
    from trainer.data.readers.archive import ARCHIVES
    from trainer.data.readers.array_file import read_npy, read_npz
    from trainer.data.readers.csv_file import ENDINGS, read_csv
    from trainer.data.readers.idx_file import ENDINGS as IDX
    from trainer.data.readers.idx_file import read_idx
    from trainer.data.readers.image_folder import read_images
    from trainer.data.readers.mapped import is_array_folder, read_array_folder
    from trainer.data.readers.registry import any_folder
    from trainer.data.readers.svm_file import ENDINGS as SVM
    from trainer.data.readers.svm_file import read_svm
    from trainer.data.readers.text_file import read_text
    from trainer.data.readers.typed_file import ENDINGS as TYPED
    from trainer.data.readers.typed_file import read_typed

    register(read_csv, name="csv", endings=ENDINGS, example="flowers.csv")
    register(read_npz, name="npz", endings=ARCHIVES, example="clouds.npz")
    register(read_npy, name="npy", endings=(".npy",), example="table.npy")
    register(read_idx, name="idx", endings=IDX, example="train-images-idx3-ubyte.gz")
    register(read_svm, name="svm", endings=SVM, example="a9a.svm")
    register(read_text, name="text", endings=(".txt",), example="poems.txt")
    register(read_typed, name="typed", endings=TYPED, example="flowers.parquet")
    register(read_images, name="images", folder=any_folder, example="animals/")
    register(read_array_folder, name="mapped", folder=is_array_folder, example="arrays/")


@hookimpl
def register_preprocessors(register: Register) -> None:
    from trainer.data.preprocessing.transformers import PREPROCESSORS

    for preprocessor in PREPROCESSORS:
        register(preprocessor)
