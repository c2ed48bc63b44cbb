"""Tile programs for the GPU tests: text by a few numbers, and what they compute by torch.

The attention programs are what attn-to-tile emits for an online softmax; the others exercise one corner of tile -> nvvm
each. `check_kernels.py` runs what they compile to and compares with torch.
"""


def attend(name, dtype="bf16", width=128, value=None, rows=128, keys=64, causal=True, alignment=16, pad=None):
    """One block of an online softmax: rows x width queries, keys of the same width, `value` wide values."""
    value = value or width
    pad = pad or width
    pad_value = value if pad == width else pad
    aligned = f" {{tile.alignment = {alignment} : i64}}" if alignment else ""
    zero_a, full = f"tensor<{rows}x{pad_value}xf32>", f"tensor<{rows}x{keys}xf32>"
    row = f"tensor<{rows}x1xf32>"
    mask = f"""
        %i = tile.iota dim 0 offset %i0 : tensor<{rows}x1xi32>
        %j = tile.iota dim 1 offset %j0 : tensor<1x{keys}xi32>
        %bi = tile.broadcast %i : tensor<{rows}x1xi32> -> tensor<{rows}x{keys}xi32>
        %bj = tile.broadcast %j : tensor<1x{keys}xi32> -> tensor<{rows}x{keys}xi32>
        %Ss = tensor.splat %S32 : tensor<{rows}x{keys}xi32>
        %in = arith.cmpi slt, %bj, %Ss : tensor<{rows}x{keys}xi32>
        %vis = arith.cmpi sle, %bj, %bi : tensor<{rows}x{keys}xi32>
        %ok = arith.andi %{'vis' if causal else 'in'}, %in : tensor<{rows}x{keys}xi1>
"""
    narrow = "" if dtype == "f32" else f"%ph = arith.truncf %p : {full} to tensor<{rows}x{keys}x{dtype}>"
    p = "%p" if dtype == "f32" else "%ph"
    out = "%oo" if dtype == "f32" else "%ot"
    narrow_out = "" if dtype == "f32" else f"%ot = arith.truncf %oo : {zero_a} to tensor<{rows}x{pad_value}x{dtype}>"
    text = f"""
!G = memref<?x?x?x{width}x{dtype}, strided<[?, ?, ?, 1], offset: ?>>
!V = memref<?x?x?x{value}x{dtype}, strided<[?, ?, ?, 1], offset: ?>>
!L = memref<?x?x?xf32, strided<[?, ?, 1], offset: ?>>
func.func @{name}(%q: !G{aligned}, %k: !G{aligned}, %v: !V{aligned}, %o: !V{aligned}, %lse: !L, %scale2: f32) attributes {{tile.kernel}} {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %cK = arith.constant {keys} : index
  %cR = arith.constant {rows} : index
  %B = memref.dim %q, %c0 : !G
  %H = memref.dim %q, %c1 : !G
  %T = memref.dim %q, %c2 : !G
  %S = memref.dim %k, %c2 : !G
  %Hk = memref.dim %k, %c1 : !G
  %group = arith.divui %H, %Hk : index
  %M = arith.ceildivui %T, %cR : index
  scf.forall (%mr, %h, %b) in (%M, %H, %B) {{
    %M1 = arith.subi %M, %c1 : index
    %m = arith.subi %M1, %mr : index
    %zero = arith.constant dense<0.0> : {zero_a}
    %zs = arith.constant dense<0.0> : {full}
    %neginf = arith.constant dense<0xFF800000> : {row}
    %neginfs = arith.constant dense<0xFF800000> : {full}
    %zeroRow = arith.constant dense<0.0> : {row}
    %one = arith.constant dense<1.0> : {row}
    %i0 = arith.muli %m, %cR : index
    %hk = arith.divui %h, %group : index
    %qt = tile.load %q[%b, %h, %i0, %c0] : !G -> tensor<{rows}x{pad}x{dtype}>
    %e1 = arith.addi %i0, %cR : index
    %e2 = arith.minsi %{'e1' if causal else 'S'}, %S : index
    %end = arith.ceildivui %e2, %cK : index
    %f1 = arith.divui %{'i0' if causal else 'S'}, %cK : index
    %f2 = arith.divui %S, %cK : index
    %full = arith.minsi %f1, %f2 : index
    %partials = arith.subi %end, %full : index
    %scales = tensor.splat %scale2 : {full}
    %S32 = arith.index_cast %S : index to i32
    %acc, %mx, %l = scf.for %n = %c0 to %end step %c1 iter_args(%A = %zero, %m0 = %neginf, %l0 = %zeroRow)
        -> ({zero_a}, {row}, {row}) {{
      %part = arith.cmpi slt, %n, %partials : index
      %pf = arith.addi %full, %n : index
      %pn = arith.subi %n, %partials : index
      %blk = arith.select %part, %pf, %pn : index
      %j0 = arith.muli %blk, %cK : index
      %kt = tile.load %k[%b, %hk, %j0, %c0] : !G -> tensor<{keys}x{pad}x{dtype}>
      %s = tile.dot %qt, %kt, %zs {{transB}} : tensor<{rows}x{pad}x{dtype}>, tensor<{keys}x{pad}x{dtype}> -> {full}
      %x = arith.mulf %s, %scales : {full}
      %y = scf.if %part -> {full} {{{mask}
        %w = arith.select %ok, %x, %neginfs : tensor<{rows}x{keys}xi1>, {full}
        scf.yield %w : {full}
      }} else {{
        scf.yield %x : {full}
      }}
      %bm = tile.reduce max %y dim 1 : {full} -> {row}
      %m1 = arith.maximumf %m0, %bm : {row}
      %empty = arith.cmpf oeq, %m1, %neginf : {row}
      %ms = arith.select %empty, %zeroRow, %m1 : tensor<{rows}x1xi1>, {row}
      %bms = tile.broadcast %ms : {row} -> {full}
      %d = arith.subf %y, %bms : {full}
      %p = math.exp2 %d : {full}
      %cd = arith.subf %m0, %ms : {row}
      %c = math.exp2 %cd : {row}
      %bl = tile.reduce sum %p dim 1 : {full} -> {row}
      %l1 = math.fma %l0, %c, %bl : {row}
      %bc = tile.broadcast %c : {row} -> {zero_a}
      %A1 = arith.mulf %A, %bc : {zero_a}
      {narrow}
      %vt = tile.load %v[%b, %hk, %j0, %c0] : !V -> tensor<{keys}x{pad_value}x{dtype}>
      %A2 = tile.dot {p}, %vt, %A1 : tensor<{rows}x{keys}x{dtype}>, tensor<{keys}x{pad_value}x{dtype}> -> {zero_a}
      scf.yield %A2, %m1, %l1 : {zero_a}, {row}, {row}
    }}
    %zl = arith.cmpf oeq, %l, %zeroRow : {row}
    %r0 = arith.divf %one, %l : {row}
    %r = arith.select %zl, %zeroRow, %r0 : tensor<{rows}x1xi1>, {row}
    %br = tile.broadcast %r : {row} -> {zero_a}
    %oo = arith.mulf %acc, %br : {zero_a}
    {narrow_out}
    tile.store {out}, %o[%b, %h, %i0, %c0] : tensor<{rows}x{pad_value}x{dtype}>, !V
    %lg = math.log2 %l : {row}
    %ls = arith.addf %lg, %mx : {row}
    tile.store %ls, %lse[%b, %h, %i0] column : {row}, !L
  }}
  return
}}
"""
    return text


