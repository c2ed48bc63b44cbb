"""The rows of rivals.py: what is compiled for each, on what it runs, and beside what.

A row has specs(), {name: heddle.Spec}, made where Heddle is; run(bench, operators, check_only), on a device without it, gives the entries of
`errors` and {what: {candidate: [milliseconds, TB/s]}}; warm(bench, operators) calls the rival on few tokens. `fla`: its rival, if it has one;
`needs`: rows whose packs it runs, too.
"""
import dataclasses
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "test/python"))

SHAPES = ((1, 16384), (8, 4096), (4, 4096))  # batch, tokens


@dataclasses.dataclass(frozen=True)
class Recurrence:
    """A recurrence of given features beside the rival's operator; a "head" gate's numbers are those of lightning attention. With `layout` "bhtd"
    the spec takes q, k and v as views, and a token's gate as an array in that order, (b, h, t)."""

    fla: str
    gate: str
    d: int = 128
    heads: int = 16
    e: int = 128
    shapes: tuple = SHAPES
    beside: tuple = ()  # rows of the same arrays; a gate that is not of each channel is drawn for them
    layout: str = "bthd"

    @property
    def needs(self):
        return self.beside

    def specs(self):
        import heddle
        types = {"q": f"?x?x?x{self.d}xbf16", "k": f"?x?x?x{self.d}xbf16", "v": f"?x?x?x{self.e}xbf16"}
        gates = {"head": "?xf32", "token": "?x?x?xf32", "channel": f"?x?x?x{self.d}xbf16"}
        if self.gate == "none":
            return {"heddle": heddle.Spec(lambda q, k, v: heddle.recur(q, k, v, layout=self.layout), types)}
        return {"heddle": heddle.Spec(lambda q, k, v, g: heddle.recur(q, k, v, gate=g, layout=self.layout), types | {"g": gates[self.gate]})}

    def arrays(self, bench, batch, heads, tokens):
        made = {name: bench.normal(batch, tokens, heads, width) for name, width in (("q", self.d), ("k", self.d), ("v", self.e))}
        if self.gate == "head":
            made["g"] = -4.0 / heads * bench.torch.arange(heads, device=bench.device, dtype=bench.torch.float32)
        elif self.gate != "none":
            made["g"] = bench.logarithms(batch, tokens, heads, *([self.d] if self.gate == "channel" else []),
                                         dtype="bf16" if self.gate == "channel" else "f32")
        return made

    def launcher(self, bench, arrays, out, name=None):
        """Of this row, or of the one by a name."""
        views = list((*arrays.values(), out))
        if self.layout == "bhtd":
            views = [x if x.ndim == 1 else x.transpose(1, 2) if x.ndim == 4 else x.transpose(1, 2).contiguous() for x in views]
        return bench.launcher("heddle", dict(zip(arrays, views)), views[-1:], name)

    def call(self, operators, arrays):
        """The rival's."""
        operator, q, k, v = operators(self.fla), *(arrays[name] for name in "qkv")
        return {"none": lambda: operator(q, k, v, normalize=False)[0], "head": lambda: operator(q, k, v, 6, 12)[0],
                "token": lambda: operator(q, k, v, g=arrays["g"])[0], "channel": lambda: operator(q, k, v, arrays["g"])[0]}[self.gate]

    def warm(self, bench, operators):
        self.call(operators, self.arrays(bench, 1, self.heads, 256))()

    def run(self, bench, operators, check_only):
        errors, timed = [self.against_a_loop(bench)], {}
        for batch, tokens in () if check_only else self.shapes:
            heads, tokens = (2, 128) if bench.small else (self.heads, tokens)
            arrays, out = self.arrays(bench, batch, heads, tokens), bench.empty(batch, tokens, heads, self.e)
            what, calls = f"B={batch} T={tokens} H={heads} K={self.d} V={self.e}", {"heddle": self.launcher(bench, arrays, out)}
            if operators:
                calls["fla"] = self.call(operators, arrays)
            errors.append(bench.checked(what, calls["heddle"], [out], calls["fla"]() if operators else None))
            for other in self.beside:
                own = {"g": bench.logarithms(batch, tokens, heads)} if ROWS[other].gate == "token" and self.gate == "channel" else {}
                calls[other] = ROWS[other].launcher(bench, arrays | own, bench.empty(*out.shape), other)
            timed[what] = bench.times(calls, sum(2 * arrays[name].numel() for name in "qkv") + 2 * out.numel())
        return errors, timed

    def against_a_loop(self, bench):
        """An entry of `errors`: a few tokens in float64."""
        import recur_oracle
        arrays, out = self.arrays(bench, 1, 2, 200), bench.empty(1, 200, 2, self.e)
        q, k, v = (arrays[name].double().cpu().numpy().swapaxes(1, 2) for name in "qkv")
        gate = arrays["g"].double().cpu().numpy() if "g" in arrays else None
        gate = gate if gate is None or gate.ndim == 1 else gate.swapaxes(1, 2)
        wanted = recur_oracle.recurrence(q, k, v, recur_oracle.spread(gate, 2), scale=self.d ** -0.5)[0].swapaxes(1, 2)
        return bench.checked("T=200", self.launcher(bench, arrays, out), [out], bench.torch.from_numpy(wanted.copy()).to(bench.device))


