"""One simulated patient with a PET, planar scans, one SPECT/CT and blood, truth known.

    python studies/joint_patient/study.py

Writes measurements.csv and truth.csv anew; patient.toml stays as it is.
"""

import csv
import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pkmodels import Administration, Schedule, assemble, simulate
from pkmodels.models import pentixather
from pkmodels.models.physiology import Body, reference_body
from pkmodels.models.values import LIGANDS
from pkmodels.nuclides import nuclide
from pkmodels.time_integrals import integrate_observables
from pkmodels.values import draw_values

HERE = Path(__file__).parent
SEED = 7
REGIONS = {
    "kidney_left": "kidney",
    "kidney_right": "kidney",
    "liver": "liver",
    "spleen": "spleen",
    "tumour_iliac": "tumour",
}
# As patient.toml has them; they are true.
MASSES_G = {
    "kidney_left": 150.0,
    "kidney_right": 145.0,
    "liver": 1800.0,
    "spleen": 160.0,
    "tumour_iliac": 30.0,
}
DENSITY, BODY_KG, HEIGHT_CM = 1.05, 73.0, 176.0
PET_MBQ, PET_UG, FRAMES_H = 150.0, 20.0, ((1.0, 1.25), (2.0, 2.25))
LUTETIUM_MBQ, LUTETIUM_UG, LUTETIUM_START_H, INFUSION_H = 200.0, 75.0, 48.0, 0.25
PLANAR_H, SPECT_H = (4.0, 24.0, 72.0, 144.0), 24.0
BLOOD_H, LOWEST_BLOOD = (0.5, 1.0, 2.0, 4.0, 24.0, 72.0, 144.0), 0.1
PLANNED_UG, PLANNED_LENGTH_H = 250.0, 0.5
# Scatter of single values, and sd of ln of what all of a modality share.
SCATTER = {"PET": 0.06, "planar": 0.07, "SPECT": 0.05, "well counter": 0.04}
CALIBRATION = {"PET": 0.05, "SPECT": 0.05, "well counter": 0.03}
EXCESS_MEDIAN, EXCESS_LOG_SD = 0.4, 0.8
# Tumour receptors at the PET over those at dosimetry: sd of ln.
RATIO_LOG_SD = 0.2
COLUMNS: tuple[str, ...] = (
    "region",
    "label",
    "modality",
    "start_h",
    "end_h",
    "value",
    "unit",
    "sd",
    "decay_corrected_to_h",
    "below",
)
Row = dict[str, Any]
# Of the mean over a frame, by trapezoids.
_NODES = 51


def truth() -> dict[str, float]:
    """Draw a patient: every prior varies, those that a fit will hold among them."""
    surface = math.sqrt(BODY_KG * HEIGHT_CM / 3600.0)  # Mosteller 1987
    body = Body("male", BODY_KG, surface, reference_body("male").haematocrit)
    known = pentixather.values(REGIONS, "pentixafor", body)
    drawn = {name: float(x[0]) for name, x in draw_values(known, 1, SEED).items()}
    kidneys_g = MASSES_G["kidney_left"] + MASSES_G["kidney_right"]
    for name, mass_g in {**MASSES_G, "kidneys": kidneys_g}.items():
        if f"volume_{name}" in drawn:
            drawn[f"volume_{name}"] = mass_g / 1000.0  # 1 kg is 1 L in the model
    return drawn


def dose(ligand: str, label: str, MBq: float, ug: float, length_h: float) -> Schedule:
    """Return one administration at time zero."""
    given = Administration(
        0.0,
        length_h,
        ligand,
        label,
        MBq,
        ligand_mass_ug=ug,
        molar_mass_g_per_mol=LIGANDS[ligand].molar_mass_g_per_mol.value,
    )
    return Schedule((given,))


def curves(
    drawn: Mapping[str, float], schedule: Schedule, times: np.ndarray
) -> Mapping[str, np.ndarray]:
    """Return the activity of each region, MBq, and of blood, MBq/L."""
    ligand = schedule.ligands[0]
    system = assemble(pentixather.model(REGIONS, ligand), schedule.form)
    names = pentixather.values(REGIONS, ligand)
    own = {name: value for name, value in drawn.items() if name in names}
    return simulate(system, own, schedule, times).observables


