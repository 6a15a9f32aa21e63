"""What the certificate accepts and refuses, on fresh problems of known answers.

    python benchmarks/certificate.py [--seed N] [--scale S] [--bodies N] [--verbose]
        [--only pathological|ordinary|needles]

A result is wrong where a mean is off by more than 0.15 sd, an sd by more than 20 %, or
a 2.5 or 97.5 % quantile by more than 0.5 sd.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import ordinary_posteriors as ordinary  # pyright: ignore
import pathological_posteriors as pathological  # pyright: ignore
from pathological_posteriors import Problem, Truth  # pyright: ignore

from pkmodels.fitting.fast_path import CertifiedDraws, draw_certified
from pkmodels.fitting.importance import quantiles
from pkmodels.fitting.targets import Target, compile_target

MEAN_LIMIT, SD_LIMIT, QUANTILE_LIMIT = 0.15, 0.20, 0.5
LINEAR, BIEXP, ORGANS = 25, 35, 36
LINEAR_SIZES, ORGAN_SIZES = (2, 4, 8, 12), (4, 6, 8, 12)

_TARGETS: dict[tuple[str, int], Target] = {}


def target_of(problem: Problem) -> Target:
    """Return the compiled family of a problem, compiled once."""
    key = (problem.family, problem.size)
    if key not in _TARGETS:
        density, names = (pathological.FAMILIES | ordinary.FAMILIES)[problem.family]
        _TARGETS[key] = compile_target(
            density,
            pathological.log_prior,
            pathological.draw_prior(problem.size),
            problem.size,
            names,
        )
    return _TARGETS[key]


def errors_of(found: CertifiedDraws, truth: Truth) -> tuple[float, float, float]:
    """Return the worst errors of means (sd), sd (relative) and quantiles (sd)."""
    sample = found.weighted
    mean = sample.weights @ sample.x
    sd = np.sqrt(sample.weights @ (sample.x - mean) ** 2)
    ends = quantiles(sample, sample.x, pathological.PROBABILITIES)
    return (
        float(np.max(np.abs(mean - truth.mean) / truth.sd)),
        float(np.max(np.abs(sd / truth.sd - 1.0))),
        float(np.max(np.abs(ends - truth.quantiles) / truth.sd)),
    )


def is_wrong(errors: tuple[float, float, float]) -> bool:
    """Return whether an answer is off by more than may be."""
    limits = (MEAN_LIMIT, SD_LIMIT, QUANTILE_LIMIT)
    return any(not e <= limit for e, limit in zip(errors, limits, strict=True))


def ordinary_problems(seed: int, scale: float) -> Iterator[Problem]:
    random = np.random.default_rng([seed, 1])

    def count(whole: int) -> int:
        return max(1, round(scale * whole))

    for i in range(count(LINEAR)):
        yield ordinary.linear(random, LINEAR_SIZES[i % len(LINEAR_SIZES)])
    run = ordinary.long_run(ordinary.log_biexponential, 4)
    for _ in range(count(BIEXP)):
        yield from _made(ordinary.biexp, random, 4, run)
    runs = {n: ordinary.long_run(ordinary.log_organs, n) for n in ORGAN_SIZES}
    for i in range(count(ORGANS)):
        size = ORGAN_SIZES[i % len(ORGAN_SIZES)]
        yield from _made(ordinary.organ_exchange, random, size, runs[size])


def _made(make: Callable[..., Problem], random: Any, size: int, run: Any):
    """Yield one problem; where its long run did not converge, another instead."""
    for _ in range(5):
        try:
            yield make(random, size, run)
            return
        except ArithmeticError as unsure:
            print(f"    left out, another instead: {unsure}", flush=True)


def body_problems(seed: int, count: int) -> Iterator[tuple[Problem, Target]]:
    """Yield `onepatient` with fresh patients and noise, solved numerically."""
    import jax.numpy as jnp
    import onepatient_model as onepatient  # pyright: ignore

    predict = onepatient.predictor()
    random = np.random.default_rng([seed, 2])

    def density(z: Any, log_seen: Any) -> Any:
        curve = predict(onepatient.TRUE_LOG + onepatient.PRIOR_SD * z)
        wrong = (curve - log_seen) / onepatient.NOISE_SD
        return pathological.log_prior(z) - 0.5 * jnp.sum(wrong**2)

    size = len(onepatient.ESTIMATED)
    draws = pathological.draw_prior(size)
    target = compile_target(density, pathological.log_prior, draws, size, ("log_seen",))
    run = ordinary.long_run(density, size, chains=8, warmup=200, kept=250)
    for number in range(count):
        z = random.standard_normal(size)
        log_curve = np.asarray(predict(onepatient.TRUE_LOG + onepatient.PRIOR_SD * z))
        log_seen = log_curve + 0.1 * random.standard_normal(log_curve.shape)
        # From the true values, so that little warm-up is needed.
        starts = z + 0.05 * random.standard_normal((8, size))
        truth = run((log_seen,), number, starts)
        data = {"log_seen": log_seen}
        yield Problem("pbpk12", "pbpk12", size, data, truth), target


def judge(
    problem: Problem, target: Target, seed: int, verbose: bool
) -> tuple[str, bool, bool]:
    """Return a problem's kind, whether it was accepted, and whether it was wrong."""
    found = draw_certified(target, problem.data, seed=seed, n_draws=1000)
    errors, certificate = errors_of(found, problem.truth), found.certificate
    wrong = is_wrong(errors)
    if verbose or (certificate.accepted and wrong):
        parts = " ".join(f"{part.value:.2g}" for part in certificate.parts)
        say = "ACCEPTED" if certificate.accepted else "refused"
        off = " ".join(f"{e:.3f}" for e in errors)
        print(
            f"    {problem.kind} n={problem.size} seed={seed}: {say}"
            f"{' WRONG' if wrong else ''} [{off}] parts {parts} "
            f"modes {certificate.modes} -> {certificate.fallback}",
            flush=True,
        )
    return problem.kind, certificate.accepted, wrong