@dataclasses.dataclass(frozen=True)
class Step:
    """One token with its state of float32."""

    fla: str = "fused_recurrent_simple_gla"
    needs = ()

    def specs(self):
        import heddle
        row = "?x?x1x128xbf16"
        return {"heddle": heddle.Spec(lambda q, k, v, g, s: heddle.recur(q, k, v, gate=g, initial_state=s, return_final_state=True),
                                      dict(q=row, k=row, v=row, g="?x?x1xf32", s="?x?x128x128xf32"))}

    def arrays(self, bench, batch, heads):
        made = {name: bench.normal(batch, heads, 1, 128) for name in "qkv"}
        return made | {"g": bench.logarithms(batch, heads, 1), "s": bench.normal(batch, heads, 128, 128, dtype="f32")}

    def call(self, operators, arrays):
        q, k, v = (arrays[name].transpose(1, 2).contiguous() for name in "qkv")
        operator, gate = operators(self.fla), arrays["g"].transpose(1, 2).contiguous()
        return lambda: operator(q, k, v, g=gate, initial_state=arrays["s"], output_final_state=True)

    def warm(self, bench, operators):
        self.call(operators, self.arrays(bench, 1, 32))()

    def run(self, bench, operators, check_only):
        batch, heads = (1, 2) if bench.small or check_only else (64, 32)
        arrays = self.arrays(bench, batch, heads)
        outputs = [bench.empty(*arrays["q"].shape), bench.torch.empty_like(arrays["s"])]
        run = bench.launcher("heddle", arrays, outputs)
        q, k, v, g, s = (arrays[name].double() for name in "qkvgs")
        state = s * g.exp()[..., None] + k.transpose(2, 3) * v
        errors = [bench.checked("row", run, outputs, q @ state / 128 ** 0.5), bench.checked("state", run, outputs[::-1], state, 1e-5)]
        calls = {"heddle": run} | ({"fla": self.call(operators, arrays)} if operators else {})
        return errors, {} if check_only else {f"B={batch} H={heads}": bench.times(calls, 8 * s.numel())}


def pieces(together, *parts):
    """Parts of a hybrid one after another."""
    def run():
        for part in parts:
            part()
    return {"heddle": together, "back to back": run}


