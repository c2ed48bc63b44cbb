"""The main job of this repository, on real input: see the package's docstring. `make demo` runs it."""

import argparse
import pathlib
import statistics
import sys
import time

import numpy as np

import heddle
from heddle import _compiler

from . import encoder, oracle, picture, wordpiece

# Both sides hold float32 between layers or better, so unit vectors agree to a few of its last bits.
TOLERANCE = 1e-5


def packed(tokens):
    """All ids, one sentence after another, and where each begins (and the end)."""
    offsets = np.zeros(len(tokens) + 1, np.int32)
    np.cumsum([len(ids) for ids in tokens], out=offsets[1:])
    return np.concatenate(tokens), offsets


def compiled_attention(offsets):
    """The attention of every layer, by Heddle: each sentence sees itself alone."""
    return lambda q, k, v: heddle.attend(q, k, v, cu_seqlens_q=offsets, cu_seqlens_k=offsets, layout="thd")


def compiled_kernels():
    """(hash, target) of each pack that this process has compiled or taken from the cache, and so has run. A pack of the plan
    alone counts where it is the whole pack, taken from the cache: then nothing else was needed."""
    with_kernels = {name[:2] for name in _compiler._packs if name[2] != "none"}
    return sorted((f"{pack.content_hash:016x}", name[1]) for name, pack in _compiler._packs.items()
                  if name[2] != "none" or name[:2] not in with_kernels)


def numpy_attention(offsets):
    """The same in float32 NumPy, to compare times with: a loop over sentences, each a batched matrix product."""

    def attend(q, k, v):
        out = np.empty_like(q)
        for begin, end in zip(offsets, offsets[1:]):
            rows, keys, values = (x[begin:end].transpose(1, 0, 2) for x in (q, k, v))
            scores = rows @ keys.transpose(0, 2, 1) * np.float32(q.shape[-1] ** -0.5)
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            out[begin:end] = (weights @ values / weights.sum(-1, keepdims=True)).transpose(1, 0, 2)
        return out

    return attend


def milliseconds(run, repeat=7):
    run()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


def print_similarities(sentences, vectors):
    print("similarity (cosine x 100):")
    for number, (sentence, row) in enumerate(zip(sentences, vectors @ vectors.T)):
        shown = sentence if len(sentence) <= 36 else sentence[:33] + "..."
        print(f"{number:3} {shown:36}", " ".join(f"{round(100 * float(value)):3d}" for value in row))


def main(arguments=None):
    parser = argparse.ArgumentParser("python -m heddle.demo", description=__doc__)
    parser.add_argument("--picture", default="block-mask.png", help="where the picture of the block mask goes")
    options = parser.parse_args(arguments)

    folder = encoder.model_folder()
    weights = encoder.load_weights(folder / "model.safetensors")
    tokenizer = wordpiece.WordPiece(folder / "vocab.txt")
    sentences = (pathlib.Path(__file__).parent / "sentences.txt").read_text(encoding="utf-8").splitlines()
    tokens = [tokenizer.encode(sentence) for sentence in sentences]
    ids, offsets = packed(tokens)
    lengths = np.diff(offsets)
    print(f"{len(sentences)} sentences of {lengths.min()} to {lengths.max()} tokens, {len(ids)} in all, packed one after another")

    encode = encoder.Encoder(weights)
    attention = compiled_attention(offsets)
    vectors = encode(ids, offsets, attention)
    print_similarities(sentences, vectors)

    kernels = compiled_kernels()
    for content_hash, target in kernels:
        print(f"compiled kernel {content_hash} for {target}")
    if not kernels:
        print("expected a compiled kernel to have run, got none", file=sys.stderr)
        return 1

    expected = np.stack([oracle.embed(weights, sentence) for sentence in tokens])
    difference = float(np.abs(vectors - expected).max())
    cosine = float(((vectors * expected).sum(-1) / np.linalg.norm(vectors.astype(np.float64), axis=-1)).min())
    print(f"agreement with float64, sentence by sentence: largest difference {difference:.2e}, smallest cosine {cosine:.9f}")

    random = np.random.default_rng(0)
    q, k, v = (random.standard_normal((len(ids), encoder.HEADS, 32), np.float32) for _ in range(3))
    for name, run in (("compiled", attention), ("NumPy", numpy_attention(offsets))):
        print(f"{name:9} attention of a layer {milliseconds(lambda: run(q, k, v)):7.2f} ms, "
              f"whole encoder {milliseconds(lambda: encode(ids, offsets, run)):7.1f} ms")

    document = np.repeat(np.arange(len(sentences)), lengths)
    picture.write_png(options.picture, picture.block_mask(document[:, None] == document, 64, 64))
    print(f"block mask: {options.picture}")

    if not difference < TOLERANCE:
        print(f"expected a difference below {TOLERANCE}, got {difference:.2e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
