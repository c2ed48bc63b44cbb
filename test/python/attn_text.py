"""`attn` text for tests that drive the command-line tools, and scripts of devices: one function with one attend, put together
from named parts, or one recurrence."""

SCALED = """
      %x = arith.mulf %s, %scale : f32
      attn.yield %x : f32"""

# The part of a mask region after its header: positions %b, %h, %i, %j, and the run-time numbers %n0, %n1 and table %table.
MASKS = {
    "full": None,
    "below_diagonal": """
      %m = arith.cmpi sle, %j, %i : index
      attn.yield %m : i1""",
    "band": """
      %far = arith.addi %j, %n0 : index
      %a = arith.cmpi sle, %j, %i : index
      %z = arith.cmpi sgt, %far, %i : index
      %m = arith.andi %a, %z : i1
      attn.yield %m : i1""",
    "segments": """
      %x = tensor.extract %table[%i] : tensor<?xi32>
      %y = tensor.extract %table[%j] : tensor<?xi32>
      %m = arith.cmpi eq, %x, %y : i32
      attn.yield %m : i1""",
}

SCORES = {
    "scaled": SCALED,
    "biased": """
      %d = arith.subi %j, %i : index
      %w = arith.index_cast %d : index to i32
      %f = arith.sitofp %w : i32 to f32
      %y = arith.mulf %s, %scale : f32
      %x = math.fma %scale, %f, %y : f32
      attn.yield %x : f32""",
    "capped": """
      %cap = arith.constant 3.0e+01 : f32
      %y = arith.mulf %s, %scale : f32
      %d = arith.divf %y, %cap : f32
      %t = math.tanh %d : f32
      %x = arith.mulf %t, %cap : f32
      attn.yield %x : f32""",
}


def attend(name="attend", *, dtype="bf16", width=64, value_width=None, heads="?", key_heads="?", score="scaled", mask="full",
           normalizer="@softmax", stats=(), definitions=""):
    """A module with one attend. heads, key_heads: a number, or "?" for a run-time number."""
    rows = f"tensor<?x{heads}x?x{width}x{dtype}>"
    keys = f"tensor<?x{key_heads}x?x{width}x{dtype}>"
    values = f"tensor<?x{key_heads}x?x{value_width or width}x{dtype}>"
    outputs = [f"tensor<?x{heads}x?x{value_width or width}x{dtype}>"] + [f"tensor<?x{heads}x?xf32>"] * len(stats)
    region = MASKS[mask]
    results = ", ".join(f"%r{n}" for n in range(len(outputs)))
    return f"""{definitions}
func.func @{name}(%q: {rows}, %k: {keys}, %v: {values}, %scale: f32, %n0: index, %n1: index, %table: tensor<?xi32>)
    -> ({", ".join(outputs)}) {{
  {results} = attn.attend dot(%q, %k) value(%v) normalize {normalizer}{f" stats [{', '.join(stats)}]" if stats else ""}
    score(%s, %b, %h, %i, %j) {{{SCORES[score]}
    }}{f" mask(%b, %h, %i, %j) {{{region}{chr(10)}    }}" if region else ""} : ({rows}, {keys}, {values}) -> ({", ".join(outputs)})
  return {results} : {", ".join(outputs)}
}}
"""


# What decays: nothing, or by a number for each head, token, or token and channel.
GATES = {"none": "", "head": "tensor<?xf32>", "token": "tensor<?x?x{tokens}xf32>", "channel": "tensor<?x?x{tokens}x{width}x{dtype}>"}


def recurrence(gate, *, dtype="bf16", width=128, tokens="?", states=True):
    """A recurrence, whole, or of one token (`tokens` 1), with its states or without."""
    rows, state = f"tensor<?x?x{tokens}x{width}x{dtype}>", f"tensor<?x?x{width}x{width}xf32>"
    gates = [GATES[gate].format(tokens=tokens, width=width, dtype=dtype)] if GATES[gate] else []
    arguments = ", ".join(f"%{name}: {type}" for name, type in zip("qkvgs" if gates else "qkvs", [rows] * 3 + gates + [state] * states))
    types = ", ".join([rows] * 3 + gates + [state] * states)
    results, names = ", ".join([rows] + [state] * states), "%o, %t" if states else "%o"
    return f"""func.func @recur({arguments}) -> ({results}) {{
  {names} = attn.recur query(%q) key(%k) value(%v){" gate(%g)" * len(gates)}{" init(%s) final" * states} : ({types}) -> ({results})
  return {names} : {results}
}}
"""


