"""A tile program of attention, written as the compiler writes it, for tests and timing of the CPU lowering alone."""


def attention(rows=64, keys=64, d=64, dv=None, dtype="f32", causal=False, width=None, vwidth=None):
    """rows x keys blocks; arrays have `width` (`vwidth`) columns in memory, tiles `d` (`dv`) with zeros beyond."""
    dv = dv or d
    width, vwidth = width or d, vwidth or dv
    q = f"memref<?x?x?x{width}x{dtype}, strided<[?, ?, ?, 1], offset: ?>>"
    v = f"memref<?x?x?x{vwidth}x{dtype}, strided<[?, ?, ?, 1], offset: ?>>"
    lse = "memref<?x?x?xf32, strided<[?, ?, 1], offset: ?>>"
    s, o, r = f"tensor<{rows}x{keys}xf32>", f"tensor<{rows}x{dv}xf32>", f"tensor<{rows}x1xf32>"
    narrow = dtype != "f32"
    end = "%ce = arith.minui %i1, %S : index" if causal else "%ce = arith.addi %S, %c0 : index"
    full = "arith.divui %i0, %cK : index" if causal else "arith.divui %S, %cK : index"
    p = f"%ph = arith.truncf %p : {s} to tensor<{rows}x{keys}x{dtype}>" if narrow else ""
    pn = "%ph" if narrow else "%p"
    out = f"%oh = arith.truncf %oo : {o} to tensor<{rows}x{dv}x{dtype}>" if narrow else ""
    on = "%oh" if narrow else "%oo"
    return f"""
func.func @attend(%q: {q}, %k: {q}, %v: {v}, %o: {v}, %lse: {lse}, %scale: f32) attributes {{tile.kernel}} {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %cR = arith.constant {rows} : index
  %cK = arith.constant {keys} : index
  %B = memref.dim %q, %c0 : {q}
  %H = memref.dim %q, %c1 : {q}
  %T = memref.dim %q, %c2 : {q}
  %S = memref.dim %k, %c2 : {q}
  %Hk = memref.dim %k, %c1 : {q}
  %group = arith.divui %H, %Hk : index
  %M = arith.ceildivui %T, %cR : index
  %log2e = arith.constant 1.44269504 : f32
  scf.forall (%m, %h, %b) in (%M, %H, %B) {{
    %zs = arith.constant dense<0.0> : {s}
    %zo = arith.constant dense<0.0> : {o}
    %zr = arith.constant dense<0.0> : {r}
    %one = arith.constant dense<1.0> : {r}
    %inf = arith.constant dense<0xFF800000> : {s}
    %infr = arith.constant dense<0xFF800000> : {r}
    %i0 = arith.muli %m, %cR : index
    %i1 = arith.addi %i0, %cR : index
    %hk = arith.divui %h, %group : index
    %qt = tile.load %q[%b, %h, %i0, %c0] : {q} -> tensor<{rows}x{d}x{dtype}>
    %sc = arith.mulf %scale, %log2e : f32
    %scales = tensor.splat %sc : {s}
    {end}
    %full = {full}
    %blocks = arith.ceildivui %ce, %cK : index
    %S32 = arith.index_cast %S : index to i32
    %Sv = tensor.splat %S32 : tensor<1x{keys}xi32>
    %acc, %mx, %l = scf.for %n = %c0 to %blocks step %c1 iter_args(%A = %zo, %m0 = %infr, %l0 = %zr) -> ({o}, {r}, {r}) {{
      %part = arith.cmpi uge, %n, %full : index
      %j0 = arith.muli %n, %cK : index
      %kt = tile.load %k[%b, %hk, %j0, %c0] : {q} -> tensor<{keys}x{d}x{dtype}>
      %s = tile.dot %qt, %kt, %zs {{transB}} : tensor<{rows}x{d}x{dtype}>, tensor<{keys}x{d}x{dtype}> -> {s}
      %x = arith.mulf %s, %scales : {s}
      %y = scf.if %part -> ({s}) {{
        %i = tile.iota dim 0 offset %i0 : tensor<{rows}x1xi32>
        %j = tile.iota dim 1 offset %j0 : tensor<1x{keys}xi32>
        %in = arith.cmpi slt, %j, %Sv : tensor<1x{keys}xi32>
        %inb = tile.broadcast %in : tensor<1x{keys}xi1> -> tensor<{rows}x{keys}xi1>
        %ib = tile.broadcast %i : tensor<{rows}x1xi32> -> tensor<{rows}x{keys}xi32>
        %jb = tile.broadcast %j : tensor<1x{keys}xi32> -> tensor<{rows}x{keys}xi32>
        {f'%vis = arith.cmpi sle, %jb, %ib : tensor<{rows}x{keys}xi32>' if causal else ''}
        {f'%ok = arith.andi %vis, %inb : tensor<{rows}x{keys}xi1>' if causal else ''}
        %w = arith.select {'%ok' if causal else '%inb'}, %x, %inf : tensor<{rows}x{keys}xi1>, {s}
        scf.yield %w : {s}
      }} else {{
        scf.yield %x : {s}
      }}
      %bm = tile.reduce max %y dim 1 : {s} -> {r}
      %m1 = arith.maximumf %m0, %bm : {r}
      %none = arith.cmpf oeq, %m1, %infr : {r}
      %ms = arith.select %none, %zr, %m1 : tensor<{rows}x1xi1>, {r}
      %msb = tile.broadcast %ms : {r} -> {s}
      %d = arith.subf %y, %msb : {s}
      %p = math.exp2 %d : {s}
      %dm = arith.subf %m0, %ms : {r}
      %c = math.exp2 %dm : {r}
      %bl = tile.reduce sum %p dim 1 : {s} -> {r}
      %l1 = math.fma %l0, %c, %bl : {r}
      %cb = tile.broadcast %c : {r} -> {o}
      %A1 = arith.mulf %A, %cb : {o}
      {p}
      %vt = tile.load %v[%b, %hk, %j0, %c0] : {v} -> tensor<{keys}x{dv}x{dtype}>
      %A2 = tile.dot {pn}, %vt, %A1 : tensor<{rows}x{keys}x{dtype}>, tensor<{keys}x{dv}x{dtype}> -> {o}
      scf.yield %A2, %m1, %l1 : {o}, {r}, {r}
    }}
    %empty = arith.cmpf oeq, %l, %zr : {r}
    %r0 = arith.divf %one, %l : {r}
    %rc = arith.select %empty, %zr, %r0 : tensor<{rows}x1xi1>, {r}
    %rb = tile.broadcast %rc : {r} -> {o}
    %oo = arith.mulf %acc, %rb : {o}
    {out}
    tile.store {on}, %o[%b, %h, %i0, %c0] : tensor<{rows}x{dv}x{dtype}>, {v}
    %g = math.log2 %l : {r}
    %e2 = arith.addf %g, %mx : {r}
    %ln2 = arith.constant dense<0.693147181> : {r}
    %e = arith.mulf %e2, %ln2 : {r}
    %es = arith.select %empty, %infr, %e : tensor<{rows}x1xi1>, {r}
    tile.store %es, %lse[%b, %h, %i0] column : {r}, {lse}
  }}
  return
}}
"""