MOVES = """
!M = memref<?x?x48xf32, strided<[?, ?, 1], offset: ?>>
!T = memref<?x?x64xf32, strided<[?, ?, 1], offset: ?>>
!R = memref<?xf32, strided<[1], offset: ?>>
func.func @moves(%x: !M, %t: !T, %s: !M, %r: !R, %c: !R, %z: !M) attributes {tile.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.forall (%b) in (%c1) {
    %a = tile.load %x[%c0, %c0, %c0] : !M -> tensor<64x48xf32>
    %tr = tile.transpose %a : tensor<64x48xf32> -> tensor<48x64xf32>
    tile.store %tr, %t[%c0, %c0, %c0] : tensor<48x64xf32>, !T
    %s0 = tile.slice %a[5, 3] : tensor<64x48xf32> -> tensor<40x21xf32>
    %s1 = tile.slice %a[5, 24] : tensor<64x48xf32> -> tensor<40x19xf32>
    %cc = tile.concat %s0, %s1 : tensor<40x21xf32>, tensor<40x19xf32> -> tensor<40x40xf32>
    tile.store %cc, %s[%c0, %c0, %c0] : tensor<40x40xf32>, !M
    %rs = tile.reduce sum %a dim 0 : tensor<64x48xf32> -> tensor<1x48xf32>
    tile.store %rs, %r[%c0] : tensor<1x48xf32>, !R
    %cm = tile.reduce max %cc dim 1 : tensor<40x40xf32> -> tensor<40x1xf32>
    tile.store %cm, %c[%c0] column : tensor<40x1xf32>, !R
    %tot = tile.reduce sum %cm dim 0 : tensor<40x1xf32> -> tensor<1x1xf32>
    %v = tile.scalar %tot : tensor<1x1xf32> -> f32
    %sp = tensor.splat %v : tensor<64x48xf32>
    %rb = tile.broadcast %rs : tensor<1x48xf32> -> tensor<64x48xf32>
    %d0 = arith.subf %a, %rb : tensor<64x48xf32>
    %d1 = arith.addf %d0, %sp : tensor<64x48xf32>
    %c8 = tile.slice %d1[0, 8] : tensor<64x48xf32> -> tensor<64x16xf32>
    %c24 = tile.slice %d1[0, 24] : tensor<64x48xf32> -> tensor<64x24xf32>
    %c0s = tile.slice %d1[0, 0] : tensor<64x48xf32> -> tensor<64x8xf32>
    %dd = tile.concat %c8, %c24, %c0s : tensor<64x16xf32>, tensor<64x24xf32>, tensor<64x8xf32> -> tensor<64x48xf32>
    tile.store %dd, %z[%c0, %c0, %c0] : tensor<64x48xf32>, !M
  }
  return
}
"""

