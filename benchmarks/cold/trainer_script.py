"""configs/mlp.yaml without the command around it."""

import sys

from trainer.config import load
from trainer.experiment import build
from trainer.training import Step
from trainer.training.threads import pinned

told = False
with pinned():
    for record in build(load(sys.argv[1])).records():
        if not isinstance(record, Step):
            print(record.epoch, record.train["loss"], record.test["accuracy"])
        elif not told:
            told = True
            print("first step", flush=True)
