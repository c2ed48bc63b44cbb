"""Run heddle-compile, ptxas and nvdisasm, and read what they say."""
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOCAL = re.compile(r"\b(STL|LDL)\b")
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
        self.spilled = max((int(count) for count in re.findall(r"(\d+) bytes spill stores", self.log)), default=0)
        self.entries = len(re.findall(r"Compiling entry function", self.log))
        listing = disassemble(folder / "kernel.cubin") if self.spilled else ""
        self.spills = [line.strip() for line in listing.splitlines() if LOCAL.search(line)]
        self.loop_spills = loop_spills(listing)


def disassemble(cubin):
    return subprocess.run([tool("nvdisasm"), "-c", cubin], text=True, capture_output=True, check=True).stdout


def loop_spills(listing):
    """The instructions of loops that load or store local memory. An instruction is in a loop when control can come back to it:
    a branch back alone does not tell, since seldom-run code is laid out behind the rest and returns from there. A loop around
    loops of products or bulk copies does not count: it runs once for each piece of a block's work."""
    lines = [line for line in listing.splitlines() if re.search(r"/\*[0-9a-f]{4,}\*/|^\s*\.L_\w+:", line)]
    spills = {number for number, line in enumerate(lines) if LOCAL.search(line)}
    steady = {number for number, line in enumerate(lines) if re.search(r"\b(HGMMA|HMMA|UTMALDG)\b", line)}
    hot = set()
    waiting = loops(control_flow(lines))
    while waiting:
        members, inner = waiting.pop()
        waiting += inner
        if not any(nested & steady for nested, _ in inner):
            hot |= spills & members
    return [lines[number].strip() for number in sorted(hot)]


def control_flow(lines):
    """Where control goes after each line of a listing: {number: set of numbers}."""
    labels = {line.strip().rstrip(":"): number for number, line in enumerate(lines) if line.lstrip().startswith(".L_")}
    after = {}
    for number, line in enumerate(lines):
        after[number] = set()
        target = re.search(r"\b(?:BRA|BSSY|BRX|JMP)\b.*?(\.L_\w+)", line)
        # BRA.U.ANY goes back for lanes with other values of a uniform register, of which there are none.
        if target and target[1] in labels and "BRA.U.ANY" not in line:
            after[number].add(labels[target[1]])
        leaves = re.search(r"\*/\s*(?:BRA\s+`|BRX|JMP|EXIT|RET)", line)  # under no condition
        if not leaves and number + 1 < len(lines):
            after[number].add(number + 1)
    return after


def loops(after):
    """The loops of a graph, outermost first: [(nodes, loops inside)]. What is inside is found without the ways back to where
    the loop is entered."""
    found = []
    for members in components(after):
        if len(members) == 1 and not members & after[min(members)]:
            continue
        entries = {node for source in after.keys() - members for node in after[source] & members} or {min(members)}
        found.append((members, loops({node: after[node] & members - entries for node in members})))
    return found


def components(after):
    """The strongly connected components of a graph, by Tarjan's algorithm with a stack of its own."""
    index, low, stack, found = {}, {}, [], []
    for start in after:
        path = [(start, iter(after[start]))] if start not in index else []
        while path:
            node, rest = path[-1]
            if node not in index:
                index[node] = low[node] = len(index)
                stack.append(node)
            for following in rest:
                if following not in index:
                    path.append((following, iter(after[following])))
                    break
                if low[following] is not None:
                    low[node] = min(low[node], index[following])
            else:
                path.pop()
                if path:
                    low[path[-1][0]] = min(low[path[-1][0]], low[node])
                if low[node] == index[node]:
                    members = set(stack[stack.index(node):])
                    del stack[stack.index(node):]
                    found.append(members)
                    low.update(dict.fromkeys(members))
    return found
