"""What is learnt: handwritten digits, by softmax regression or a network with one hidden layer, gradients in NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from netsim.errors import ScenarioError
from netsim.noise import stream

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
_CLASSES, _TEST = 10, 5  # every fifth sample is kept for the test


@dataclass(frozen=True)
class Data:
    """Samples as rows of features, and which digit each is."""

    features: Floats
    labels: Labels


@cache
def digits() -> tuple[Data, Data]:
    """1,797 digits of 8 x 8 pixels that scikit-learn ships, for training and for the test; features from 0 to 1.

    ScenarioError without scikit-learn."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        told = "needs scikit-learn for its data: pip install 'netsim-training[learn]'"
        raise ScenarioError(told, path="job.statistics") from None
    found = load_digits()
    test = np.arange(len(found.target)) % _TEST == 0
    features, labels = found.data / 16.0, found.target.astype(np.int64)
    return Data(features[~test], labels[~test]), Data(features[test], labels[test])


@dataclass(frozen=True)
class Network:
    """Softmax over a linear layer, or over one hidden layer of `hidden` tanh units; weights are one flat vector."""

    inputs: int
    hidden: int  # 0: none, which is softmax regression

    def start(self, seed: int) -> Floats:
        """First weights: none at all for the regression, which is convex; else Glorot's (2010), seeded."""
        if not self.hidden:
            return np.zeros((self.inputs + 1) * _CLASSES)
        draws = stream(seed, "weights")
        shapes = [(self.inputs, self.hidden), (self.hidden, _CLASSES)]
        parts = [draws.normal(0.0, np.sqrt(2 / sum(shape)), shape) for shape in shapes]
        flat = [parts[0].ravel(), np.zeros(self.hidden), parts[1].ravel(), np.zeros(_CLASSES)]
        return np.concatenate(flat)

    def loss(self, weights: Floats, data: Data) -> float:
        """Mean cross-entropy (nats)."""
        _, chances = self._forward(weights, data.features)
        return float(-np.log(chances[np.arange(len(data.labels)), data.labels] + 1e-300).mean())

    def accuracy(self, weights: Floats, data: Data) -> float:
        """Share of digits that are told right."""
        return float((self._forward(weights, data.features)[1].argmax(axis=1) == data.labels).mean())

    def gradient(self, weights: Floats, data: Data) -> Floats:
        """Of the loss with respect to the weights."""
        hidden, chances = self._forward(weights, data.features)
        errors = chances
        errors[np.arange(len(data.labels)), data.labels] -= 1
        errors /= len(data.labels)
        below = data.features if hidden is None else hidden
        top = [(below.T @ errors).ravel(), errors.sum(axis=0)]
        if hidden is None:
            return np.concatenate(top)
        matrix = self._parts(weights)[2]
        back = (errors @ matrix.T) * (1 - hidden**2)
        return np.concatenate([(data.features.T @ back).ravel(), back.sum(axis=0), *top])

    def _forward(self, weights: Floats, features: Floats) -> tuple[Floats | None, Floats]:
        first, bias, second, top = self._parts(weights)
        hidden = np.tanh(features @ first + bias) if self.hidden else None
        scores = (features if hidden is None else hidden) @ second + top
        chances = np.exp(scores - scores.max(axis=1, keepdims=True))
        return hidden, chances / chances.sum(axis=1, keepdims=True)

    def _parts(self, weights: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Both matrices with their biases; the first pair is empty where there is no hidden layer."""
        below = self.hidden or self.inputs
        split = self.inputs * self.hidden
        matrices = weights[:split].reshape(self.inputs, self.hidden), weights[split : split + self.hidden]
        rest = weights[split + self.hidden :]
        return *matrices, rest[:-_CLASSES].reshape(below, _CLASSES), rest[-_CLASSES:]
