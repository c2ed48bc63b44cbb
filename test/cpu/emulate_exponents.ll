; What vreduceps (round down, no binary places kept) and vscalefps compute, of operands without a mask.
declare <16 x float> @llvm.floor.v16f32(<16 x float>)
declare <16 x float> @llvm.fabs.v16f32(<16 x float>)
declare <16 x i32> @llvm.fptosi.sat.v16i32.v16f32(<16 x float>)
declare <16 x float> @llvm.ldexp.v16f32.v16i32(<16 x float>, <16 x i32>)
define internal <16 x float> @exponent.fraction(<16 x float> %x, i32 %places, <16 x float> %source, i16 %mask, i32 %mode) {
  %floor = call <16 x float> @llvm.floor.v16f32(<16 x float> %x)
  %rest = fsub <16 x float> %x, %floor
  %size = call <16 x float> @llvm.fabs.v16f32(<16 x float> %x)
  %infinite = fcmp oeq <16 x float> %size, splat (float 0x7FF0000000000000)
  %r = select <16 x i1> %infinite, <16 x float> zeroinitializer, <16 x float> %rest
  ret <16 x float> %r
}
define internal <16 x float> @exponent.scale(<16 x float> %p, <16 x float> %x, <16 x float> %source, i16 %mask, i32 %mode) {
  %floor = call <16 x float> @llvm.floor.v16f32(<16 x float> %x)
  %n = call <16 x i32> @llvm.fptosi.sat.v16i32.v16f32(<16 x float> %floor)
  %r = call <16 x float> @llvm.ldexp.v16f32.v16i32(<16 x float> %p, <16 x i32> %n)
  ret <16 x float> %r
}