def show(judged: list[tuple[str, bool, bool]]) -> None:
    print(
        f"{'kind':<16}{'problems':>9}{'accepted':>9}{'of them wrong':>15}"
        f"{'refused':>9}{'of them right':>15}"
    )
    for kind in [*dict.fromkeys(k for k, _, _ in judged), "all"]:
        own = [(a, w) for k, a, w in judged if kind in (k, "all")]
        accepted = [w for a, w in own if a]
        refused = [w for a, w in own if not a]
        print(
            f"{kind:<16}{len(own):>9}{len(accepted):>9}{sum(accepted):>15}"
            f"{len(refused):>9}{len(refused) - sum(refused):>15}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--bodies", type=int, default=4)
    parser.add_argument("--only", choices=("pathological", "ordinary", "needles"))
    parser.add_argument("--verbose", action="store_true")
    asked = parser.parse_args()
    if asked.only == "needles":
        hidden = pathological.problems(asked.seed, asked.scale, needles=True)
        show([judge(p, target_of(p), i, asked.verbose) for i, p in enumerate(hidden)])
        return
    if asked.only != "ordinary":
        begun = time.process_time()
        judged = [
            judge(p, target_of(p), asked.seed + i, asked.verbose)
            for i, p in enumerate(pathological.problems(asked.seed, asked.scale))
        ]
        print(f"Pathological, {time.process_time() - begun:.0f} CPU seconds")
        show(judged)
    if asked.only != "pathological":
        begun = time.process_time()
        judged = [
            judge(p, target_of(p), asked.seed + i, asked.verbose)
            for i, p in enumerate(ordinary_problems(asked.seed, asked.scale))
        ]
        judged += [
            judge(p, target, asked.seed + i, asked.verbose)
            for i, (p, target) in enumerate(body_problems(asked.seed, asked.bodies))
        ]
        print(f"Ordinary, {time.process_time() - begun:.0f} CPU seconds")
        show(judged)


if __name__ == "__main__":
    main()
