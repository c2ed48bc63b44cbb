"""Recurrences beside flash-linear-attention, and hybrids beside the kernels that they replace, in one process.

  rivals.py build DIR [--compiler heddle-compile]          here, with the Python package: compile every spec to DIR/<row>.<spec>.pack
  rivals.py warm DIR --fla FOLDER                          on the device, once: processes side by side compile the rival's kernels
  rivals.py run DIR --runtime libheddle_rt.so --fla FOLDER on the device: check, time, print (and write to $OUT)

FOLDER holds the packages fla (of `pip download --no-deps fla-core==0.5.2`) and einops, nothing of which is in this tree; without it rivals
are left out. Its kernels are tuned at their first call, in each process anew; `chosen` lines of a report, saved as DIR/chosen.json, are
taken instead. Arrays are (b, t, h, d). "copy" moves the bytes of q, k, v and the result, or the state of one token twice.
"""
import json
import math
import os
import pathlib
import subprocess
import sys
import time

import isolated
import matrix
from bench import measure, timing  # noqa: E402
from rival_rows import ROWS  # noqa: E402

CACHE = "TRITON_CACHE_DIR"


def build(options, names):
    """Packs, and beside each what it takes: names of arrays, and what its spec closes over (arrays of zeros: weights, to be drawn)."""
    options.directory.mkdir(parents=True, exist_ok=True)
    failed = []
    names = dict.fromkeys(other for name in names for other in (name, *ROWS[name].needs))
    for place, spec in ((f"{name}.{part}", spec) for name in names for part, spec in ROWS[name].specs().items()):
        compiled, leaves = spec._program()
        known = [leaf.value if hasattr(leaf, "value") else leaf for leaf in compiled._leaves(leaves)]
        given = [[parameter.hint, None] for parameter in compiled.parameters]
        given += [[parameter.hint, captured(value, parameter.type)] for parameter, value in zip(compiled.captures.parameters, known)]
        (options.directory / f"{place}.json").write_text(json.dumps(given))
        try:
            matrix.build(options.directory, options.compiler, options.target, {place: spec.text})
        except subprocess.CalledProcessError:
            failed.append(place)
            print(f"failed: {place}", flush=True)
    return len(failed)


def captured(value, type):
    """[shape, element, numbers or None] of an array, a number as it is."""
    return [list(value.shape), type.element, value.astype("float32").tolist() if value.any() else None] if hasattr(value, "shape") else value


