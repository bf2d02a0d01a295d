"""What configs/mlp.yaml declares, in PyTorch."""

import numpy as np
import torch
from torch import nn

torch.manual_seed(1)
data = {name: torch.from_numpy(array) for name, array in np.load("digits.npz").items()}
x, y = data["train_inputs"], data["train_targets"]
network = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))
optimizer = torch.optim.SGD(network.parameters(), lr=0.03, fused=True)
told = False
for epoch in range(20):
    for rows in torch.randperm(len(x)).split(32):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(x[rows]), y[rows]).backward()
        optimizer.step()
        if not told:
            told = True
            print("first step", flush=True)
    with torch.no_grad():
        loss = nn.functional.cross_entropy(network(x), y).item()
        accuracy = (network(data["test_inputs"]).argmax(1) == data["test_targets"]).float().mean().item()
    print(epoch + 1, loss, accuracy)