def masses_of_exp(gate, *, dtype="bf16", width=128):
    """A recurrence of the exponentials of q and k, and its mass."""
    rows, mass = f"tensor<?x?x?x{width}x{dtype}>", "tensor<?x?x?xf32>"
    wide = rows.replace(dtype, "f32")
    gates = [GATES[gate].format(tokens="?", width=width, dtype=dtype)] if GATES[gate] else []
    arguments = ", ".join(f"%{name}: {type}" for name, type in zip("qkvg", [rows] * 3 + gates))
    maps = "".join(f"""  %{x}0 = arith.extf %{x} : {rows} to {wide}
  %{x}1 = math.exp %{x}0 : {wide}
  %{x}2 = arith.truncf %{x}1 : {wide} to {rows}
""" for x in "qk")
    return f"""func.func @recur({arguments}) -> ({rows}, {mass}) {{
{maps}  %o, %m = attn.recur query(%q2) key(%k2) value(%v){" gate(%g)" * len(gates)} stats [mass] : ({", ".join([rows] * 3 + gates)}) -> ({rows}, {mass})
  return %o, %m : {rows}, {mass}
}}
"""


def products_of_channels(channels=16, features=160, columns=128, *, dtype="bf16"):
    """A recurrence of (x a) (x b), of queries and keys, and its mass."""
    rows, made, values = (f"tensor<?x?x?x{width}x{dtype}>" for width in (channels, features, columns))
    mass = "tensor<?x?x?xf32>"
    wide, weights = made.replace(dtype, "f32"), f"tensor<{channels}x{features}x{dtype}>"
    same, four = "affine_map<(b, h, t, f, c) -> ({})>", "affine_map<(b, h, t, f) -> (b, h, t, f)>"
    maps = ", ".join(same.format(result) for result in ("b, h, t, c", "c, f", "b, h, t, f"))
    text = f"""func.func @recur(%q: {rows}, %k: {rows}, %v: {values}, %a: {weights}, %b: {weights}) -> ({values}, {mass}) {{
  %zero = arith.constant 0.0 : f32
  %i0 = arith.constant 0 : index
  %i1 = arith.constant 1 : index
  %i2 = arith.constant 2 : index
  %n0 = tensor.dim %q, %i0 : {rows}
  %n1 = tensor.dim %q, %i1 : {rows}
  %n2 = tensor.dim %q, %i2 : {rows}
  %empty = tensor.empty(%n0, %n1, %n2) : {wide}
  %none = linalg.fill ins(%zero : f32) outs(%empty : {wide}) -> {wide}
  %out = tensor.empty(%n0, %n1, %n2) : {made}
"""
    for x in "qk":
        for w in "ab":
            text += f"  %{x}{w} = linalg.contract indexing_maps = [{maps}] ins(%{x}, %{w} : {rows}, {weights}) outs(%none : {wide}) -> {wide}\n"
        text += f"""  %{x}f = linalg.generic {{indexing_maps = [{four}, {four}, {four}], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}}
      ins(%{x}a, %{x}b : {wide}, {wide}) outs(%out : {made}) {{
  ^bb0(%x: f32, %y: f32, %acc: {dtype}):
    %p = arith.mulf %x, %y : f32
    %n = arith.truncf %p : f32 to {dtype}
    linalg.yield %n : {dtype}
  }} -> {made}
"""
    return text + f"""  %o, %m = attn.recur query(%qf) key(%kf) value(%v) stats [mass] : ({made}, {made}, {values}) -> ({values}, {mass})
  return %o, %m : {values}, {mass}
}}
"""
