"""The posterior problem `onepatient` by the fast path: seconds, sizes, agreement.

    python benchmarks/onepatient.py [--seeds N] [--long-run]

Import, compilation and run are printed apart. ``--long-run`` compares with NumPyro's
NUTS, which takes minutes.
"""

import argparse
import sys
import time
from pathlib import Path

BEGUN = time.perf_counter()
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import numpy as np  # noqa: E402
import onepatient_model as onepatient  # noqa: E402 # pyright: ignore
import ordinary_posteriors as ordinary  # noqa: E402 # pyright: ignore

from pkmodels.fitting.densities import compile_density  # noqa: E402
from pkmodels.fitting.fast_path import draw_certified  # noqa: E402
from pkmodels.fitting.importance import quantiles  # noqa: E402
from pkmodels.fitting.targets import target_of  # noqa: E402

PROBABILITIES = np.array([0.025, 0.975])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--long-run", action="store_true")
    asked = parser.parse_args()
    print(f"import   {time.perf_counter() - BEGUN:6.2f} s")
    begun = time.perf_counter()
    predict = onepatient.predictor()
    truth = np.asarray(predict(onepatient.TRUE_LOG))
    data = {"log_data": onepatient.benchmark_data(truth)}
    density = compile_density(onepatient.model(data["log_data"], predict))
    target = target_of(density)
    draw_certified(target, data, seed=10**6, n_draws=10)
    print(f"compile  {time.perf_counter() - begun:6.2f} s, with a first run")
    found = None
    for seed in range(asked.seeds):
        begun, used = time.perf_counter(), time.process_time()
        found = draw_certified(target, data, seed=seed, n_draws=4000)
        wall, cpu = time.perf_counter() - begun, time.process_time() - used
        print(
            f"run {seed:>4} {wall:6.2f} s, {cpu:.2f} CPU s; worst effective sizes "
            f"{found.mean_sizes.min():.0f} (means), {found.tail_sizes.min():.0f} "
            f"(tails); {str(found.certificate).splitlines()[0]}",
            flush=True,
        )
    assert found is not None
    print(found.certificate)
    if asked.long_run:
        compare(density, target, data, asked.seeds)


def compare(density, target, data, seeds: int) -> None:
    run = ordinary.long_run(
        density.log_density, density.size, chains=8, warmup=300, kept=2000
    )
    random = np.random.default_rng(0)
    starts = onepatient.TRUE_LOG + 0.1 * random.standard_normal((8, density.size))
    given = target.data(data)
    reference = run(given, 1, starts)
    print("against NUTS: worst error of means, and of 2.5 and 97.5 % quantiles, in sd")
    for seed in range(seeds):
        sample = draw_certified(target, data, seed=seed, n_draws=10).weighted
        mean = sample.weights @ sample.x
        ends = quantiles(sample, sample.x, PROBABILITIES)
        print(
            f"run {seed:>4} {np.max(np.abs(mean - reference.mean) / reference.sd):.4f} "
            f"{np.max(np.abs(ends - reference.quantiles) / reference.sd):.4f}"
        )


if __name__ == "__main__":
    main()
