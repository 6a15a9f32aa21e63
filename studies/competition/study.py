"""AMD3100 against pentixafor in a tube and in a mouse, from one set of parameters.

    python studies/competition/study.py

writes competition.csv and figures/competition.png; needs the development requirements,
for matplotlib.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from scipy.stats import rankdata

from pkmodels import Model, Schedule, assemble, gather_sets, simulate_sets
from pkmodels.errors import InputError
from pkmodels.models import binding_assay, xenograft, xenograft_values
from pkmodels.models.assay_readouts import (
    cheng_prusoff,
    ic50_of_curve,
    inhibition_constant,
)
from pkmodels.values import ParameterValue, Value, draw_values

FOLDER = Path(__file__).resolve().parent
DRAWS, SEED = 400, 1
INCUBATION_H, READ_AFTER_H = 1.0, 1.0  # of the tube; PET after the tracer
TUBE_NMOL_PER_L = tuple(float(x) for x in 10.0 ** np.linspace(0.0, 5.0, 11))
MOUSE_MG_PER_KG = tuple(float(x) for x in 10.0 ** np.linspace(-2.0, 2.0, 9))
WAITS_H = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 6.0)
CUSTOMARY_MG_PER_KG = 2.0
TUMOURS = ("OH-1", "Daudi")
# Okabe and Ito: told apart by readers who see no red and green.
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#777777"
STYLES = {"OH-1": (BLUE, "o"), "Daudi": (ORANGE, "s")}

Parameters = dict[str, np.ndarray]


@dataclass(frozen=True)
class Row:
    """Uptake under a block over that without, at one dose: median and 95 % interval."""

    system: str
    varied: str
    dose: float
    median: float
    low: float
    high: float


def drawn(model_values: dict[str, ParameterValue], n_draws: int) -> Parameters:
    """Draw parameters; a name has the same draws in tube and mouse."""
    return draw_values(model_values, n_draws, SEED)


def read(
    model: Model, parameters: Parameters, plan: Schedule, wanted: str
) -> np.ndarray:
    """Return one observable of each draw, a while after the tracer."""
    time = np.array([xenograft.tracer_time(plan) + READ_AFTER_H])
    system = assemble(model, plan.form)
    sets = gather_sets(
        simulate_sets(system, parameters, plan, time, observables=(wanted,))
    )
    if sets.failures:
        raise RuntimeError(f"{len(sets.failures)} draws failed: {sets.failures}")
    return sets.observables[wanted][:, 0]


def tube(parameters: Parameters) -> np.ndarray:
    """Return specific uptake over that without block, (n_doses, n_draws).

    What is specific: less the same tube at 100 umol/L, as at the bench.
    """
    plans = [binding_assay.schedule(amd3100_nmol_per_L=c) for c in TUBE_NMOL_PER_L]
    model = binding_assay.model()
    found = np.array([read(model, parameters, p, "percent_bound") for p in plans])
    alone = read(model, parameters, binding_assay.schedule(), "percent_bound")
    return (found - found[-1]) / (alone - found[-1])


def mouse(
    parameters: Parameters, block: str, doses: Sequence[float] = MOUSE_MG_PER_KG
) -> np.ndarray:
    """Return the tumour's uptake over that without block, (n_doses, n_draws)."""
    model, wanted = xenograft.model(), "tumour_percent_per_gram"
    plans = [xenograft.schedule(block, amd3100_mg_per_kg=dose) for dose in doses]
    found = np.array([read(model, parameters, plan, wanted) for plan in plans])
    return found / read(model, parameters, xenograft.schedule(), wanted)


def waiting(parameters: Parameters, block: str) -> np.ndarray:
    """Return the same at the customary dose, the tracer some hours later."""
    model, wanted = xenograft.model(), "tumour_percent_per_gram"
    found = []
    for hours in WAITS_H:
        blocker, tracer = xenograft.schedule(block).administrations
        later = type(tracer)(
            hours,
            0.0,
            tracer.ligand,
            tracer.label,
            tracer.activity_MBq,
            ligand_nmol=tracer.ligand_nmol,
        )
        found.append(read(model, parameters, Schedule((blocker, later)), wanted))
    return np.array(found) / read(model, parameters, xenograft.schedule(), wanted)


