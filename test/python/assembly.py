"""Run heddle-compile, ptxas and nvdisasm, and read what they say."""
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
WHEELS = pathlib.Path(sys.prefix) / "lib" / f"python3.{sys.version_info.minor}" / "site-packages/nvidia/cu13/bin"


def tool(name):
    for folder in (ROOT / "build/bin", pathlib.Path("/usr/local/cuda/bin"), WHEELS):
        if (folder / name).exists():
            return str(folder / name)
    found = shutil.which(name)
    assert found, f"expected {name} in build/bin, a CUDA toolkit, {WHEELS} or PATH, got none"
    return found


def emit(text, rung, target, *options):
    """The text of one rung of a spec, from heddle-compile."""
    command = [tool("heddle-compile"), "-", f"--target={target}", f"--emit={rung}", *options]
    done = subprocess.run(command, input=text, text=True, capture_output=True)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}\n{text}"
    return done.stdout


class Assembled:
    """What became of some PTX: `messages` [(code, line)], the C75xx remarks of ptxas (products that it made slower than they
    were written); `spilled`, bytes by function; `loop_spills`, the instructions of loops that touch local memory."""

    def __init__(self, ptx, target, folder, *options):
        (folder / "kernel.ptx").write_text(ptx)
        command = [tool("ptxas"), "-v", f"-arch={target}", *options, "-o", "kernel.cubin", "kernel.ptx"]
        done = subprocess.run(command, cwd=folder, text=True, capture_output=True)
        self.log = done.stdout + done.stderr
        assert done.returncode == 0, self.log
        self.messages = [(match[1], match[0]) for match in re.finditer(r".*\((C7\d\d\d)\).*", self.log)]
        self.spilled = sum(int(count) for count in re.findall(r"(\d+) bytes spill (?:stores|loads)", self.log))
        self.entries = len(re.findall(r"Compiling entry function", self.log))
        self.loop_spills = loop_spills(disassemble(folder / "kernel.cubin")) if self.spilled else []


def disassemble(cubin):
    return subprocess.run([tool("nvdisasm"), "-c", cubin], text=True, capture_output=True, check=True).stdout


def loop_spills(listing):
    """The instructions of loops that load or store local memory. An instruction is in a loop when control can come back to it:
    a branch back alone does not tell, since seldom-run code is laid out behind the rest and returns from there."""
    lines = [line for line in listing.splitlines() if re.search(r"/\*[0-9a-f]{4,}\*/|^\s*\.L_\w+:", line)]
    labels = {line.strip().rstrip(":"): number for number, line in enumerate(lines) if line.lstrip().startswith(".L_")}
    after = [set() for _ in lines]
    for number, line in enumerate(lines):
        target = re.search(r"\b(?:BRA|BSSY|BRX|JMP)\b.*?(\.L_\w+)", line)
        if target and target[1] in labels:
            after[number].add(labels[target[1]])
        leaves = re.search(r"\*/\s*(?:BRA|BRX|JMP|EXIT|RET)\b", line)  # not under a predicate
        if not leaves and number + 1 < len(lines):
            after[number].add(number + 1)
    spills = [number for number, line in enumerate(lines) if re.search(r"\b(STL|LDL)\b", line)]
    return [lines[number].strip() for number in spills if number in reached(after, after[number])]


def reached(after, start):
    """The nodes that can be reached from `start`, with it."""
    seen, waiting = set(start), list(start)
    while waiting:
        for following in after[waiting.pop()] - seen:
            seen.add(following)
            waiting.append(following)
    return seen
