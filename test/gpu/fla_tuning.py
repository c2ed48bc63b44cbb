"""The autotuning of Triton kernels, kept within a limit: flash-linear-attention tries up to 48 forms of a kernel, one after another.

`watch` goes before the import of what has the kernels. What was chosen can be recorded, and taken again by a later process, which then
tries nothing. Compiling them is what takes time: processes that share Triton's cache of compiled kernels can each compile some.
"""
import json

TUNERS = []


def watch(part=None, seconds=0.025):
    """Note all autotuners that are made from now on. `part`: (number, of how many) forms to compile, without timing any; else a form is
    timed for so many seconds."""
    from triton.runtime import autotuner
    from triton.testing import do_bench
    made = autotuner.Autotuner.__init__

    def init(self, *arguments, **options):
        made(self, *arguments, **options)
        if part:
            self.configs = self.configs[part[0]::part[1]] or self.configs[:1]
            self.__dict__["do_bench"] = lambda call, quantiles: (call(), [1.0] * len(quantiles))[1]
        else:
            self.__dict__["do_bench"] = lambda call, quantiles: do_bench(call, warmup=5, rep=1e3 * seconds, quantiles=quantiles)
        self.all_configs = self.configs
        TUNERS.append(self)
    autotuner.Autotuner.__init__ = init


def begin(recorded):
    """Forget what was chosen; take what is `recorded` of kernels by name."""
    for tuner in TUNERS:
        known = recorded.get(tuner.base_fn.__name__)
        tuner.cache.clear()
        tuner.configs = [config for config in tuner.all_configs if known is None or text(config) in known] or tuner.all_configs


def chosen():
    """{kernel: the forms it was run in} since `begin`."""
    found = {tuner.base_fn.__name__: sorted({text(config) for config in tuner.cache.values()}) for tuner in TUNERS if tuner.cache}
    return found | {tuner.base_fn.__name__: [text(tuner.configs[0])] for tuner in TUNERS if len(tuner.configs) < len(tuner.all_configs) and not tuner.cache}


def text(config):
    return json.dumps(config.all_kwargs(), sort_keys=True)
