"""The console script `heddle`: explain, verify, cache."""

import argparse
import os
import shutil
import sys

from . import _compiler, _heddle, _pack, knobs
from ._errors import CompileError, RunError


def _read(path):
    with open(path, "rb") as file:
        return file.read()


def _is_pack(data):
    return data[:8] == b"HEDDLEPK"


def explain(options):
    """Print what a spec compiles to, or what a pack holds."""
    data = _read(options.file)
    if not _is_pack(data):
        print(_compiler.checked(_heddle.explain(data.decode(), targets=options.target, file_name=options.file)).decode())
        return 0
    for entry in _pack.read(data):
        print(f"entry {entry.name}")
        for parameter in entry.parameters:
            print(f"  {parameter}")
        for variant in entry.variants:
            where = variant.device if variant.device == "cpu" else f"{variant.device}, capability {variant.architecture / 10:.1f}"
            print(f"  variant for {where}")
            print("\n".join(f"    {line}" for line in variant.note.splitlines()))
        if options.text:
            print(entry.text)
    return 0


def verify(options):
    """Compare a spec or a pack with the reference semantics; exit code 1 if a comparison fails."""
    from ._verify import verify_pack
    data = _read(options.file)
    device = "cuda" if options.device.startswith("cuda") else "cpu"
    index = int(options.device.partition(":")[2] or 0)
    if not _is_pack(data):
        target = _compiler.target_for(device, index)
        data = _compiler.checked(_heddle.compile(data.decode(), targets=target, file_name=options.file))
    report = verify_pack(data, seed=options.seed, device=device, index=index)
    print(report)
    failed = sum(1 for comparison in report.comparisons if not comparison.passed)
    print(f"{len(report.comparisons) - failed} of {len(report.comparisons)} comparisons passed")
    return 1 if failed or not report.comparisons else 0


def cache(options):
    """Show or empty the cache of compiled packs."""
    base = knobs.cache_dir()
    if base is None:
        print("expected a cache folder, got none (HEDDLE_CACHE_DIR is empty)", file=sys.stderr)
        return 1
    if options.action == "clear":
        for version in sorted(os.listdir(base)) if os.path.isdir(base) else []:
            # Only what is ours: folders of packs.
            if any(name.endswith(".pack") for _, _, names in os.walk(os.path.join(base, version)) for name in names):
                shutil.rmtree(os.path.join(base, version))
        print(f"emptied {base}")
        return 0
    total = 0
    print(base)
    for folder, _, names in sorted(os.walk(base)):
        packs = [name for name in names if name.endswith(".pack")]
        size = sum(os.path.getsize(os.path.join(folder, name)) for name in packs)
        total += size
        if packs:
            print(f"  {os.path.relpath(folder, base)}: {len(packs)} packs, {size / 1e6:.1f} MB")
        if options.action == "list":
            for name in sorted(packs):
                entries = ", ".join(entry.name for entry in _pack.read(_read(os.path.join(folder, name))))
                print(f"    {name}  {entries}")
    print(f"  {total / 1e6:.1f} MB in all")
    return 0


def parser():
    top = argparse.ArgumentParser("heddle", description="look at, check and keep what Heddle compiles")
    commands = top.add_subparsers(dest="command", required=True)

    one = commands.add_parser("explain", help="schedule, budget and rejected candidates of a spec, or the contents of a pack",
                              description=explain.__doc__)
    one.add_argument("file", help="attn text (.mlir) or a pack")
    one.add_argument("--target", default="cpu", help='comma-separated: "cpu", "cpu:avx512", "sm_80", "sm_89", "sm_90a" (for attn text)')
    one.add_argument("--text", action="store_true", help="also print the attn text of a pack's entries")
    one.set_defaults(run=explain)

    one = commands.add_parser("verify", help="compare with the reference semantics in float64", description=verify.__doc__)
    one.add_argument("file", help="attn text (.mlir) or a pack")
    one.add_argument("--device", default="cpu", help='"cpu" or "cuda:0" (needs PyTorch)')
    one.add_argument("--seed", type=int, default=0, help="of the random arguments")
    one.set_defaults(run=verify)

    one = commands.add_parser("cache", help="the cache of compiled packs", description=cache.__doc__)
    one.add_argument("action", nargs="?", choices=["show", "list", "clear"], default="show",
                     help="show: folders and sizes; list: every pack; clear: delete the packs")
    one.set_defaults(run=cache)
    return top


def main(arguments=None):
    options = parser().parse_args(arguments)
    try:
        return options.run(options)
    except (CompileError, RunError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