# Products of every form: both operands loaded or computed, both transposed or not; carried state; a gather; a while loop.
PRODUCTS = """
!A = memref<?x64xDT, strided<[?, 1], offset: ?>>
!F = memref<?x64xf32, strided<[?, 1], offset: ?>>
!I = memref<?xi32, strided<[1], offset: ?>>
func.func @products(%a: !A ALIGN, %b: !A ALIGN, %x: !F ALIGN, %y: !F, %z: !F, %w: !F, %g: !F, %status: !I) attributes {tile.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %c64 = arith.constant 64 : index
  %c100 = arith.constant 100 : index
  scf.forall (%n) in (%c1) {
    %zero = arith.constant dense<0.0> : tensor<64x64xf32>
    %at = tile.load %a[%c0, %c0] : !A -> tensor<64x64xDT>
    %bt = tile.load %b[%c0, %c0] : !A -> tensor<64x64xDT>
    %two = arith.constant dense<2.0> : tensor<64x64xDT>
    %a2 = arith.mulf %at, %two : tensor<64x64xDT>
    %p0 = tile.dot %at, %bt, %zero : tensor<64x64xDT>, tensor<64x64xDT> -> tensor<64x64xf32>
    %p1 = tile.dot %at, %bt, %p0 {transA, transB} : tensor<64x64xDT>, tensor<64x64xDT> -> tensor<64x64xf32>
    tile.store %p1, %x[%c0, %c0] : tensor<64x64xf32>, !F
    %p2 = tile.dot %a2, %bt, %zero {transA} : tensor<64x64xDT>, tensor<64x64xDT> -> tensor<64x64xf32>
    %p3 = tile.dot %bt, %a2, %p2 {transB} : tensor<64x64xDT>, tensor<64x64xDT> -> tensor<64x64xf32>
    tile.store %p3, %y[%c0, %c0] : tensor<64x64xf32>, !F
    %bT = tile.transpose %bt : tensor<64x64xDT> -> tensor<64x64xDT>
    %st = scf.for %i = %c0 to %c4 step %c1 iter_args(%S = %zero) -> tensor<64x64xf32> {
      %i0 = arith.muli %i, %c64 : index
      %kt = tile.load %b[%i0, %c0] limit(%c100) : !A -> tensor<64x64xDT>
      %kw = arith.addf %kt, %two : tensor<64x64xDT>
      %S1 = tile.dot %kw, %kt, %S {transA} : tensor<64x64xDT>, tensor<64x64xDT> -> tensor<64x64xf32>
      scf.yield %S1 : tensor<64x64xf32>
    }
    tile.store %st, %z[%c0, %c0] : tensor<64x64xf32>, !F
    %p4 = tile.dot %at, %bT, %zero : tensor<64x64xDT>, tensor<64x64xDT> -> tensor<64x64xf32>
    %h = arith.constant dense<0.5> : tensor<64x64xf32>
    %lim = arith.constant 10.0 : f32
    %wr:2 = scf.while (%u = %p4, %k = %c0) : (tensor<64x64xf32>, index) -> (tensor<64x64xf32>, index) {
      %m1 = tile.reduce max %u dim 1 : tensor<64x64xf32> -> tensor<64x1xf32>
      %m2 = tile.reduce max %m1 dim 0 : tensor<64x1xf32> -> tensor<1x1xf32>
      %mm = tile.scalar %m2 : tensor<1x1xf32> -> f32
      %go = arith.cmpf ogt, %mm, %lim : f32
      scf.condition(%go) %u, %k : tensor<64x64xf32>, index
    } do {
    ^bb0(%u: tensor<64x64xf32>, %k: index):
      %v = arith.mulf %u, %h : tensor<64x64xf32>
      %k1 = arith.addi %k, %c1 : index
      scf.yield %v, %k1 : tensor<64x64xf32>, index
    }
    tile.store %wr#0, %w[%c0, %c0] : tensor<64x64xf32>, !F
    %steps = arith.index_cast %wr#1 : index to i32
    tile.atomic_max %steps, %status[%c0] : !I
    memref.store %steps, %status[%c1] : !I
    %back = memref.load %status[%c1] : !I
    %bs = tensor.splat %back : tensor<64x64xi32>
    %r = tile.iota dim 0 offset %c0 : tensor<64x1xi32>
    %cI = tile.iota dim 1 offset %c0 : tensor<1x64xi32>
    %rb = tile.broadcast %r : tensor<64x1xi32> -> tensor<64x64xi32>
    %cb = tile.broadcast %cI : tensor<1x64xi32> -> tensor<64x64xi32>
    %df = arith.subi %cb, %rb : tensor<64x64xi32>
    %mk = arith.cmpi sge, %df, %bs : tensor<64x64xi32>
    %ga = tile.gather %z[%r, %df] mask(%mk : tensor<64x64xi1>) : !F, tensor<64x1xi32>, tensor<64x64xi32> -> tensor<64x64xf32>
    tile.store %ga, %g[%c0, %c0] : tensor<64x64xf32>, !F
  }
  return
}
"""

# Scalars only, as a reference-style kernel is written: one block for a row, a prefix sum of squares.
SCALARS = """
!F = memref<?x?xf32, strided<[?, 1], offset: ?>>
func.func @scalars(%x: !F, %y: !F, %scale: f32, %skip: index) attributes {tile.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %R = memref.dim %x, %c0 : !F
  %N = memref.dim %x, %c1 : !F
  %zero = arith.constant 0.0 : f32
  scf.forall (%r) in (%R) {
    %t = scf.for %i = %skip to %N step %c1 iter_args(%s = %zero) -> f32 {
      %v = memref.load %x[%r, %i] : !F
      %e = math.tanh %v : f32
      %q = math.fma %e, %e, %s : f32
      %w = arith.mulf %q, %scale : f32
      memref.store %w, %y[%r, %i] : !F
      scf.yield %q : f32
    }
  }
  return
}
"""
