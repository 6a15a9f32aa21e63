"""One fit of a 68Ga-pentixafor PET and a 177Lu-pentixather series, beside 177Lu alone.

    python benchmarks/joint_tracers.py --patients 10

Simulated patients of the model `pentixather`, of which nine parameters are unknown (two
of them ratios between the ligands), each drawn from its prior; all others are at their
medians. Prints effective draws per second of the worst parameter, divergences, and the
95 % interval of the kidneys' dose by 90Y (250 ug), joint and alone, beside the truth.
Two protocols: planar scans whose scale is tied down by one SPECT/CT, and planar scans
alone, where only the PET knows of MBq. Seconds are without import and compilation.
"""

import argparse
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from pkmodels import Administration, Schedule, assemble, simulate
from pkmodels.dosimetry.s_values import require_s_value
from pkmodels.exact import doses_of
from pkmodels.fitting.experiments import Experiment, share_parameters
from pkmodels.fitting.fit import compile_fit, fit, warm_up_fit
from pkmodels.fitting.observations import Calibration, arrange
from pkmodels.fitting.posterior import Posterior
from pkmodels.fitting.prediction import predict
from pkmodels.measurements import Measurement, Quantity
from pkmodels.models import pentixather
from pkmodels.models.values import FREE_CALIBRATION_LOG_SD, LIGANDS
from pkmodels.saturable import SaturableSystem, compile_saturable
from pkmodels.time_integrals import integrate_observables
from pkmodels.values import (
    Certainty,
    Prior,
    PriorSet,
    draw_values,
    half_normal,
    log_sd_of_cv,
    typical,
)

REGIONS = {"kidneys": "kidneys", "spleen": "spleen"}
OF_PATIENT = (
    "dissociation_constant",
    "unbound_fraction",
    "glomerular_filtration_rate",
    "reabsorbed_fraction",
    "kidney_release",
    "binding_potential_spleen",
    "release",
)
OF_PET = ("pentixafor_unbound_odds_ratio", "pentixafor_reabsorption_odds_ratio")
PET, LUTETIUM = "PET", "177Lu"
LIGAND = {PET: "pentixafor", LUTETIUM: "pentixather"}
# Label, MBq and ug of each, the latter two as customary.
GIVEN = {PET: ("Ga-68", 150.0, 20.0), LUTETIUM: ("Lu-177", 200.0, 75.0)}
THERAPY = ("Y-90", 1000.0, 250.0)
PLANAR_H, SPECT_H, PET_H = (2.0, 24.0, 48.0, 96.0), 24.0, 1.0
BLOOD_H = (0.5, 1.0, 4.0, 24.0, 48.0)
CALIBRATION_CV = {"PET": 0.05, "SPECT": 0.05, "well counter": 0.03}
# Every modality scatters by 5 % at least: where two values alone say how much, nothing
# else keeps a sampler out of the narrows at no scatter at all.
LEAST_SCATTER = SCATTER = 0.05
PROTOCOLS = ("planar and SPECT", "planar")
DRAWS_PER_CHAIN = 500
KIDNEYS_G = 310.0
LEVELS = (0.025, 0.975)


def schedule_of(ligand: str, label: str, MBq: float, ug: float) -> Schedule:
    """Return one bolus."""
    molar_mass = LIGANDS[ligand].molar_mass_g_per_mol.value
    dose = Administration(
        0.0,
        0.0,
        ligand,
        label,
        MBq,
        ligand_mass_ug=ug,
        molar_mass_g_per_mol=molar_mass,
    )
    return Schedule((dose,))


SCHEDULES = {name: schedule_of(LIGAND[name], *GIVEN[name]) for name in LIGAND}
PLANNED = schedule_of("pentixather", *THERAPY)


@cache
def kinetics(occasion: str) -> SaturableSystem:
    """Compile an occasion's model of what is unknown."""
    ligand = LIGAND[occasion]
    model = pentixather.model(REGIONS, ligand)
    shown = {name: model.observables[name] for name in (*REGIONS, "blood")}
    model = replace(model, observables=shown)
    used = {str(parameter) for parameter in model.parameters}
    varied = (*OF_PATIENT, *(OF_PET if occasion == PET else ()))
    known = pentixather.values(REGIONS, ligand)
    held = {n: v for n, v in known.items() if n in used and n not in varied}
    return compile_saturable(model, ligand, varied, typical(held), infusions=False)


@dataclass(frozen=True)
class Patient:
    """Measurements by occasion, and the true Gy/GBq of 90Y in the kidneys."""

    measurements: Mapping[str, tuple[Measurement, ...]]
    dose_Gy_per_GBq: float


