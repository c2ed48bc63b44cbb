"""Masks: which keys a row sees

A mask is a condition on positions: a function of the batch, the head, the row `i` and the key `j` that is traced once into a `mask`
region. Nothing evaluates it for all pairs. The compiler solves it for the keys that a block of rows can see: blocks that nobody sees
are not visited, and blocks that everybody sees as a whole skip the condition. So a mask costs what it lets through.

Pictures are what the compiled kernel of the spec above them does: rows down, keys to the right, `x` for a weight that is not 0. Numbers
are small to be drawn; a [run-time number](../../../README.md#python) (`heddle.scalar`) in place of one is an argument of the kernel. Join
masks by `heddle.and_masks` and `heddle.or_masks`, or by `&`, `|` and `~` inside of a function of your own.
"""

import heddle
from heddle import masks

from ._idea import Grid, idea

qkv = {name: "?x?x?x64xf32" for name in "qkv"}


@idea(picture=10)
@heddle.spec(**qkv)
def causal(q, k, v):
    """Causal

        i sees j  if  j <= i

    The mask of every language model that generates from left to right (Vaswani et al. 2017, GPT). `causal=True` of `heddle.attend` is the
    same with the last row at the last key, which is what generating beside a cache needs.
    """
    return heddle.attend(q, k, v, mask_mod=masks.causal)


@idea(picture=10)
@heddle.spec(**qkv)
def window(q, k, v):
    """Sliding window

        i sees j  if  i - width < j <= i

    Each row sees its `width` last keys, so that work grows with the length alone. Mistral, every second layer of Gemma 2 and of GPT-OSS, and
    the exact half of hybrids such as [BASED](../mechanisms/based.py) and [LoLCATs](../mechanisms/lolcats.py).
    """
    return heddle.attend(q, k, v, mask_mod=masks.window(3))


@idea(picture=10)
@heddle.spec(**qkv)
def around(q, k, v):
    """Window on both sides

        i sees j  if  i - left <= j <= i + right

    Local attention of encoders: Longformer, the local layers of ModernBERT, and, with two numbers that differ, streaming recognisers of
    speech that may look ahead a little. `window=(left, right)` of `heddle.attend` says the same.
    """
    return heddle.attend(q, k, v, mask_mod=masks.around(2, 1))


@idea(picture=10)
@heddle.spec(**qkv)
def sinks(q, k, v):
    """Window with sinks

        i sees j  if  j <= i  and  (j < count  or  i - width < j)

    The first tokens stay visible, because softmax puts there what it has no use for. StreamingLLM generates without end this way;
    Longformer and BigBird call such keys global.
    """
    always = masks.prefix(2)
    return heddle.attend(q, k, v, mask_mod=heddle.and_masks(masks.causal, heddle.or_masks(always, masks.window(3))))


@idea(picture=10)
@heddle.spec(**qkv)
def prefix(q, k, v):
    """Prefix

        i sees j  if  j <= i  or  j < count

    A prompt that is read in both directions, and an answer that is written from left to right: prefix language models (T5, UniLM),
    PaliGemma's image tokens.
    """
    return heddle.attend(q, k, v, mask_mod=heddle.or_masks(masks.causal, masks.prefix(4)))


@idea(picture=10)
@heddle.spec(**qkv)
def strided(q, k, v):
    """Strided

        i sees j  if  j <= i  and  (i - j) mod stride = 0

    One head for what is near, one for every `stride`-th token of the past: together they reach everything in two steps
    ([Sparse Transformer](../mechanisms/sparse_transformer.py), LongNet).
    """
    return heddle.attend(q, k, v, mask_mod=masks.strided(4))


@idea(picture=12)
@heddle.spec(**qkv)
def every(q, k, v):
    """Columns

        i sees j  if  j mod stride = first

    The same keys for all rows. The "fixed" pattern of the [Sparse Transformer](../mechanisms/sparse_transformer.py) reads the last token of
    every block this way, and [Attention Surgery](../mechanisms/attention_surgery.py) keeps softmax on such keys only.
    """
    return heddle.attend(q, k, v, mask_mod=heddle.and_masks(masks.causal, masks.every(4, first=3)))


@idea(picture=12)
@heddle.spec(**qkv)
def blocks(q, k, v):
    """Blocks

        i sees j  if  0 <= floor(i / size) - floor(j / size) <= before

    Rows share the keys of their block, and of so many before it. Chunked attention of Llama 4, the patches of
    [MEGABYTE](../mechanisms/megabyte.py), and the diagonal blocks beside [linear attention](../mechanisms/lln_attention.py).
    """
    return heddle.attend(q, k, v, mask_mod=masks.blocks(4, before=1))


@idea(picture=12, segments=[[0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2]])
@heddle.spec(**qkv, segments="?x?xi32")
def documents(q, k, v, segments):
    """Documents

        i sees j  if  j <= i  and  segments[b, i] = segments[b, j]

    Several texts in one row of a batch that do not see each other, as in the training of Llama 3. The table is read when the kernel
    runs; where its numbers are sorted, a block finds its keys by a search. Packed arrays (`layout="thd"`) are the other way to say this.
    """
    return heddle.attend(q, k, v, mask_mod=heddle.and_masks(masks.causal, masks.same(segments)))