def floor(parameters: Parameters) -> np.ndarray:
    """Return the part of a tumour's uptake that no receptor holds, (n_draws,)."""
    wanted, model = "tumour_percent_per_gram", xenograft.model()
    plan = xenograft.schedule()
    bare = parameters | {"receptor_density": 0.0 * parameters["receptor_density"]}
    return read(model, bare, plan, wanted) / read(model, parameters, plan, wanted)


def rows_of(
    system: str, varied: str, doses: Sequence[float], curves: np.ndarray
) -> list[Row]:
    """Summarize curves over draws."""
    low, median, high = np.quantile(curves, [0.025, 0.5, 0.975], axis=1)
    return [
        Row(system, varied, dose, float(m), float(a), float(b))
        for dose, m, a, b in zip(doses, median, low, high, strict=True)
    ]


def inhibition(parameters: Parameters, curves: np.ndarray) -> dict[str, np.ndarray]:
    """Return each draw's IC50 and what two formulas make of it, over its true K_i."""
    found: dict[str, list[float]] = {"IC50": [], "Cheng-Prusoff": [], "exact": []}
    p = parameters
    tracer = binding_assay.schedule().administrations[0]
    for n, curve in enumerate(curves.T):
        litres = float(p["volume"][n])
        added = float(tracer.ligand_nmol or 0.0) / litres
        sites = p["cells"][n] * p["receptors_per_cell"][n] / p["molecules_per_nmol"][n]
        constant = float(p["dissociation_constant"][n])
        doses = np.array(TUBE_NMOL_PER_L)
        try:
            ic50 = ic50_of_curve(doses[:-1], curve[:-1], 1.0)
        except InputError:  # its half is beyond the doses
            continue
        truth = float(p["amd3100_dissociation_constant"][n])
        exact = inhibition_constant(ic50, added, float(sites) / litres, constant)
        found["IC50"].append(ic50 / truth)
        found["Cheng-Prusoff"].append(cheng_prusoff(ic50, added, constant) / truth)
        found["exact"].append(exact / truth)
    return {name: np.array(values) for name, values in found.items()}


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Return Spearman's rank correlation."""
    return float(np.corrcoef(rankdata(one), rankdata(other))[0, 1])


def influence(parameters: Parameters, outcome: np.ndarray) -> list[tuple[str, float]]:
    """Return the rank correlation of an outcome with each parameter, largest first."""
    known = xenograft.values()
    names = [n for n, v in known.items() if not isinstance(v, Value)]
    found = [(n, rank_correlation(parameters[n], outcome)) for n in names]
    return sorted(found, key=lambda pair: -abs(pair[1]))


def main() -> None:
    """Compute, print, and write the table and the figure."""
    in_tube = drawn(binding_assay.values(), DRAWS)
    curves = tube(in_tube)
    rows = rows_of("tube", "AMD3100, nmol/L", TUBE_NMOL_PER_L, curves)
    for name, values in inhibition(in_tube, curves).items():
        low, median, high = np.quantile(values, [0.025, 0.5, 0.975])
        rows.append(
            Row("tube", f"{name} over K_i", 0.0, *map(float, (median, low, high)))
        )
    for tumour in TUMOURS:
        animals = drawn(xenograft.values(tumour=tumour), DRAWS)
        assert np.array_equal(
            animals["amd3100_dissociation_constant"],
            in_tube["amd3100_dissociation_constant"],
        )
        dosed = mouse(animals, "intravenous")
        rows += rows_of(tumour, "intravenous, mg/kg", MOUSE_MG_PER_KG, dosed)
        for block in ("intravenous", "subcutaneous"):
            waited = waiting(animals, block)
            rows += rows_of(tumour, f"wait after {block}, h", WAITS_H, waited)
        bare = floor(animals)
        rows += rows_of(tumour, "no receptors", (0.0,), bare[None, :])
        for block in xenograft_values.BEFORE_H:
            kept = mouse(animals, block, (CUSTOMARY_MG_PER_KG,))
            rows += rows_of(tumour, f"{block}, customary", (CUSTOMARY_MG_PER_KG,), kept)
            if block == "subcutaneous":
                for name, rho in influence(animals, kept[0])[:4]:
                    print(f"{tumour}: rank correlation with {name} {rho:.2f}")
    write(rows)
    figure(rows)
    for row in rows:
        if not row.varied.endswith((", nmol/L", ", mg/kg", ", h")):
            print(
                f"{row.system}: {row.varied}: {row.median:.2f} "
                f"({row.low:.2f} to {row.high:.2f})"
            )


