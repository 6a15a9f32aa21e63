"""NUTS on the posterior problem `onepatient`: seconds to an ESS of 400, and the metric.

    python benchmarks/nuts.py [--metrics]

The goal: within 10 s of two idle cores to an effective sample size (bulk and tail) of
400 of the worst of the 8 parameters, after import and compilation, which stand beside.
With --metrics, effective draws a thousand gradients, by the metric that the coordinates
start from and whether the warm-up learns another.
"""

import argparse
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

BEGUN = time.perf_counter(), time.process_time()

import jax  # noqa: E402

jax.config.update("jax_enable_x64", True)

import arviz as az  # noqa: E402
import numpy as np  # noqa: E402
import pymc as pm  # noqa: E402
import pytensor.tensor as pt  # noqa: E402
from pytensor.link.jax.ops import wrap_jax  # noqa: E402

from pkmodels.fitting.sampling import (  # noqa: E402
    Draws,
    Problem,
    Sampler,
    compile_sampler,
    draw_posterior,
    warm_up,
)
from pkmodels.fitting.whitening import of_no_data, whiten, whitened  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
import onepatient_model as onepatient  # noqa: E402  # pyright: ignore[reportMissingImports]

GOAL_S, GOAL_ESS = 10.0, 400.0
START = Problem({}, (), np.zeros(8), np.ones(8))
DRAWS_PER_CHAIN = 500
# By name: whether the information at the mode is used, and whether a metric is learned.
METRICS = {
    "differences of gradients, adapted": (False, True),
    "sensitivities, adapted": (True, True),
    "sensitivities, kept": (True, False),
}


def model() -> pm.Model:
    """Return the problem with z = (ln theta - ln true) / 0.5 and the expected rows."""
    predict = onepatient.predictor()
    data = onepatient.benchmark_data(np.asarray(predict(onepatient.TRUE_LOG)))
    with pm.Model() as built:
        z = pm.Normal("z", shape=8)
        log_values = onepatient.TRUE_LOG + onepatient.PRIOR_SD * z
        rows = pt.flatten(wrap_jax(predict)(log_values))
        expected = pm.Deterministic("expected", pt.exp(rows))
        pm.Normal("seen", pt.log(expected), onepatient.NOISE_SD, observed=data.ravel())
    return built


def compiled(*, adapt: bool = True) -> Sampler:
    sampler = compile_sampler(
        model(),
        target_acceptance=0.95,
        coordinates=whitened,
        warmup=300,
        in_threads=True,
        adapt_metric=adapt,
    )
    warm_up(sampler, of_no_data(START))
    whiten(sampler, START, seed=0)
    return sampler


def worst(draws: Draws) -> tuple[float, float]:
    """Return the least effective sample size, and the largest R-hat."""
    tree = az.from_dict({"posterior": {"x": draws.unconstrained}})
    sizes = [float(az.ess(tree, method=m)["x"].min()) for m in ("bulk", "tail")]
    return min(sizes), float(az.rhat(tree)["x"].max())


def seconds_to_goal() -> None:
    imported = _since(BEGUN)
    begun = _now()
    sampler = compiled()
    compiling = _since(begun)
    print(f"load {os.getloadavg()[0]:.1f}: the clock counts others' turns, too")
    print(f"import  {imported}\ncompile {compiling}")
    for seed in range(3):
        for each in range(100, 2000, 100):
            begun = _now()
            problem = whiten(sampler, START, seed=seed)
            drawn = draw_posterior(sampler, problem, seed=seed, draws_per_chain=each)
            taken = _since(begun)
            ess, rhat = worst(drawn)
            if ess >= GOAL_ESS:
                print(
                    f"seed {seed}: {taken} to {each} draws of each of 4 chains: worst "
                    f"ESS {ess:.0f}, R-hat {rhat:.4f}, {int(drawn.diverging.sum())} "
                    f"divergences (goal: {GOAL_S:g} s to {GOAL_ESS:g})"
                )
                break


def compare_metrics() -> None:
    print(f"{'metric':<36}{'ESS':>6}{'gradients':>11}{'ESS a thousand':>16}")
    for name, (from_sensitivities, adapt) in METRICS.items():
        sampler = compiled(adapt=adapt)
        if not from_sensitivities:
            sampler = replace(sampler, information=None)
        problem = whiten(sampler, START, seed=0)
        drawn = draw_posterior(
            sampler, problem, seed=1, draws_per_chain=DRAWS_PER_CHAIN
        )
        ess, _ = worst(drawn)
        gradients = int(drawn.statistics["n_steps"].sum())
        print(f"{name:<36}{ess:>6.0f}{gradients:>11}{1e3 * ess / gradients:>16.1f}")


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _since(begun: tuple[float, float]) -> str:
    clock, processor = (b - a for a, b in zip(begun, _now(), strict=True))
    return f"{clock:.1f} s (processor {processor:.1f} s)"


def main() -> None:
    parser = argparse.ArgumentParser(description="Time NUTS on `onepatient`")
    parser.add_argument("--metrics", action="store_true", help="compare metrics")
    if parser.parse_args().metrics:
        compare_metrics()
    else:
        seconds_to_goal()


if __name__ == "__main__":
    main()
