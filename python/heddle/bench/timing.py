"""The clock: bursts of a few milliseconds, in random order, with a pause before each so that no candidate heats up the next."""

import dataclasses
import random
import statistics
import sys
import time
from typing import Any, Callable


class HostClock:
    def burst(self, run, count):
        start = time.perf_counter()
        for _ in range(count):
            run()
        return (time.perf_counter() - start) / count


class CudaClock:
    """Events around the burst on the current stream."""

    def __init__(self, torch):
        self.torch = torch

    def burst(self, run, count):
        begin, end = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        for _ in range(count):
            run()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1e3 / count


def medians(candidates, clock, rounds, burst_seconds=0.015, pause=0.1):
    """Seconds of one run of each candidate."""
    counts = {}
    for candidate in candidates:
        candidate.run()
        once = clock.burst(candidate.run, 1)
        counts[candidate.name] = max(1, min(1000, round(burst_seconds / max(once, 1e-7))))
    times = {candidate.name: [] for candidate in candidates}
    for _ in range(rounds):
        for candidate in random.sample(candidates, len(candidates)):
            time.sleep(pause)
            times[candidate.name].append(clock.burst(candidate.run, counts[candidate.name]))
    return {name: statistics.median(samples) for name, samples in times.items()}


@dataclasses.dataclass
class Call:
    name: str
    run: Callable[[], Any]


def rates(torch, calls, work, device="cuda", rounds=5):
    """{name: [milliseconds, work in units of 1e12 per second]} of calls by name. `work`: FLOPs or bytes of a
    call, one number or one by name. A call that fails is left out, and said on stderr."""
    able = []
    for name, run in calls.items():
        try:
            run()
            if device != "cpu":
                torch.cuda.synchronize()
            able.append(Call(name, run))
        except RuntimeError as error:
            print(f"{name}: {str(error).strip().splitlines()[0]}", file=sys.stderr)
    seconds = medians(able, HostClock() if device == "cpu" else CudaClock(torch), rounds)
    return {name: [1e3 * once, (work[name] if isinstance(work, dict) else work) / once / 1e12] for name, once in seconds.items()}
