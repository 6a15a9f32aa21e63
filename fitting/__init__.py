"""Bayesian fits: likelihood, priors as distributions, sampling, checks, prediction."""