@idea(picture=10, starts=[0, 0, 0, 2, 2, 2, 4, 4, 8, 8], ends=[3, 3, 3, 5, 5, 5, 8, 8, 10, 10])
@heddle.spec(**qkv, starts="?xi32", ends="?xi32")
def intervals(q, k, v, starts, ends):
    """Intervals

        i sees j  if  starts[i] <= j < ends[i]

    Any range for each row, as two tables: windows that widen, trees of drafts that are flattened, the bounds of chunks that a model
    has chosen. FlashMask calls the same idea by columns, with a range of rows for each key.
    """
    return heddle.attend(q, k, v, mask_mod=masks.intervals(starts, ends))


@idea(picture=10, ends=[[[10, 3, 4, 10, 7, 6, 10, 9, 10, 10], [4, 4, 4, 4, 8, 8, 8, 8, 10, 10]]])
@heddle.spec(**qkv, ends="?x?x?xi32")
def living(q, k, v, ends):
    """Keys that are forgotten

        i sees j  if  j <= i < ends[b, h, j]

    Each key has a time of death, of each head. This is what a cache that drops keys computes, without a cache: neural attention search
    ([NAtS](../mechanisms/nats.py)), and evictions that were decided before (H2O, TOVA).
    """
    return heddle.attend(q, k, v, mask_mod=heddle.and_masks(masks.causal, masks.living(ends)))


@idea(q=lambda generator: generator.standard_normal((1, 2, 3, 64), "float32"))
@heddle.spec(**qkv)
def shifted(q, k, v):
    """The last rows of a sequence

        row i is token i + keys - rows

    A mask of tokens, for a call that has the last few of them as rows: generating, or a prompt in parts. Of a mask that has a meaning
    only for whole sequences this makes one for any part of them.
    """
    return heddle.attend(q, k, v, mask_mod=masks.shifted(masks.window(3), k.shape[2] - q.shape[2]))


@idea(picture=12)
@heddle.spec(**qkv)
def neighborhood(q, k, v):
    """Neighbourhood

        i sees j  if  start <= j < start + size,   start = clamp(i - floor(size / 2), 0, extent - size)

    A window that is moved at the borders, not cut, so that every row sees as many keys; `dilation` takes every n-th neighbour, `stride`
    lets rows share the neighbourhood of their middle one. [NAT and DiNAT](../mechanisms/faster_na.py), and
    [generalized neighbourhood attention](../mechanisms/gna.py), which goes from this to blocks.
    """
    return heddle.attend(q, k, v, mask_mod=masks.neighborhood(12, 5))


@idea(picture=Grid((5, 7), (0, 17, 33)))
@heddle.spec(**qkv)
def neighborhoods(q, k, v):
    """Neighbourhoods on a grid

        i sees j  if each coordinate of i sees that of j

    Tokens of an image or a video, row by row and in place: conditions on coordinates (`masks.coordinate`), joined by and. Rows are cut
    into blocks along all axes, without any copy. NATTEN's operators, sliding-tile attention for video, [NAP](../mechanisms/nap.py).
    """
    return heddle.attend(q, k, v, mask_mod=masks.neighborhoods((5, 7), (3, 5)))


@idea(picture=Grid((5, 7), (9, 25)))
@heddle.spec(**qkv)
def axes(q, k, v):
    """Axes of a grid

        i sees j  if  row of i = row of j,  or column of i = column of j

    Axial attention (Ho et al. 2019), criss-cross attention of CCNet. `masks.coordinate` gives the place of a token on an axis; any
    condition on places is a mask.
    """
    row, column = (masks.coordinate((5, 7), axis) for axis in (0, 1))
    return heddle.attend(q, k, v, mask_mod=lambda b, h, i, j: (row(i) == row(j)) | (column(i) == column(j)))


@idea(picture=Grid((4, 6), (0, 9, 23)))
@heddle.spec(**qkv)
def tiles(q, k, v):
    """Tiles of a grid

        i sees j  if both are in one tile

    Window attention of Swin, locally-grouped attention of [Twins](../mechanisms/twins.py). Swin's shifted windows are the same of shifted
    coordinates; [HaloNet](../mechanisms/halonet.py) lets a tile see a rim around it.
    """
    return heddle.attend(q, k, v, mask_mod=masks.tiles((4, 6), (2, 3)))


@idea()
@heddle.spec(q="1x2x35x64xf32", k="1x2x35x64xf32")
def neighbor(q, k):
    """Neighbours by number

        s[i, n] = q_i . k_{neighbour n of i}

    Where a neighbour's number counts, and not only whether it is one, `masks.neighbor` is the map from numbers to tokens, for
    `heddle.view`. Unfused implementations of [neighbourhood attention](../mechanisms/faster_na.py) return such scores, and biases that
    were learned for each neighbour are indexed by n; `masks.neighbor_number` is the map back.
    """
    token = masks.neighbor((5, 7), (3, 3))
    shape = (1, 2, 35 * 9, 64)
    rows = heddle.view(q, shape, lambda b, h, t, c: (b, h, t // 9, c))
    keys = heddle.view(k, shape, lambda b, h, t, c: (b, h, token(t % 9, t // 9), c))
    return (rows * keys).sum(-1)
