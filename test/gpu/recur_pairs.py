"""Recurrences over few tokens on a GPU, in chunks, as pairs of tokens, and as the plan chooses: checked and timed in one process.

  recur_pairs.py build DIR [--compiler heddle-compile]     here: compile every form of both gates to DIR/<gate>_<form>.pack
  recur_pairs.py run DIR --runtime libheddle_rt.so         on the device

Times are those of a captured graph of 20 calls, so that no launch waits for the host. Results are NaN before each of 60 launches, which
must agree bit by bit; the first head that decays as usual is compared with float64; one head forgets everything at each token.
"""
import argparse
import pathlib
import subprocess
import sys

FORMS = ("chunks", "pairs", "auto")
SIZES = [(batch, heads, tokens) for batch, heads in ((1, 1), (1, 4), (1, 16), (2, 16)) for tokens in (200, 256, 300, 512, 777, 1024, 2048, 2049)]
WIDTH, TOLERANCE = 128, 4e-3


def build(directory, compiler):
    sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "test/python"))
    from attn_text import recurrence
    directory.mkdir(parents=True, exist_ok=True)
    for gate in ("none", "head"):
        for form in FORMS:
            subprocess.run([compiler, "-", "--target=sm_90a", f"--schedule=form={form}", "-o", directory / f"{gate}_{form}.pack"],
                           input=recurrence(gate, width=WIDTH, states=False), text=True, check=True)


def time_in_graph(torch, run, calls=20):
    """Microseconds of a call."""
    graph, stream, times = torch.cuda.CUDAGraph(), torch.cuda.Stream(), []
    run()
    torch.cuda.synchronize()
    with torch.cuda.stream(stream), torch.cuda.graph(graph, stream=stream):
        for _ in range(calls):
            run()
    for _ in range(7):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        graph.replay()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) / calls * 1e3)
    return sorted(times)[3]


def expected(torch, q, k, v, gate):
    """Of one head, in float64."""
    places = torch.arange(len(q), device=q.device)
    decay = (float(gate) * (places[:, None] - places).clamp_min(0).double()).exp() if gate is not None else 1.0
    return (q.double() @ k.double().T * decay).tril() @ v.double()


def run(directory, runtime):
    import torch
    from packs import Pack
    failures = 0
    for gate in ("none", "head"):
        packs = {form: Pack(runtime, directory / f"{gate}_{form}.pack") for form in FORMS}
        for batch, heads, tokens in SIZES:
            generator = torch.Generator("cuda").manual_seed(tokens)
            q, k, v = (torch.randn(batch, heads, tokens, WIDTH, generator=generator, device="cuda").bfloat16() for _ in range(3))
            gates = [] if gate == "none" else [-torch.rand(heads, generator=generator, device="cuda") / 8]
            if gates and heads > 1:
                gates[0][1] = -float("inf")
            wanted = expected(torch, q[0, 0], k[0, 0], v[0, 0], gates[0][0] if gates else None)
            results, line = [], f"{gate} B*H={batch * heads} T={tokens}:"
            for form, pack in packs.items():
                out = torch.full_like(q, float("nan"))
                launch = pack.launcher([q, k, v, *gates, out])
                launch()
                first, good = out.clone(), True
                for _ in range(60):
                    out.fill_(float("nan"))
                    launch()
                    good &= torch.equal(out, first)
                error = ((first[0, 0].double() - wanted).norm() / wanted.norm()).item()
                results.append(first.double())
                good &= error < TOLERANCE and ((results[0] - results[-1]).norm() / results[0].norm()).item() < TOLERANCE
                failures += not good
                line += f" {form} {time_in_graph(torch, launch):.1f} us{'' if good else f' WRONG ({error:.1e})'}"
            print(line, flush=True)
    print(f"{failures} failed")
    return failures != 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=("build", "run"))
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--compiler", default="heddle-compile")
    parser.add_argument("--runtime")
    options = parser.parse_args()
    sys.exit(build(options.directory, options.compiler) if options.mode == "build" else run(options.directory, options.runtime))
