"""Recurrences on a GPU: every shape of gate, whole and one token; then 1,000 random combinations.

  recurrences.py build DIR [--compiler heddle-compile]   here, with the Python package: compile every case to DIR/<name>.pack
  recurrences.py run DIR --runtime libheddle_rt.so       on the device: check against float64, time, print (and write to $OUT)

Gates per channel are of every kind of test/python/channel_gates.py, up to 4,500 tokens. Times stand beside a copy of the bytes
that a recurrence cannot avoid: q, k, v and the result, or the state of one token twice; those with a state in and out beside
those without, where the pack of that is there. Outputs are NaN before each of four launches, which are compared. They run in a
process under a watchdog. Random cases are those of the CPU's suite (test/python/recur_cases.py), most of them with 16-bit
elements and wider heads; a failure names its case.
"""
import dataclasses
import json
import pathlib
import sys

import isolated
import matrix
from bench import measure, timing  # noqa: E402

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "test/python"))
import random_suite  # noqa: E402, which gives each process one thread of NumPy
import channel_gates  # noqa: E402
import numpy as np  # noqa: E402
import recur_cases  # noqa: E402
import recur_oracle  # noqa: E402

CASES = {f"{gate}_{dtype}_{width}{step}": (gate, dtype, width, 1 if step else "?", True)
         for dtype in ("bf16", "f32") for gate in ("none", "head", "token", "channel") for step in ("", "_step")
         for width in (128 if dtype == "bf16" else 64,)}
# The same without a state in or out, which are timed beside those with them.
CASES |= {f"{gate}_bf16_128_stateless": (gate, "bf16", 128, "?", False) for gate in ("none", "head", "token", "channel")}
CASES |= {"channel_f16_128": ("channel", "f16", 128, "?", True)}
# Wide keys, and masses of features that the kernel computes: with a mass beside the result, in the place of a state.
CASES |= {f"{gate}_bf16_{width}_stateless": (gate, "bf16", width, "?", False) for gate in ("none", "token") for width in (192, 256)}
MASSES_OF_EXP = {f"{gate}_bf16_128_exp": gate for gate in ("none", "token")}
CASES |= {name: (gate, "bf16", 128, "?", False) for name, gate in MASSES_OF_EXP.items()}
LONG = ((8, 16, 4096), (4, 16, 4096), (1, 16, 16384), (1, 16, 65536))
TIMED = {f"{gate}_bf16_128": LONG for gate in ("none", "head", "token", "channel")} | {"token_bf16_128_step": ((64, 32, 1),)}
TIMED |= {name: LONG[:3] for name in MASSES_OF_EXP} | {f"token_bf16_{width}_stateless": ((16, 32, 2048),) for width in (192, 256)}  # batch, heads, tokens
STRONG = {"channel_bf16_128": (8, 16, 4096)}  # timed with strong gates, too


def for_a_device(number, row):
    """Three of four rows of float32 are 16 bits wide here, and of 64 or 128 channels; a chunk is at most what any schedule has."""
    chunk = min(row.chunk, 64)
    if row.element != "f32" or number % 4 == 0:
        return dataclasses.replace(row, chunk=chunk)
    width = 64 if number % 2 or row.gate == "channel" or row.features == "squares" else 128
    return dataclasses.replace(row, element="f16" if number % 4 == 1 and not row.step else "bf16", width=width, value_width=width, chunk=chunk)