def write(rows: Sequence[Row]) -> None:
    """Write the table."""
    with (FOLDER / "competition.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["system", "varied", "dose", "median", "low", "high"])
        for r in rows:
            numbers = (r.dose, r.median, r.low, r.high)
            table.writerow([r.system, r.varied, *(f"{x:.5g}" for x in numbers)])


def _draw(
    panel: Axes,
    rows: Sequence[Row],
    system: str,
    varied: str,
    style: tuple[str, str],
    label: str,
    dashed: bool = False,
) -> None:
    chosen = [r for r in rows if r.system == system and r.varied == varied]
    doses = [r.dose for r in chosen]
    colour, marker = style
    panel.plot(
        doses,
        [100.0 * r.median for r in chosen],
        color=colour,
        marker=marker,
        ms=4,
        lw=1.3,
        ls="--" if dashed else "-",
        label=label,
    )
    if not dashed:
        low, high = [100.0 * r.low for r in chosen], [100.0 * r.high for r in chosen]
        panel.fill_between(doses, low, high, color=colour, alpha=0.13, lw=0)


def figure(rows: Sequence[Row]) -> None:
    """Draw dose and response in the tube and the mouse, and the wait."""
    plt.rcParams |= {
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
    }
    drawing, panels = plt.subplots(1, 3, figsize=(10.5, 3.5), layout="constrained")
    tube_panel, dose_panel, wait_panel = panels
    _draw(
        tube_panel,
        rows,
        "tube",
        "AMD3100, nmol/L",
        (GREEN, "D"),
        "specific; bands: 95 % of draws",
    )
    tube_panel.set_title("Tube: 1 nM tracer, 1 h")
    tube_panel.set_xlabel("AMD3100 added (nmol/L)")
    tube_panel.set_ylabel("uptake left (% of that without block)")
    for tumour, style in STYLES.items():
        name = "intravenous, mg/kg"
        _draw(dose_panel, rows, tumour, name, style, tumour)
        for block, dashed in (("intravenous", False), ("subcutaneous", True)):
            short = "i.v." if block == "intravenous" else "s.c."
            name = f"wait after {block}, h"
            label = f"{tumour}, {short}"
            _draw(wait_panel, rows, tumour, name, style, label, dashed)
        bare = [r for r in rows if r.system == tumour and r.varied == "no receptors"]
        dose_panel.axhline(100.0 * bare[0].median, color=style[0], lw=0.9, ls=":")
    dose_panel.axvline(CUSTOMARY_MG_PER_KG, color=GREY, lw=0.8)
    dose_panel.annotate(
        "2 mg/kg",
        (CUSTOMARY_MG_PER_KG, 108.0),
        xytext=(4, 0),
        textcoords="offset points",
        color=GREY,
        fontsize=8,
    )
    dose_panel.set_title("Mouse: i.v. 1 min before, tumour at 1 h")
    dose_panel.set_xlabel("AMD3100 (mg/kg); dotted: no receptors")
    wait_panel.set_title("Mouse: 2 mg/kg, tumour 1 h after tracer")
    wait_panel.set_xlabel("time from AMD3100 to tracer (h)")
    for panel in (tube_panel, dose_panel):
        panel.set_xscale("log")
    for panel in panels:
        panel.set_ylim(0.0, 115.0)
        panel.legend(fontsize=8, loc="best")
    drawing.savefig(FOLDER / "figures" / "competition.png", dpi=130)


if __name__ == "__main__":
    main()
