"""Recurrences on a GPU: every shape of gate, whole and one token.

  recurrences.py build DIR [--compiler heddle-compile]   here: compile every case to DIR/<name>.pack
  recurrences.py run DIR --runtime libheddle_rt.so       on the device: check against float64, compare launches, time

Times stand beside a copy of the bytes that a recurrence cannot avoid: q, k, v and the result, or the state of one token twice.
"""
import argparse
import pathlib
import subprocess

GATES = {"none": "", "head": "tensor<?xf32>", "token": "tensor<?x?x{n}xf32>", "channel": "tensor<?x?x{n}x{d}x{e}>"}
TIMED = (("none_bf16_128", 8, 16, 4096), ("head_bf16_128", 8, 16, 4096), ("token_bf16_128", 8, 16, 4096),
         ("none_bf16_128", 1, 16, 16384), ("token_bf16_128", 1, 16, 16384), ("channel_bf16_64", 8, 16, 4096),
         ("token_bf16_128_step", 64, 32, 1))
TOLERANCE = {"bf16": 1e-2, "f32": 1e-5}


def cases():
    """name -> attn text."""
    for element in ("bf16", "f32"):
        for kind, gate in GATES.items():
            width = 128 if element == "bf16" and kind != "channel" else 64
            for tokens in ("?", "1"):
                rows, state = f"tensor<?x?x{tokens}x{width}x{element}>", f"tensor<?x?x{width}x{width}xf32>"
                type = gate.format(n=tokens, d=width, e=element)
                given, operand, types = (f", %g: {type}", " gate(%g)", f", {type}") if type else ("", "", "")
                yield f"{kind}_{element}_{width}" + ("_step" if tokens == "1" else ""), f"""
func.func @recur(%q: {rows}, %k: {rows}, %v: {rows}{given}, %s: {state}) -> ({rows}, {state}) {{
  %o, %t = attn.recur query(%q) key(%k) value(%v){operand} init(%s) final : ({rows}, {rows}, {rows}{types}, {state}) -> ({rows}, {state})
  return %o, %t : {rows}, {state}
}}
"""


def build(folder, compiler, target):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in cases():
        subprocess.run([compiler, "-", f"--target={target}", "-o", folder / f"{name}.pack"], input=text, text=True, check=True)


def inputs(torch, name, sizes, strength):
    """q, k, v, gate (or None), state; keys and values have `sizes[2]` heads."""
    batch, heads, key_heads, tokens = sizes
    kind, element, width = name.split("_")[:3]
    width, dtype = int(width), {"bf16": torch.bfloat16, "f32": torch.float32}[element]
    q, k, v = (torch.randn(batch, n, tokens, width, device="cuda").to(dtype) for n in (heads, key_heads, key_heads))
    shape = {"none": None, "head": (heads,), "token": (batch, heads, tokens), "channel": (batch, heads, tokens, width)}[kind]
    gate = None
    if shape is not None:
        x = torch.randn(shape, device="cuda")
        gate = {"weak": -x.abs() / 500, "usual": torch.nn.functional.logsigmoid(x), "strong": -20 * x.abs()}[strength]
        gate = gate.to(dtype) if kind == "channel" else gate
    return q, k, v, gate, torch.randn(batch, heads, width, width, device="cuda")


def oracle(torch, q, k, v, gate, state):
    """Token by token in float64."""
    k, v = (x.double().repeat_interleave(q.shape[1] // x.shape[1], 1) for x in (k, v))
    state, out = state.double(), torch.empty(*q.shape[:3], v.shape[3], dtype=torch.float64, device="cuda")
    if gate is not None:
        gate = gate.double()
        gate = gate[None, :, None, None] if gate.dim() == 1 else gate[..., None] if gate.dim() == 3 else gate
        gate = gate.expand(*q.shape)
    for t in range(q.shape[2]):
        if gate is not None:
            state = state * gate[:, :, t, :, None].exp()
        state = state + k[:, :, t, :, None] * v[:, :, t, None, :]
        out[:, :, t] = torch.einsum("bhc,bhce->bhe", q[:, :, t].double(), state)
    return out, state


def check(torch, pack, name):
    """One line for each length and strength of gates; False where one is off."""
    good = True
    for tokens in (1,) if name.endswith("step") else (200, 64, 5):
        for strength in ("weak", "usual", "strong"):
            q, k, v, gate, state = inputs(torch, name, (2, 4, 2, tokens), strength)
            out, final = torch.full((2, 4, *v.shape[2:]), float("nan"), device="cuda", dtype=q.dtype), torch.full_like(state, float("nan"))
            run, first = pack.launcher([q, k, v, *([] if gate is None else [gate]), state, out, final]), None
            for _ in range(4):
                run()
                torch.cuda.synchronize()
                first = first or (out.clone(), final.clone())
            same = torch.equal(out, first[0]) and torch.equal(final, first[1])
            errors = [((x.double() - y).norm() / y.norm()).item() for x, y in zip((out, final), oracle(torch, q, k, v, gate, state))]
            fine = same and all(error < TOLERANCE[name.split("_")[1]] for error in errors)
            good &= fine
            print(f"{name:22} T={tokens:4} {strength:7} result {errors[0]:.1e} state {errors[1]:.1e} {'' if same else 'launches differ '}"
                  f"{'' if fine else 'FAILED'}", flush=True)
    return good


def timed(torch, run, count):
    """The least of five bursts, in ms."""
    best = float("inf")
    for _ in range(6):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(count):
            run()
        end.record()
        torch.cuda.synchronize()
        best = min(best, start.elapsed_time(end) / count)
    return best


def measure(folder, runtime):
    import torch

    from packs import Pack
    torch.manual_seed(0)
    good = all([check(torch, Pack(runtime, folder / f"{name}.pack"), name) for name, _ in cases()])
    for name, batch, heads, tokens in TIMED:
        q, k, v, gate, state = inputs(torch, name, (batch, heads, heads, tokens), "usual")
        out, final = torch.empty_like(v), torch.empty_like(state)
        run = Pack(runtime, folder / f"{name}.pack").launcher([q, k, v, *([] if gate is None else [gate]), state, out, final])
        size = sum(x.numel() * x.element_size() for x in ((q, k, v, out) if tokens > 1 else (state, final)))
        source = torch.empty(size // 2, dtype=torch.uint8, device="cuda")
        target = torch.empty_like(source)
        ms, copy = timed(torch, run, 10), timed(torch, lambda: target.copy_(source), 10)
        print(f"{name:22} B={batch} H={heads} T={tokens}: {ms:.3f} ms, copy {copy:.3f} ms, {copy / ms:.2f} of its rate", flush=True)
    raise SystemExit(not good)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=["build", "run"])
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--compiler", default="heddle-compile")
    parser.add_argument("--target", default="sm_90a")
    parser.add_argument("--runtime", default="build/runtime/libheddle_rt.so")
    given = parser.parse_args()
    build(given.directory, given.compiler, given.target) if given.mode == "build" else measure(given.directory, given.runtime)
