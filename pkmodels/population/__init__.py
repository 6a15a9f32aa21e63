"""Populations of subjects: what is typical, how subjects differ, estimated fast.

`structure` says what a population model is (`covariates`, `descriptions`), `subjects`
what was measured of whom, and `responses` makes predictions of compiled systems.
`estimation` maximizes the marginal likelihood of `marginal` (FOCEI: Laplace's method
about the `modes` of random effects), `uncertainty` gives standard errors, `importance`
the likelihood itself, and `goodness`, `predictive_checks` and `distribution_errors` the
diagnostics.
"""