ROWS = {str(number): row for number, row in enumerate(dict.fromkeys(for_a_device(*each) for each in enumerate(recur_cases.TABLE)))}
PER_ROW = -(-1000 // len(ROWS))


def build_rows(directory, target, names):
    """Packs of the specs that heddle.recur and recur_step would compile."""
    from heddle import _recur_checks, _recurrence
    for name in names:
        case = recur_cases.Case(ROWS[name], 0)
        row, arrays, options = case.row, case.arrays(), case.options()
        q, k, v = (random_suite.as_type(arrays[x], row.element) for x in "qkv")
        initial = tuple(arrays[x] for x in ("state", "mass") if x in arrays) or None
        given = _recur_checks.Call(q, k, v, arrays.get("gate"), row.normalizer, initial, True, arrays.get("cu_seqlens"), options.get("chunk_size"),
                                   row.layout, None, options.get("at"), arrays.get("segments"), row.mass)
        spec, _ = _recurrence.spec_of(given, _recurrence.maps_of(options["feature_map"], given), case.scale, row.step)
        schedule = f"chunk={row.chunk}" if row.chunk else None
        (directory / f"{name}.pack").write_bytes(spec.compile(target, schedule))
        print(name, row, flush=True)


def check_row(options, name):
    """Random cases of a row: what is wrong with them."""
    import torch
    from packs import Pack
    pack, suite, wrong = Pack(options.runtime, options.directory / f"{name}.pack"), random_suite.Suite(options), []
    for number in range(PER_ROW):
        case = recur_cases.Case(ROWS[name], number)
        given = [suite.upload(x, suite.type(case.row)) if key in "qkv" else suite.tensor(x) for key, x in case.arrays().items()]
        outputs = [torch.empty(shape, dtype=getattr(torch, measure.TORCH_NAMES[element]), device=options.device) for shape, element in case.shapes()]
        results, same = measure.four_launches(torch, pack.launcher([*given, case.scale, *outputs]), outputs)
        errors = [measure.error(got.cpu(), torch.from_numpy(want)) for got, want in zip(results, case.expected(), strict=True)]
        if not same or not all(error < measure.TOLERANCE[case.row.element] for error in errors):
            wrong.append([f"{case}: errors {errors}, {'' if same else 'not '}repeatable", False])
    return wrong


def texts():
    from attn_text import masses_of_exp, recurrence
    return {name: masses_of_exp(gate) if name in MASSES_OF_EXP else recurrence(gate, dtype=dtype, width=width, tokens=tokens, states=states)
            for name, (gate, dtype, width, tokens, states) in CASES.items()}


class Recurrence:
    """One pack, and what it is given."""

    def __init__(self, options, name):
        import torch
        from packs import Pack
        self.torch, self.device, (self.gate, dtype, self.width, self.tokens, self.has_states) = torch, options.device, CASES[name]
        self.dtype, self.tolerance = getattr(torch, measure.TORCH_NAMES[dtype]), measure.TOLERANCE[dtype]
        self.pack = Pack(options.runtime, options.directory / f"{name}.pack")
        self.has_mass = name in MASSES_OF_EXP
        self.generator = np.random.default_rng(list(CASES).index(name))

    def on_device(self, array, dtype=None):
        return self.torch.from_numpy(array).to(self.device, dtype)

    def random(self, *shape, dtype=None):
        return self.on_device(self.generator.standard_normal(shape, np.float32), dtype)

    def inputs(self, batch, heads, key_heads, tokens, strength):
        """q, k, v, gate (or None), state."""
        q, k, v = (self.random(batch, n, tokens, self.width, dtype=self.dtype) for n in (heads, key_heads, key_heads))
        shapes = {"none": None, "head": (heads,), "token": (batch, heads, tokens), "channel": (batch, heads, tokens, self.width)}
        shape, gate = shapes[self.gate], None
        if self.gate == "channel":
            gate = self.on_device(channel_gates.GATES[strength](self.generator, shape).astype(np.float32), self.dtype)
        elif shape is not None:
            gate = self.on_device(recur_oracle.logarithms(self.generator, shape, strength))
        return q, k, v, gate, self.random(batch, heads, self.width, self.width)

    def launcher(self, inputs):
        """(a function, what it writes)"""
        q, _, v, _, state = inputs
        outputs = [self.torch.empty(*q.shape[:3], v.shape[3], dtype=q.dtype, device=self.device)]
        if self.has_states:
            outputs.append(self.torch.empty_like(state))
        if self.has_mass:
            outputs.append(self.torch.empty(q.shape[:3], device=self.device))
        return self.pack.launcher([x for x in inputs[:None if self.has_states else 4] if x is not None] + outputs), outputs

    def check(self, tokens, strength):
        """[tokens, strength, error of the result, of the state if it has one, whether four launches agree, whether all is well]."""
        inputs = self.inputs(*((2, 4, 2) if tokens < 2000 else (1, 1, 1)), tokens, strength)
        results, same = measure.four_launches(self.torch, *self.launcher(inputs))
        if self.has_mass:
            inputs = (*(x.float().exp().to(self.dtype) for x in inputs[:2]), *inputs[2:])
        q, k, v, gate, state = (None if x is None else x.double().cpu().numpy() for x in inputs)
        wide = [recur_oracle.wide(x, q.shape[1]) for x in (q, k, v)]
        if self.has_mass:  # what a value of 1 becomes
            wide[2] = np.concatenate([wide[2], np.ones_like(wide[2][..., :1])], -1)
        expected = recur_oracle.recurrence(*wide, recur_oracle.spread(gate, q.shape[1]), state if self.has_states else None)
        if self.has_mass:
            expected = np.split(expected[0], [self.width], -1)
            expected[1] = expected[1][..., 0]
        errors = [measure.error(got.cpu(), self.torch.from_numpy(want)) for got, want in zip(results, expected)]
        return [tokens, strength, *errors, same, same and all(error < self.tolerance for error in errors)]

    def time(self, batch, heads, tokens, strength, stateless=None):
        """{candidate: [milliseconds, TB/s]}; `stateless` is the same recurrence without states."""
        inputs = self.inputs(batch, heads, heads, tokens, strength)
        run, (out, *final) = self.launcher(inputs)
        moved = sum(x.numel() * x.element_size() for x in ((*inputs[:3], out) if tokens > 1 else (inputs[4], *final)))
        source = self.torch.empty(moved // 2, dtype=self.torch.uint8, device=self.device)
        target = self.torch.empty_like(source)
        runs = {"heddle": run, "copy": lambda: target.copy_(source)}
        if stateless:
            runs["stateless"] = stateless.launcher(inputs)[0]
        return timing.rates(self.torch, runs, moved, self.device)


def one(options, name):
    if name in ROWS:
        print(json.dumps({"name": name, "errors": check_row(options, name)}), flush=True)
        return
    case = Recurrence(options, name)
    lengths = (1,) if case.tokens == 1 else (4500, 1000, 200, 64, 5) if name == "channel_bf16_128" and options.device != "cpu" else (200, 64, 5)
    strengths = tuple(channel_gates.GATES) if case.gate == "channel" else recur_oracle.STRENGTHS[:1 if case.gate == "none" else None]
    result = {"name": name, "errors": [case.check(tokens, strength) for tokens in lengths for strength in strengths], "timed": {}}
    stateless = Recurrence(options, f"{name}_stateless") if (options.directory / f"{name}_stateless.pack").exists() else None
    for batch, heads, tokens in () if options.check_only else TIMED.get(name, ()):
        if options.device == "cpu":
            batch, heads, tokens = 1, 2, min(tokens, 128)
        result["timed"][f"B={batch} H={heads} T={tokens}"] = case.time(batch, heads, tokens, "usual", stateless)
    if name in STRONG and not options.check_only and options.device != "cpu":
        result["timed"]["strong gates, " + "B={} H={} T={}".format(*STRONG[name])] = case.time(*STRONG[name], "strong")
    print(json.dumps(result), flush=True)


def describe(result):
    if result["name"] in ROWS:
        return f", {PER_ROW} cases of {ROWS[result['name']]}"
    worst = [max(values) for values in zip(*(entry[2:-2] for entry in result["errors"]))]
    text = ", worst error of a result {:.1e}".format(worst[0]) + "".join(f", of a state {error:.1e}" for error in worst[1:])
    for what, times in result["timed"].items():
        text += f"\n  {what}: " + " | ".join(f"{who} {ms:.3f} ms {rate:.3g} TB/s" for who, (ms, rate) in times.items())
        text += " | of the copy's rate: " + ", ".join(f"{who} {times[who][1] / times['copy'][1]:.2f}" for who in times if who != "copy")
    return text


if __name__ == "__main__":
    parser = isolated.parser(__doc__, "cases and numbers of random rows", 120)
    parser.add_argument("--processes", type=int, default=1, help="with run: how many share them (1; more where nothing is timed)")
    options = parser.parse_args()
    names = options.name.split(",") if options.name else [*CASES, *ROWS]
    if options.mode == "build":
        matrix.build(options.directory, options.compiler, options.target, {name: text for name, text in texts().items() if name in names})
        build_rows(options.directory, options.target, [name for name in names if name in ROWS])
    elif options.mode == "one":
        for name in names:
            one(options, name)
    else:
        sys.exit(isolated.report(__file__, options, names, describe, options.limit, ["--device", options.device], options.processes))
