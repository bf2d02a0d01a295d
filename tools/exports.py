"""Random networks of every layer that ships, written as ONNX and as Python, and compared with what they are here.

A network is a chain of one to four examples of the tests' table, each preceded by what brings the row into the shape
that it takes. Exit code 1 where an export differs, or is refused for another reason than that it says so.
"""

from __future__ import annotations

import argparse
import runpy
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.export.test_frozen import model_of
from tests.ops.layer_examples import EXAMPLES
from trainer.errors import ShapeError, UsageError
from trainer.export.frozen import to_python
from trainer.export.onnx import largest_difference, to_onnx
from trainer.nn import Dense, Flatten, Network, OpLayer
from trainer.plugins import shared

CLOSE = 1e-5  # of the largest number, in float32
ACTIVATIONS = ("relu", "gelu", "silu", "tanh", "softplus", "mish", "elu", "sigmoid", "softsign", "hard_swish")


def chain(rng: np.random.Generator) -> Network | None:
    """A random network; None where its layers do not fit together."""
    unmasked = {name: examples for name, examples in EXAMPLES.items() if name != "masking"}  # which few layers follow
    plain = [(name, e) for name, examples in unmasked.items() for e in examples if not e.entries]
    picked = [plain[i] for i in rng.integers(len(plain), size=rng.integers(1, 5))]
    reshape = shared().get("layers", "reshape")
    layers: list[object] = []
    for _, example in picked:
        if layers:
            layers += [Flatten(), Dense(int(np.prod(example.shape))), reshape.build(shape=example.shape)]
        layers += [example.layer, OpLayer(shared().get("ops", str(rng.choice(ACTIVATIONS))).target)]
    try:
        return Network(layers, picked[0][1].shape)  # type: ignore[arg-type]  # layers of all kinds, by their contract
    except (ShapeError, UsageError):
        return None


def differences(network: Network, rng: np.random.Generator, folder: Path) -> dict[str, float | str]:
    """Of each export, relative to the largest output; or why there is none."""
    model = model_of(network)
    rows = rng.normal(size=(int(rng.integers(1, 9)), *network.input_shape)).astype(np.float32)
    expected = model.outputs(rows)
    largest = max(1.0, float(np.nanmax(np.abs(expected), initial=0.0)))
    found: dict[str, float | str] = {}
    for name in ("onnx", "python"):
        try:
            if name == "onnx":
                graph = to_onnx(network, model.parameters)
                found[name] = largest_difference(graph, expected, rows) / largest
            else:
                (folder / "m.py").write_text(to_python(model, "m"), encoding="utf-8")
                given = runpy.run_path(str(folder / "m.py"))["outputs"](rows)
                found[name] = float(np.max(np.abs(given - expected), initial=0.0)) / largest
        except UsageError as error:
            found[name] = str(error)
    return found


def main() -> int:
    """Print what differs, and how many were compared."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    done = wrong = seed = 0
    worst = {"onnx": 0.0, "python": 0.0}
    with tempfile.TemporaryDirectory() as folder:
        while done < arguments.networks:
            rng = np.random.default_rng([arguments.seed, seed])
            seed += 1
            network = chain(rng)
            if network is None:
                continue
            done += 1
            for name, value in differences(network, rng, Path(folder)).items():
                if isinstance(value, float) and value <= CLOSE:
                    worst[name] = max(worst[name], value)
                else:
                    wrong += 1
                    print(f"seed {arguments.seed}, {seed - 1}: {name}: {value}: {' → '.join(network.names)}")
    shown = ", ".join(f"{name} {value:.1e}" for name, value in worst.items())
    print(f"{done} networks, {wrong} exports that differ or are refused; the largest difference otherwise: {shown}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
