"""What `benchmarks.peak` has `trainer run` do, in PyTorch: train, measure, and save checkpoints and the parameters.

python torch_script.py FOLDER OPTIMIZER WIDTH BATCH EPOCHS
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

folder, (name, width, batch, epochs) = Path(sys.argv[1]), (sys.argv[2], *map(int, sys.argv[3:]))
torch.manual_seed(1)
torch.set_num_threads(len(os.sched_getaffinity(0)))
rows = np.load(folder / "rows.npz")
x, y = map(torch.from_numpy, (rows["inputs"], rows["targets"]))
order = torch.randperm(len(x))
test, train = order[: len(x) // 5], order[len(x) // 5 :]
mean, deviation = x[train].mean(0), x[train].std(0)
x = (x - mean) / deviation
network = nn.Sequential(nn.Linear(width, width))
optimizer = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[name](network.parameters(), lr=1e-4, fused=True)
out = folder / f"torch-{name}"
out.mkdir(exist_ok=True)


def save(path: Path, content: object) -> None:
    """Beside the old one, forced to the disk, and renamed over it."""
    with path.with_suffix(".tmp").open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    path.with_suffix(".tmp").replace(path)


with (out / "metrics.jsonl").open("w") as metrics:
    for epoch in range(epochs):
        for rows_of_batch in train[torch.randperm(len(train))].split(batch):
            optimizer.zero_grad()
            nn.functional.mse_loss(network(x[rows_of_batch]), y[rows_of_batch]).backward()
            optimizer.step()
        with torch.no_grad():
            losses = {
                part: nn.functional.mse_loss(network(x[which]), y[which]).item()
                for part, which in (("train", train), ("test", test))
            }
        print(json.dumps({"epoch": epoch + 1, **losses}), file=metrics)
save(out / "checkpoint.pt", {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epochs})
save(out / "parameters.pt", network.state_dict())
