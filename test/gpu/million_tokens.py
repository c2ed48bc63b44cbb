"""What it costs to find the blocks of a mask of 1,048,576 tokens, and that a captured graph repeats a run.

  million_tokens.py build DIR [--compiler heddle-compile]   here
  million_tokens.py run DIR --runtime libheddle_rt.so       on the device

Documents of 128 tokens visit as many blocks of keys as a window of 128, whose bounds are arithmetic: the difference of
the two times is the check of the table and the searches.
"""
import isolated
import matrix
from bench import rows, timing  # noqa: E402

TOKENS, WIDTH = 1 << 20, 128
SPECS = {"documents_16": rows.Row("bf16", 16, 16, rows.DOCUMENTS), "window_16": rows.Row("bf16", 16, 16, rows.WINDOW)}


def run(directory, runtime):
    import torch
    from packs import Pack

    q, k, v = (torch.randn(1, 1, TOKENS, 16, device="cuda").bfloat16() for _ in range(3))
    o = torch.empty_like(q)
    ids = (torch.arange(TOKENS, device="cuda") // WIDTH).to(torch.int32)[None].contiguous()
    candidates = {"documents": Pack(runtime, directory / "documents_16.pack").launcher([q, k, v, ids, o]),
                  "window": Pack(runtime, directory / "window_16.pack").launcher([q, k, v, WIDTH, o])}
    times = timing.rates(torch, candidates, 1.0, rounds=15)
    for name, (milliseconds, _) in times.items():
        print(f"{name}: {milliseconds:.4f} ms")
    print(f"mask of {TOKENS} tokens: {times['documents'][0] - times['window'][0]:.4f} ms")

    candidates["documents"]()
    torch.cuda.synchronize()
    want = o.clone()
    o.zero_()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        candidates["documents"]()
    graph.replay()
    torch.cuda.synchronize()
    assert (o == want).all(), "expected the replayed graph to repeat the run"
    print("graph: equal")


if __name__ == "__main__":
    options = isolated.parser(__doc__).parse_args()
    if options.mode == "build":
        matrix.build(options.directory, options.compiler, options.target, {name: rows.spec(name, row).text for name, row in SPECS.items()})
    else:
        run(options.directory, options.runtime)
