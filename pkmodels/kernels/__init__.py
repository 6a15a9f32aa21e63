"""The solvers that code is generated for; chosen by `pkmodels.exact`."""
