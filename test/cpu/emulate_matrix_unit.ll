; Matrix tiles as vectors of words: the types that the compiler's text has after substitution.
declare void @emulate_load(ptr, i16, i16, ptr, i64)
declare void @emulate_store(ptr, i16, i16, ptr, i64)
declare void @emulate_product(ptr, ptr, ptr, i16, i16, i16)
define internal <256 x i32> @tile.zero(i16 %r, i16 %c) {
  ret <256 x i32> zeroinitializer
}
define internal <256 x i32> @tile.load(i16 %r, i16 %c, ptr %p, i64 %s) {
  %t = alloca <256 x i32>
  store <256 x i32> zeroinitializer, ptr %t
  call void @emulate_load(ptr %t, i16 %r, i16 %c, ptr %p, i64 %s)
  %v = load <256 x i32>, ptr %t
  ret <256 x i32> %v
}
define internal void @tile.store(i16 %r, i16 %c, ptr %p, i64 %s, <256 x i32> %v) {
  %t = alloca <256 x i32>
  store <256 x i32> %v, ptr %t
  call void @emulate_store(ptr %t, i16 %r, i16 %c, ptr %p, i64 %s)
  ret void
}
define internal <256 x i32> @tile.product(i16 %r, i16 %c, i16 %k, <256 x i32> %d, <256 x i32> %a, <256 x i32> %b) {
  %td = alloca <256 x i32>
  %ta = alloca <256 x i32>
  %tb = alloca <256 x i32>
  store <256 x i32> %d, ptr %td
  store <256 x i32> %a, ptr %ta
  store <256 x i32> %b, ptr %tb
  call void @emulate_product(ptr %td, ptr %ta, ptr %tb, i16 %r, i16 %c, i16 %k)
  %v = load <256 x i32>, ptr %td
  ret <256 x i32> %v
}
