"""Recurrences of few heads, whose plan is two kernels that hand states on in the caller's workspace, where launches meet on a GPU.

  recur_launches.py build DIR                              here, with the Python package: compile each gate's pack (those of recurrences.py)
  recur_launches.py run DIR --runtime libheddle_rt.so      on the device

Of each gate: a captured graph of two calls, replayed after its inputs changed; the same two calls on two streams at once, each with a workspace of its
own, again and again; and many calls one after another in one workspace. All have to give, bit by bit, what each call gives alone.
"""
import json
import sys

import isolated
import matrix
from bench import measure  # noqa: E402

import recurrences  # noqa: E402

NAMES = [f"{gate}_bf16_128" for gate in ("none", "head", "token", "channel")]


class Calls:
    """Two calls of one pack on arrays of their own."""

    def __init__(self, options, name):
        self.case = recurrences.Recurrence(options, name)
        self.torch, tokens = self.case.torch, 128 if options.device == "cpu" else 8192
        self.inputs = [self.case.inputs(1, heads, heads, tokens, "usual") for heads in (4, 2)]
        self.runs = [self.case.launcher(inputs) for inputs in self.inputs]
        self.alone = [self.launched(run, outputs) for run, outputs in self.runs]

    def launched(self, run, outputs):
        """What one launch alone writes."""
        self.poison(outputs)
        run()
        return self.written(outputs)

    def poison(self, outputs):
        for output in outputs:
            output.fill_(float("nan"))

    def written(self, outputs):
        if outputs[0].is_cuda:
            self.torch.cuda.synchronize()
        return [output.clone() for output in outputs]

    def same(self, results, wanted):
        return all(bool((a == b).all()) for a, b in zip(results, wanted))

    def in_a_row(self):
        good = True
        for _ in range(20):
            for _, outputs in self.runs:
                self.poison(outputs)
            for run, _ in self.runs:
                run()
            good &= all(self.same(self.written(outputs), wanted) for (_, outputs), wanted in zip(self.runs, self.alone))
        return good

    def on_two_streams(self):
        torch, good = self.torch, True
        streams = [torch.cuda.Stream() for _ in self.runs]
        for _ in range(10):
            for _, outputs in self.runs:
                self.poison(outputs)
            torch.cuda.synchronize()
            for _ in range(20):
                for stream, (run, _) in zip(streams, self.runs):
                    with torch.cuda.stream(stream):
                        run()
            good &= all(self.same(self.written(outputs), wanted) for (_, outputs), wanted in zip(self.runs, self.alone))
        return good

    def replayed(self):
        torch, good, before = self.torch, True, self.alone
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for run, _ in self.runs:
                run()
        for again in range(3):
            for (q, _, v, *_), (_, outputs) in zip(self.inputs, self.runs):
                if again:
                    q.mul_(-0.5)
                    v.add_(1.0)
                self.poison(outputs)
            graph.replay()
            results = [self.written(outputs) for _, outputs in self.runs]
            for (run, outputs), got, old in zip(self.runs, results, before):
                good &= self.same(got, self.launched(run, outputs)) and (not again or not self.same(got, old))
            before = results
        return good


def one(options, name):
    calls = Calls(options, name)
    first, same = measure.four_launches(calls.torch, *calls.runs[0])
    errors = [["four launches", same and calls.same(first, calls.alone[0])], ["in a row", calls.in_a_row()]]
    if options.device != "cpu":
        errors += [["on two streams", calls.on_two_streams()], ["in a graph", calls.replayed()]]
    print(json.dumps({"name": name, "errors": errors, "workspace": [run.workspace for run, _ in calls.runs]}), flush=True)


def main():
    options = isolated.parser(__doc__, "packs", 60).parse_args()
    names = options.name.split(",") if options.name else NAMES
    if options.mode == "build":
        return matrix.build(options.directory, options.compiler, options.target, {name: recurrences.texts()[name] for name in names})
    if options.mode == "one":
        for name in names:
            one(options, name)
        return None
    describe = lambda result: ", " + ", ".join(what for what, _ in result["errors"]) + f"; workspaces of {result['workspace']} bytes"
    return isolated.report(__file__, options, names, describe, options.limit, ["--device", options.device])


if __name__ == "__main__":
    sys.exit(main())