def weight_Gy_per_GBq() -> float:
    """Return Gy per h of TIAC and GBq, in kidneys of a known mass."""
    return 1e3 * require_s_value("kidneys", "Y-90", "male").at_mass(KIDNEYS_G)


def simulate_patient(seed: int) -> Patient:
    """Draw what is unknown from its priors, and measure."""
    priors = {n: pentixather.values(REGIONS, "pentixafor")[n] for n in unknowns(True)}
    drawn = {n: float(x[0]) for n, x in draw_values(priors, 1, seed).items()}
    generator = np.random.default_rng([seed, 1])
    rows: dict[str, tuple[Measurement, ...]] = {}
    for name, series in {
        PET: {"PET": (PET_H,), "well counter": (PET_H,)},
        LUTETIUM: {"planar": PLANAR_H, "SPECT": (SPECT_H,), "well counter": BLOOD_H},
    }.items():
        rows[name] = tuple(measure(name, series, drawn, generator))
    system = assemble(kinetics(LUTETIUM).model, PLANNED.form)
    own = true_parameters(LUTETIUM, drawn)
    found = integrate_observables(system, own, PLANNED, "Y-90", ("kidneys",))
    tiac = found.values["kidneys"] / THERAPY[1]
    return Patient(rows, tiac * weight_Gy_per_GBq())


def unknowns(with_pet: bool) -> tuple[str, ...]:
    return (*OF_PATIENT, *(OF_PET if with_pet else ()))


def true_parameters(occasion: str, drawn: Mapping[str, float]) -> dict[str, float]:
    compiled = kinetics(occasion)
    return {**compiled.fixed, **{name: drawn[name] for name in compiled.parameters}}


def measure(
    occasion: str,
    series: Mapping[str, tuple[float, ...]],
    drawn: Mapping[str, float],
    generator: np.random.Generator,
) -> Iterator[Measurement]:
    """Yield the values of an occasion with their scatter and shared errors."""
    schedule = SCHEDULES[occasion]
    times = np.unique([t for each in series.values() for t in each])
    system = assemble(kinetics(occasion).model, schedule.form)
    own = true_parameters(occasion, drawn)
    curves = simulate(system, own, schedule, times).observables
    for modality, of_modality in series.items():
        scatter = np.hypot(SCATTER * generator.standard_normal(), LEAST_SCATTER)
        cv = CALIBRATION_CV.get(modality, 0.0)
        shared = np.exp(log_sd_of_cv(cv) * generator.standard_normal())
        in_blood = modality == "well counter"
        for region in ("blood",) if in_blood else tuple(REGIONS):
            free = modality == "planar"
            scale = np.exp(generator.standard_normal()) if free else shared
            for time_h in of_modality:
                true = curves[region][int(np.searchsorted(times, time_h))]
                value = true * scale * np.exp(scatter * generator.standard_normal())
                yield Measurement(
                    region=region,
                    label=GIVEN[occasion][0],
                    modality=modality,
                    start_h=time_h,
                    end_h=time_h,
                    value=float(value),
                    quantity=Quantity.PER_LITRE if in_blood else Quantity.ACTIVITY,
                    sd=None,
                    decay_corrected_to_h=None,
                    source="simulated",
                )


def posterior_of(patient: Patient, protocol: str, *, joint: bool) -> Posterior:
    """Return the posterior of 177Lu alone, or with the PET."""
    occasions = (LUTETIUM, PET) if joint else (LUTETIUM,)
    experiments = tuple(
        Experiment(
            name,
            kinetics(name),
            SCHEDULES[name],
            tuple(
                m
                for m in patient.measurements[name]
                if m.modality != "SPECT" or "SPECT" in protocol
            ),
        )
        for name in occasions
    )
    known = pentixather.values(REGIONS, "pentixafor")
    priors = {n: p for n in unknowns(joint) if isinstance(p := known[n], Prior)}
    table = share_parameters(
        {name: kinetics(name).parameters for name in occasions}, PriorSet(priors, {})
    )
    measured = {m.modality for e in experiments for m in e.measurements}
    free = FREE_CALIBRATION_LOG_SD.value
    calibrations = [Calibration("planar", per_region=True, log_sd=free)]
    calibrations += [
        Calibration(name, per_region=False, log_sd=log_sd_of_cv(cv))
        for name, cv in CALIBRATION_CV.items()
        if name in measured
    ]
    return Posterior(
        experiments=experiments,
        table=table,
        observations=arrange(experiments, calibrations),
        masses={},
        exact_masses={},
        relative_noise=half_normal(SCATTER, "", "as simulated", Certainty.STATED),
        noise_floor={},
        floor_everywhere=False,
        minimum_noise=LEAST_SCATTER,
    )