@dataclasses.dataclass(frozen=True)
class Lizard:
    """The spec of heddle.mechanisms.lizard with a window of 128 and 4 anchors, f = [exp(x W); exp(-x W)] with 128 columns, beside the kernels of
    its window and of its recurrence. `norm`: the reading. The recurrence alone has the rival's, on features that are given."""

    norm: str
    fla: str = ""
    needs = ()

    def specs(self):
        import heddle
        import ml_dtypes
        import numpy as np
        from heddle import feature_maps, gates
        from heddle.mechanisms import lizard
        wq, wk = (np.zeros((32, 128, 128), ml_dtypes.bfloat16) for _ in range(2))
        alpha, anchors = np.ones(32, np.float32), np.zeros((32, 4), np.float32)
        row = "?x32x?x128xbf16"
        types = dict(q=row, k=row, v=row, g="?x32x?xbf16")
        maps = tuple(feature_maps.learned(w, feature_maps.clamped(feature_maps.mirrored(feature_maps.exp))) for w in (wq, wk))
        sink = np.full(32, np.log(4), np.float32)  # of anchors that are 0, as here
        return {"heddle": heddle.Spec(lizard.spec(wq, wk, alpha, anchors, norm=self.norm, window=128).function, types),
                "window": heddle.Spec(lambda q, k, v: heddle.attend(q, k, v, causal=True, window=(127, 0), sink=sink), dict(q=row, k=row, v=row)),
                "state": heddle.Spec(lambda q, k, v, g: heddle.recur(q, k, v, gate=gates.sigmoid(g), feature_map=maps, normalizer="sum"), types)}

    def in_float64(self, bench, arrays, b, h):
        """Of one head: the hybrid, its window's part and its state's."""
        torch, (q, k, v) = bench.torch, (arrays[name][b, h].double() for name in "qkv")
        w = {hint: x[h].double() for (hint, _), x in bench.weights.items() if hint in ("w", "w_", "alpha")}
        fq, fk = (torch.cat([y.exp(), (-y).exp()], -1) for y in (q @ w["w"], k @ w["w_"]))
        decays = torch.nn.functional.logsigmoid(arrays["g"][b, h].double()).cumsum(0)
        far = ((fq @ fk.T) * (decays[:, None] - decays).tril().exp()).tril()
        place = torch.arange(len(q), device=q.device)
        e = (q @ k.T / 128 ** 0.5).exp().tril() * (place > place[:, None] - 128)
        mass, total = far.sum(-1, keepdim=True), e.sum(-1, keepdim=True) + 4  # of anchors that are 0
        parts = e @ v / total, far @ v / mass
        whole = (far @ v + w["alpha"] * e @ v) / (mass + w["alpha"] * total) if self.norm == "joint" else parts[1] + w["alpha"] * parts[0]
        return whole, *parts

    def run(self, bench, operators, check_only):
        shapes = {"q": 128, "k": 128, "v": 128}
        batch, heads, tokens = (1, 32, 150) if bench.small or check_only else (16, 32, 2048)
        arrays = {name: bench.normal(batch, tokens, heads, width).transpose(1, 2) for name, width in shapes.items()}
        arrays["g"] = bench.normal(batch, heads, tokens)
        outs = [bench.empty(batch, tokens, heads, 128).transpose(1, 2) for _ in range(3)]
        hybrid, near, far = (bench.launcher(part, arrays, [out]) for part, out in zip(("heddle", "window", "state"), outs))
        errors = [bench.checked(name, run, [out], None) for name, run, out in (("launches of the hybrid", hybrid, outs[0]), ("of the window", near, outs[1]),
                                                                           ("of the state", far, outs[2]))]
        for b, h in ((0, 0), (batch - 1, heads - 1), (batch // 2, heads // 3)):
            for name, out, wanted in zip(("hybrid", "window", "state"), outs, self.in_float64(bench, arrays, b, h)):
                error = bench.error(out[b, h], wanted)
                errors.append([f"{name} of batch {b}, head {h}", error, True, error < 1e-2])
        if check_only:
            return errors, {}
        calls = pieces(hybrid, near, far) | {"window": near, "state": far}
        return errors, {f"B={batch} T={tokens} H={heads}": bench.times(calls, 8 * outs[0].numel())} | {"workspace, bytes": hybrid.workspace}


@dataclasses.dataclass(frozen=True)
class Based:
    """16 channels with Taylor features of second order, and a window of 64 over 128 channels, of the same values, as a sum. The rival has the
    first part alone."""

    fla: str = "parallel_based"
    needs = ()

    def specs(self):
        import heddle
        from heddle import feature_maps

        def far(q, k, v):
            return heddle.recur(q, k, v, feature_map=feature_maps.taylor, normalizer="sum")

        def near(x, y, v):
            return heddle.attend(x, y, v, causal=True, window=(63, 0))

        def both(q, k, x, y, v):
            return heddle.merge(far(q, k, v), near(x, y, v), weights=lambda b, h, i: (1.0, 1.0))
        narrow, row = "?x?x?x16xbf16", "?x?x?x128xbf16"
        return {"heddle": heddle.Spec(both, dict(q=narrow, k=narrow, x=row, y=row, v=row)), "taylor": heddle.Spec(far, dict(q=narrow, k=narrow, v=row)),
                "window": heddle.Spec(near, dict(x=row, y=row, v=row))}

    def arrays(self, bench, heads, tokens):
        return {name: bench.normal(1, tokens, heads, width).transpose(1, 2) for name, width in zip("qkxyv", (16, 16, 128, 128, 128))}

    def call(self, operators, arrays):
        q, k, v = (arrays[name].transpose(1, 2) for name in "qkv")
        return lambda: operators(self.fla)(q, k, v)

    def warm(self, bench, operators):
        self.call(operators, self.arrays(bench, 16, 256))()

    def run(self, bench, operators, check_only):
        heads, tokens = (2, 200) if bench.small or check_only else (16, 16384)
        arrays = self.arrays(bench, heads, tokens)
        outs = [bench.empty(1, tokens, heads, 128).transpose(1, 2) for _ in range(3)]
        hybrid, near, far = (bench.launcher(part, arrays, [out]) for part, out in zip(("heddle", "window", "taylor"), outs))
        q, k, v = (arrays[name].double() for name in "qkv")
        some = bench.torch.cat([bench.torch.arange(100), bench.torch.arange(tokens - 100, tokens)]).to(bench.device)
        s = q[:, :, some] @ k.transpose(2, 3) / 4
        weights = (1 + s + s * s / 2) * (bench.torch.arange(tokens, device=bench.device) <= some[:, None])
        near(), far()
        errors = [["rows at both ends", error := bench.error(outs[2][:, :, some], weights @ v / weights.sum(-1, keepdim=True)), True, error < 1e-2],
                  bench.checked("of its parts", hybrid, [outs[0]], outs[1].float() + outs[2].float())]
        if check_only:
            return errors, {}
        calls = pieces(hybrid, near, far) | {"window": near, "taylor": far}
        if operators:
            calls["fla"] = self.call(operators, arrays)
            errors.append(["the rival's taylor", error := bench.error(calls["fla"]().transpose(1, 2), outs[2]), True, error < 2e-2])
        return errors, {f"T={tokens} H={heads}": bench.times(calls, 0), "workspace, bytes": hybrid.workspace}


@dataclasses.dataclass(frozen=True)
class Growth:
    """Time of a token, and what the plan's workspace takes, as sequences grow; the heads of all sequences are `heads`."""

    of: str
    heads: int = 16
    fla: str = ""
    lengths: tuple = (16384, 32768, 65536, 131072, 262144)

    @property
    def needs(self):
        return (self.of,)

    def specs(self):
        return {}

    def run(self, bench, operators, check_only):
        row, lengths = ROWS[self.of], (64, 128) if bench.small or check_only else self.lengths
        whole = row.arrays(bench, 1, self.heads, lengths[-1])
        out, timed, spaces = bench.empty(1, lengths[-1], self.heads, row.e), {}, {}
        for length in lengths:
            arrays = {name: x if x.ndim == 1 else x[:, :length] for name, x in whole.items()}
            run = row.launcher(bench, arrays, out[:, :length], self.of)
            spaces[length] = run.workspace
            if not check_only:
                timed |= {length: bench.times({"heddle": run}, 0)["heddle"][0]}
        figures = {f"ns of a token, {self.heads} heads": {T: round(ms * 1e6 / T, 2) for T, ms in timed.items()}, "workspace, bytes": spaces}
        return [["finite", 0.0, bool(out.isfinite().all()), bool(out.isfinite().all())]], {what: json_text(x) for what, x in figures.items()}


def json_text(numbers):
    return ", ".join(f"{key}: {value}" for key, value in numbers.items())


ROWS = {
    "linear": Recurrence("chunk_linear_attn", "none", shapes=(*SHAPES, (1, 65536)), beside=("linear_bhtd",)),
    "lightning": Recurrence("chunk_lightning_attn", "head", shapes=(*SHAPES, (1, 65536))),
    "gated": Recurrence("chunk_simple_gla", "token", shapes=(*SHAPES, (1, 65536)), beside=("gated_bhtd",)),
    "mamba2": Recurrence("chunk_simple_gla", "token", e=64, heads=32, shapes=SHAPES[:2]),
    "channel": Recurrence("chunk_gla", "channel", shapes=SHAPES[:2], beside=("gated",)),
    "gated_256": Recurrence("chunk_simple_gla", "token", d=256, heads=32, shapes=((16, 2048),)),
    "lizard_gla": Recurrence("chunk_gla", "channel", d=256, heads=32, shapes=((16, 2048),), beside=("gated_256",)),
    "linear_bhtd": Recurrence("", "none", shapes=(), layout="bhtd"), "gated_bhtd": Recurrence("", "token", shapes=(), layout="bhtd"),
    "lizard_row": Lizard("row"), "lizard_joint": Lizard("joint"), "based": Based(), "step": Step(),
    "growth_linear": Growth("linear"), "growth_lightning": Growth("lightning"), "growth_gated": Growth("gated"), "growth_channel": Growth("channel"),
    "growth_gated_128": Growth("gated", 128),
}
