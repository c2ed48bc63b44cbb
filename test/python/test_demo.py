"""The demo's own parts against independent code, and the demo as a user runs it."""
import pathlib
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from heddle.demo import encoder, oracle, picture, wordpiece

ODD = [
    "Café naïve — “quotes” it's 3.14 #tag @x  $5 中文字符 test\tTab",
    "e-mail: foo_bar@x.org, İstanbul, ŁÓDŹ, ß",
    "antidisestablishmentarianism" * 3,
    "",
]


@pytest.fixture(scope="module")
def sentences():
    return (pathlib.Path(encoder.__file__).parent / "sentences.txt").read_text().splitlines()


@pytest.fixture(scope="module")
def tokens(sentences):
    return [wordpiece.WordPiece(encoder.model_folder() / "vocab.txt").encode(sentence) for sentence in sentences]


def test_tokenizer_agrees_with_the_tokenizers_package(sentences, tokens):
    from tokenizers import Tokenizer

    theirs = Tokenizer.from_file(str(encoder.model_folder() / "tokenizer.json"))
    theirs.no_truncation()
    theirs.no_padding()
    ours = wordpiece.WordPiece(encoder.model_folder() / "vocab.txt")
    assert tokens == [theirs.encode(sentence).ids for sentence in sentences]
    for text in ODD:
        assert ours.encode(text) == theirs.encode(text).ids, text


def test_encoder_agrees_with_the_oracle(tokens):
    weights = encoder.load_weights(encoder.model_folder() / "model.safetensors")
    chosen = tokens[:4]
    offsets = np.cumsum([0] + [len(ids) for ids in chosen])

    def attention(q, k, v):
        parts = [oracle.attention(q[a:b], k[a:b], v[a:b]) for a, b in zip(offsets, offsets[1:])]
        return np.concatenate(parts).astype(np.float32)

    ours = encoder.Encoder(weights)(np.concatenate(chosen), offsets, attention)
    expected = np.stack([oracle.embed(weights, ids) for ids in chosen])
    assert ours.dtype == np.float32 and np.abs(ours - expected).max() < 1e-6
    # Sentences differ, and the oracle sees it: this is no comparison of constants.
    assert np.abs(expected @ expected.T - np.eye(4)).max() < 0.9


def test_picture_is_a_png_of_the_blocks(tmp_path):
    visible = np.kron(np.eye(2, dtype=bool), np.ones((8, 8), bool))
    visible[0, 1] = False
    picture.write_png(tmp_path / "mask.png", picture.block_mask(visible, 8, 8, scale=2))
    data = (tmp_path / "mask.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (32, 32)
    size = struct.unpack(">I", data[33:37])[0]
    rows = np.frombuffer(zlib.decompress(data[41 : 41 + size]), np.uint8).reshape(32, 1 + 3 * 32)[:, 1:].reshape(32, 32, 3)
    assert tuple(rows[31, 31]) == picture.FULL and tuple(rows[31, 3]) == picture.EMPTY and tuple(rows[1, 3]) == picture.PARTIAL


def test_demo_runs(tmp_path):
    done = subprocess.run([sys.executable, "-m", "heddle.demo", "--picture", str(tmp_path / "mask.png")], text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "compiled kernel" in done.stdout
    assert (tmp_path / "mask.png").stat().st_size > 200
