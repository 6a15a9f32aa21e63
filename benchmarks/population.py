"""Times FOCEI on theophylline-like and on many simulated subjects.

    python benchmarks/population.py [--subjects 1000]

Of organ_exchange with its four regions (20 values a subject, 8 random effects, 20
estimates), started 30 % off the truth; and of one compartment with absorption (12
subjects). Seconds of the processor beside those of the clock: compiling is in the
first fit and not in the second. Memory is the process's peak.
"""

import argparse
import resource
import time

import numpy as np

from pkmodels.exact import Doses, compile_exactly
from pkmodels.models import organ_exchange
from pkmodels.nuclides import nuclide
from pkmodels.population import worked_example
from pkmodels.population.estimation import PopulationFit, fit_population
from pkmodels.population.responses import Response, exact_response
from pkmodels.population.structure import (
    ErrorForm,
    PopulationModel,
    ResidualError,
    Typical,
    independent,
)
from pkmodels.population.subjects import Occasion, Subject
from pkmodels.schedule import ScheduleForm
from pkmodels.system import assemble

SCANS_H = np.array([2.0, 24.0, 48.0, 96.0, 168.0])
ACTIVITY_MBQ, SPREAD, SCATTER, OFF = 7400.0, 0.3, 0.1, 1.3
# Round numbers of the size of organ_exchange's own priors.
HALF_TIME_H, FRACTION, BIOLOGICAL_H = 2.0, 0.03, 45.0


def response() -> Response:
    form = ScheduleForm((("ligand", "intravenous"),))
    return exact_response(compile_exactly(assemble(organ_exchange.model(), form)))


def truth(of: Response) -> dict[str, float]:
    def value(name: str) -> float:
        if name == organ_exchange.BLOOD_HALF_TIME:
            return HALF_TIME_H
        return FRACTION if name.startswith("fraction") else BIOLOGICAL_H

    return {name: value(name) for name in of.parameters}


def simulated(of: Response, count: int) -> list[Subject]:
    generator = np.random.default_rng(1)
    decay = np.float64(nuclide("Lu-177").decay_constant_per_h)
    dose = Doses(np.zeros(1), np.zeros(1), np.array([ACTIVITY_MBQ]), decay)
    names = np.tile(of.observables, len(SCANS_H))
    found = []
    for n in range(count):
        own = np.array(list(truth(of).values()))
        varies = np.array([x != organ_exchange.BLOOD_HALF_TIME for x in of.parameters])
        own[varies] *= np.exp(SPREAD * generator.normal(size=varies.sum()))
        curves = np.asarray(of.predict(own, dose, SCANS_H)).ravel()
        values = curves * np.exp(SCATTER * generator.normal(size=len(curves)))
        times = np.repeat(SCANS_H, len(of.observables))
        found.append(
            Subject(f"{n}", (Occasion(of, dose, times, tuple(names), values),))
        )
    return found


def population(of: Response) -> PopulationModel:
    fixed = organ_exchange.BLOOD_HALF_TIME
    varying = [name for name in of.parameters if name != fixed]
    typical = {
        name: Typical(
            value * (1.0 if name == fixed else OFF), "", estimated=name != fixed
        )
        for name, value in truth(of).items()
    }
    error = ResidualError(ErrorForm.LOG_NORMAL, additive=0.2)
    return PopulationModel(
        "organs",
        typical,
        independent(dict.fromkeys(varying, 0.2)),
        dict.fromkeys(of.observables, error),
    )


def show(name: str, model: PopulationModel, subjects: list[Subject]) -> PopulationFit:
    for when in ("with compiling", "again"):
        clock, processor = time.perf_counter(), time.process_time()
        fit = fit_population(model, subjects)
        clock, processor = time.perf_counter() - clock, time.process_time() - processor
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
        print(
            f"{name:34} {when:15} {clock:6.1f} s (processor {processor:6.1f} s), "
            f"{fit.evaluations} objectives, {peak:.0f} MB"
        )
    return fit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, default=1000)
    most = parser.parse_args().subjects
    oral = worked_example.population(), list(worked_example.subjects())
    show("oral, 6 subjects", *oral)
    organs = response()
    for count in (most // 4, most):
        fit = show(
            f"organ_exchange, {count} subjects",
            population(organs),
            simulated(organs, count),
        )
        off = [
            fit.values[n] - np.log(truth(organs)[name.removeprefix("ln ")])
            for n, name in enumerate(fit.names)
            if name.startswith("ln ")
        ]
        print(f"  largest error of ln typical values {np.abs(off).max():.3f}")


if __name__ == "__main__":
    main()