def pet_rows(drawn: Mapping[str, float], generator: np.random.Generator) -> list[Row]:
    """Return SUV (SUVmax of the tumour) of two frames, corrected to the injection."""
    given = dose("pentixafor", "Ga-68", PET_MBQ, PET_UG, 0.0)
    decay = nuclide("Ga-68").decay_constant_per_h
    shared = _shared("PET", generator)
    varies = "binding_potential_tumour_iliac"
    ratio = math.exp(RATIO_LOG_SD * generator.standard_normal())
    then = {**drawn, varies: drawn[varies] * ratio}
    excess = EXCESS_MEDIAN * math.exp(EXCESS_LOG_SD * generator.standard_normal())
    rows = []
    every = np.concatenate([np.linspace(*frame, _NODES) for frame in FRAMES_H])
    seen = curves(then, given, every)
    for number, (start, end) in enumerate(FRAMES_H):
        own = slice(number * _NODES, (number + 1) * _NODES)
        length = decay * (end - start)
        corrected = math.exp(decay * start) * length / -math.expm1(-length)
        for region in REGIONS:
            mean_MBq = np.trapezoid(seen[region][own], every[own]) / (end - start)
            per_mL = mean_MBq * corrected / MASSES_G[region] * DENSITY
            suv = per_mL * BODY_KG * 1000.0 / PET_MBQ
            largest = region == "tumour_iliac"
            value = suv * (1.0 + excess if largest else 1.0) * shared
            rows.append(
                {
                    "region": region,
                    "label": "Ga-68",
                    "modality": "PET",
                    "start_h": start,
                    "end_h": end,
                    "value": value * _scatter("PET", generator),
                    "unit": "SUVmax" if largest else "SUV",
                    "decay_corrected_to_h": 0,
                }
            )
    return rows


def lutetium_rows(
    drawn: Mapping[str, float], generator: np.random.Generator
) -> list[Row]:
    """Return planar scans of unknown scales, one SPECT/CT and blood samples."""
    given = dose("pentixather", "Lu-177", LUTETIUM_MBQ, LUTETIUM_UG, INFUSION_H)
    rows = []
    times = np.unique([*PLANAR_H, SPECT_H, *BLOOD_H])
    found = curves(drawn, given, times)
    curve = {name: dict(zip(times, found[name], strict=True)) for name in found}
    shared = _shared("SPECT", generator)
    for region in REGIONS:
        scale = 30.0 * math.exp(0.3 * generator.standard_normal())
        for time in PLANAR_H:
            seen = scale * curve[region][time]
            rows.append(_row(region, "planar", time, seen, generator))
        seen = shared * curve[region][SPECT_H]
        rows.append(_row(region, "SPECT", SPECT_H, seen, generator))
    shared = _shared("well counter", generator)
    for time in BLOOD_H:
        seen = shared * curve["blood"][time]
        row = _row("blood", "well counter", time, seen, generator)
        row["unit"] = "kBq/mL"
        if row["value"] < LOWEST_BLOOD:
            row |= {"value": LOWEST_BLOOD, "below": "yes"}
        rows.append(row)
    return rows


def _row(
    region: str,
    modality: str,
    time_h: float,
    seen: float,
    generator: np.random.Generator,
) -> Row:
    return {
        "region": region,
        "label": "Lu-177",
        "modality": modality,
        "start_h": LUTETIUM_START_H + time_h,
        "value": seen * _scatter(modality, generator),
        "unit": "MBq",
    }


def _scatter(modality: str, generator: np.random.Generator) -> float:
    return math.exp(SCATTER[modality] * generator.standard_normal())


def _shared(modality: str, generator: np.random.Generator) -> float:
    return math.exp(CALIBRATION[modality] * generator.standard_normal())


def measurements() -> str:
    """Return measurements.csv."""
    generator = np.random.default_rng([SEED, 1])
    drawn = truth()
    file = io.StringIO()
    file.write("# simulated by study.py: nobody\n")
    writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for row in [*pet_rows(drawn, generator), *lutetium_rows(drawn, generator)]:
        numbers = {k: f"{v:.4g}" for k, v in row.items() if isinstance(v, float)}
        writer.writerow({**row, **numbers})
    return file.getvalue()


def truths() -> str:
    """Return truth.csv: the TIAC of planned 90Y, and every parameter."""
    drawn = truth()
    lines = ["what,name,value,unit"]
    for ug in (PLANNED_UG, LUTETIUM_UG):
        schedule = dose("pentixather", "Y-90", 1.0, ug, PLANNED_LENGTH_H)
        system = assemble(pentixather.model(REGIONS), schedule.form)
        names = pentixather.values(REGIONS)
        own = {name: value for name, value in drawn.items() if name in names}
        found = integrate_observables(system, own, schedule, "Y-90", tuple(REGIONS))
        tiac = {name: found.values[name] for name in REGIONS}
        tiac["kidneys"] = tiac["kidney_left"] + tiac["kidney_right"]
        what = f"TIAC of Y-90 with {ug:g} ug"
        lines += [f"{what},{name},{value:.5g},h" for name, value in tiac.items()]
    known = pentixather.values(REGIONS, "pentixafor")
    lines += [f"parameter,{n},{v:.5g},{known[n].unit}" for n, v in drawn.items()]
    return "\n".join(lines) + "\n"


def main() -> None:
    (HERE / "measurements.csv").write_text(measurements(), "utf-8")
    (HERE / "truth.csv").write_text(truths(), "utf-8")
    print(truths().split("parameter", 1)[0])


if __name__ == "__main__":
    main()
