"""The solvers that code is generated for; chosen by `pkmodels.kernels.choice`.

`equations` and `problem` are what all of them take: symbols, and arrays. The native
kernel goes from symbols (`reduction`, `elimination`) to LLVM's language (`emission`,
`expressions`, `factor_code`, `model_code`, `step_code`, `step_control`, `solve_frame`,
`solve_code`, `batch_code`, `ffi_frame`), to machine code (`machine_code`, `cache`), and
is called by `native` and `foreign`. `xla` and `xla_*` are the same method in JAX,
and `linear` has closed forms.
"""
