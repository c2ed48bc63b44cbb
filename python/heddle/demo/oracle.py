"""The same encoder once more, to compare with: one sentence at a time, float64, every step written out, nothing shared."""

import math

import numpy as np

_erf = np.vectorize(math.erf, otypes=[np.float64])


def attention(q, k, v):
    """One sentence, (tokens, heads, width)."""
    scores = np.einsum("ihd,jhd->hij", q, k) / math.sqrt(q.shape[-1])
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return np.einsum("hij,jhd->ihd", weights / weights.sum(-1, keepdims=True), v)


def embed(weights, sentence, heads=12, layers=6):
    """The unit vector of one sentence, given as ids."""
    w = {name: array.astype(np.float64) for name, array in weights.items() if "word_embeddings" not in name}

    def dense(x, name):
        return np.einsum("ti,oi->to", x, w[name + ".weight"]) + w[name + ".bias"]

    def layer_norm(x, name):
        return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12) * w[name + ".weight"] + w[name + ".bias"]

    words = weights["embeddings.word_embeddings.weight"][sentence].astype(np.float64)
    places = w["embeddings.position_embeddings.weight"][: len(sentence)]
    x = layer_norm(words + places + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for n in range(layers):
        at = f"encoder.layer.{n}."
        q, k, v = (dense(x, f"{at}attention.self.{part}").reshape(len(x), heads, -1) for part in ("query", "key", "value"))
        x = layer_norm(dense(attention(q, k, v).reshape(x.shape), at + "attention.output.dense") + x, at + "attention.output.LayerNorm")
        h = dense(x, at + "intermediate.dense")
        x = layer_norm(dense(0.5 * h * (1 + _erf(h / math.sqrt(2))), at + "output.dense") + x, at + "output.LayerNorm")
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)