@dataclass(frozen=True)
class Outcome:
    """What one fit took and said."""

    ess: float
    seconds: float
    cpu_seconds: float
    divergences: int
    passed: bool
    interval: tuple[float, float]


def run(protocol: str, *, joint: bool, patients: int) -> list[Outcome]:
    """Fit patients by one compiled fit."""
    first = posterior_of(simulate_patient(0), protocol, joint=joint)
    begun = time.perf_counter()
    compiled = compile_fit(first)
    warm_up_fit(first, compiled)
    fit(first, seed=0, draws_per_chain=100, compiled=compiled)  # the checks compile too
    print(f"  compiled in {time.perf_counter() - begun:.0f} s", flush=True)
    found = []
    for seed in range(patients):
        posterior = posterior_of(simulate_patient(seed), protocol, joint=joint)
        begun, cpu = time.perf_counter(), time.process_time()
        fitted = fit(
            posterior, seed=seed, draws_per_chain=DRAWS_PER_CHAIN, compiled=compiled
        )
        taken, cpu = time.perf_counter() - begun, time.process_time() - cpu
        checks = fitted.checks
        interval = (np.nan, np.nan)
        if checks.passed:
            interval = interval_of(fitted.parameters(LUTETIUM))
        ess = min(checks.ess_bulk_min or 0.0, checks.ess_tail_min or 0.0)
        found.append(
            Outcome(ess, taken, cpu, checks.divergences, checks.passed, interval)
        )
    return found


def interval_of(parameters: np.ndarray) -> tuple[float, float]:
    """Return 95 % of Gy/GBq of 90Y in the kidneys with the therapy's mass."""
    planned = predict(kinetics(LUTETIUM), parameters, doses_of(PLANNED), PLANAR_H[-1])
    column = planned.observables.index("kidneys")
    tiac = planned.time_integrals[:, column] / THERAPY[1]
    low, high = np.quantile(tiac * weight_Gy_per_GBq(), LEVELS)
    return float(low), float(high)


def main() -> None:
    """Print each patient's interval, and the speed of each kind of fit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--patients", type=int, default=3)
    patients = parser.parse_args().patients
    truths = [simulate_patient(seed).dose_Gy_per_GBq for seed in range(patients)]
    for protocol in PROTOCOLS:
        kinds = {}
        for name, joint in (("177Lu alone", False), ("joint", True)):
            print(f"{protocol}, {name}: load {os.getloadavg()[0]:.1f}", flush=True)
            kinds[name] = run(protocol, joint=joint, patients=patients)
            show_speed(kinds[name])
        show_intervals(truths, kinds["177Lu alone"], kinds["joint"])


def show_speed(outcomes: list[Outcome]) -> None:
    wall = np.median([o.ess / o.seconds for o in outcomes])
    cpu = np.median([o.ess / o.cpu_seconds for o in outcomes])
    seconds = np.median([o.seconds for o in outcomes])
    cpu_seconds = np.median([o.cpu_seconds for o in outcomes])
    print(
        f"  a fit takes {seconds:.1f} s ({cpu_seconds:.1f} s of CPU): "
        f"{wall:.0f} ESS/s, {cpu:.0f} per CPU second (worst parameter, medians); "
        f"divergences {sum(o.divergences for o in outcomes)}; "
        f"{sum(o.passed for o in outcomes)} of {len(outcomes)} passed",
        flush=True,
    )


def show_intervals(
    truths: list[float], alone: list[Outcome], joint: list[Outcome]
) -> None:
    print("  Gy/GBq of 90Y in the kidneys: truth, 177Lu alone, joint, joint / alone")
    narrower, held = 0, {"alone": 0, "joint": 0}
    for truth, a, b in zip(truths, alone, joint, strict=True):
        widths = [np.log(high / low) for low, high in (a.interval, b.interval)]
        narrower += widths[1] < widths[0]
        held["alone"] += a.interval[0] <= truth <= a.interval[1]
        held["joint"] += b.interval[0] <= truth <= b.interval[1]
        shown = [f"{low:.2f} to {high:.2f}" for low, high in (a.interval, b.interval)]
        ratio = widths[1] / widths[0]
        print(f"  {truth:6.2f}  {shown[0]:<16}  {shown[1]:<16}  {ratio:.2f}")
    count = len(truths)
    print(
        f"  narrower in {narrower} of {count}; holding the truth: "
        f"joint {held['joint']}, alone {held['alone']} of {count}",
        flush=True,
    )


if __name__ == "__main__":
    main()