class Bench:
    """What a row needs to make its arrays and to run packs and rivals on them."""

    def __init__(self, options, name):
        import torch
        self.torch, self.options, self.name, self.device = torch, options, name, options.device
        self.generator, self.packs, self.weights = torch.Generator(self.device).manual_seed(len(name)), {}, {}
        self.small = self.device == "cpu"

    def normal(self, *shape, dtype="bf16", factor=1.0):
        """Random numbers, of which at most 2^28 are made at once, so that float32 takes no more than 1 GB."""
        torch, kind = self.torch, getattr(self.torch, measure.TORCH_NAMES[dtype])
        made = torch.empty(shape, dtype=kind, device=self.device)
        flat = made.view(-1)
        for begin in range(0, flat.numel(), 1 << 28):
            part = flat[begin:begin + (1 << 28)]
            part.copy_(torch.randn(part.shape, generator=self.generator, device=self.device) * factor)
        return made

    def logarithms(self, *shape, dtype="f32"):
        """Gates: logarithms of sigmoids to the power of 1/16."""
        made = self.normal(*shape, dtype=dtype)
        for part in made.view(-1).split(1 << 28):
            part.copy_(self.torch.nn.functional.logsigmoid(part.float()) / 16)
        return made

    def launcher(self, part, arrays, outputs, row=None):
        """What runs a pack on arrays by name."""
        from packs import Pack
        place = f"{row or self.name}.{part}"
        if place not in self.packs:
            self.packs[place] = Pack(self.options.runtime, self.options.directory / f"{place}.pack")
        values = []
        for hint, form in json.loads((self.options.directory / f"{place}.json").read_text()):
            values.append(arrays[hint] if hint in arrays else self.weight(hint, *form) if isinstance(form, list) else form)
        return self.packs[place].launcher([*values, *outputs])

    def weight(self, hint, shape, element, numbers):
        """What a spec closes over, on the device."""
        key = hint, json.dumps([shape, numbers])
        if key not in self.weights:
            if numbers is None:
                self.weights[key] = self.normal(*shape, dtype=element, factor=shape[-1] ** -0.5 if len(shape) > 1 else 0.5)
            else:
                kind = "int32" if element == "i32" else measure.TORCH_NAMES[element]
                self.weights[key] = self.torch.tensor(numbers, dtype=getattr(self.torch, kind), device=self.device)
        return self.weights[key]

    def empty(self, *shape, dtype="bf16"):
        return self.torch.empty(shape, dtype=getattr(self.torch, measure.TORCH_NAMES[dtype]), device=self.device)

    def copy(self, moved):
        """A kernel that moves so many bytes."""
        source = self.empty(moved // 4)
        target = self.torch.empty_like(source)
        return lambda: target.copy_(source)

    def checked(self, what, run, outputs, wanted, tolerance=1e-2):
        """An entry of `errors`: four launches into NaN, against what is wanted; None: against themselves."""
        results, same = measure.four_launches(self.torch, run, outputs)
        error = 0.0 if wanted is None else self.error(results[0], wanted)
        return [what, error, same, bool(same and error < tolerance and not results[0].isnan().any())]

    def error(self, got, want):
        """measure.error, a batch at a time."""
        got, want = (x.reshape(-1, x.shape[-1]).split(1 << 20) for x in (got, want))
        pairs = [((a.double() - b.double()).square().sum().item(), b.double().square().sum().item()) for a, b in zip(got, want, strict=True)]
        return math.sqrt(sum(a for a, _ in pairs) / max(sum(b for _, b in pairs), 1e-300))

    def times(self, calls, moved):
        """{candidate: [milliseconds, TB/s of `moved`]}."""
        if moved:
            calls = calls | {"copy": self.copy(moved)}
        return timing.rates(self.torch, calls, moved or 0, self.device)


def rival(options, name):
    """The rival's operators as a function of their names, None where there is no folder of it. What is known of its tuning is used."""
    if not options.fla:
        return None
    import fla_tuning
    if not fla_tuning.TUNERS:
        sys.path.insert(0, str(options.fla))
        fla_tuning.watch(tuple(map(int, options.part.split("/"))) if options.part else None)
        import fla.ops  # noqa: F401
    place = options.directory / "chosen.json"
    fla_tuning.begin(json.loads(place.read_text()).get(name, {}) if place.exists() else {})
    return lambda operator: getattr(sys.modules["fla.ops"], operator)


def one(options, name):
    import torch
    row, operators = ROWS[name], rival(options, name)
    begin = time.perf_counter()
    with torch.no_grad():
        errors, timed = row.run(Bench(options, name), operators, options.check_only)
    result = {"name": name, "errors": errors, "timed": timed, "seconds": time.perf_counter() - begin}
    if operators:
        import fla_tuning
        result["chosen"] = fla_tuning.chosen()
    print(json.dumps(result), flush=True)


def compile_rival(options, name):
    """One call of the rival on few tokens, which compiles a part of its kernels' forms."""
    import torch
    operators = rival(options, name)
    with torch.no_grad():
        ROWS[name].warm(Bench(options, name), operators)


def warm(options, names):
    """Processes side by side, each within the limit."""
    begin, parts = time.monotonic(), options.parts
    work = [(name, f"{n}/{parts}") for name in names if ROWS[name].fla for n in range(parts)]
    started = [subprocess.Popen([sys.executable, __file__, "compile", options.directory, "--fla", options.fla, "--name", name, "--part", part])
               for name, part in work]
    late = []
    for (name, part), process in zip(work, started):
        try:
            status = process.wait(timeout=max(0.1, options.limit + begin - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            status = "still busy"
        if status:
            late.append(f"{name} {part}: {status}")
    print(f"warm: {len(work)} processes, {time.monotonic() - begin:.0f} s; {', '.join(late) or 'all ended well'}", flush=True)


def describe(result):
    text = "".join(f"\n  {what} error {error:.1e}" for what, error, *_ in result["errors"])
    for what, times in result["timed"].items():
        if isinstance(times, dict):
            ours, copy = times.get("heddle"), times.get("copy")
            text += f"\n  {what}: " + " | ".join(f"{who} {ms:.3f} ms" for who, (ms, _) in times.items())
            if copy and ours:
                text += f" | {copy[0] / ours[0]:.2f} of the copy's rate"
            text += "".join(f" | {who} / heddle {ms / ours[0]:.2f}" for who, (ms, _) in times.items() if ours and who not in ("heddle", "copy"))
        else:
            text += f"\n  {what}: {times}"
    if result.get("chosen"):
        text += f"\n  chosen {json.dumps({result['name']: result['chosen']})}"
    return text + f"\n  {result['seconds']:.1f} s"


def main():
    parser = isolated.parser(__doc__, "rows", 90, modes=["warm", "compile"])
    parser.add_argument("--fla", type=pathlib.Path, help="with run, one and warm: the folder of the rival's packages (left out without)")
    parser.add_argument("--parts", type=int, default=2, help="with warm: processes for each row (2)")
    parser.add_argument("--part", help="with compile: which of how many, as 0/2")
    options = parser.parse_args()
    names = options.name.split(",") if options.name else list(ROWS)
    os.environ.setdefault(CACHE, str(options.directory.resolve() / "triton"))
    if options.mode == "build":
        return build(options, names)
    if options.mode == "warm":
        return warm(options, names)
    if options.mode in ("one", "compile"):
        for name in names:
            (one if options.mode == "one" else compile_rival)(options, name)
        return None
    more = ["--device", options.device] + (["--fla", options.fla] if options.fla else [])
    return isolated.report(__file__, options, names, describe, options.limit, more)


if __name__ == "__main__":
    sys.exit(main())
