"""A first model: receptors in a tumour, kidneys that retain, and three radionuclides.

    python studies/first_model/study.py

prints the model three ways and writes its graph and its curves into `out`. The values
are round numbers for illustration: no patient and no ligand has them.
"""

from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from pkmodels import (
    Administration,
    Model,
    Schedule,
    Trajectory,
    Window,
    amounts,
    analyse,
    assemble,
    equations_text,
    graph_svg,
    inputs,
    latex,
    parameters,
    receptors,
    simulate,
)
from pkmodels.models.blocks import (
    binding,
    excretion,
    filtration,
    internalization_and_release,
)
from pkmodels.observables import percent_administered, region

OUT = Path(__file__).parent / "out"


# 1. The model, as on paper: what there is, what happens, what can be seen.
def model() -> Model:
    """Return the model of one ligand; masses, labels and doses are not part of it."""
    plasma, bound, inside, kidney, bladder, urine = amounts(
        "plasma bound inside kidney bladder urine", unit="nmol"
    )
    (receptor,) = receptors("receptor", unit="nmol")
    (plasma_volume,) = parameters("plasma_volume", unit="L")
    (unbound, retained) = parameters("unbound_fraction retained_fraction", unit="1")
    (filtration_rate,) = parameters("filtration_rate", unit="L/h")
    (k_on,) = parameters("k_on", unit="L/(nmol h)")
    k_off, internalization, release, washout, voiding = parameters(
        "k_off internalization release washout voiding", unit="1/h"
    )
    (sites,) = parameters("sites", unit="nmol")
    (amino_acids,) = inputs("amino_acids", unit="1", otherwise=0.0)

    free_volume = plasma_volume / unbound  # only what no protein holds binds or filters
    return Model(
        name="first_model",
        reactions=(
            *binding(
                "tumour",
                plasma,
                receptor,
                bound,
                volume=free_volume,
                k_on=k_on,
                k_off=k_off,
            ),
            *internalization_and_release(
                "tumour",
                bound,
                inside,
                internalization=internalization,
                release=release,
                receptor=receptor,
                released=plasma,
            ),
            *filtration(
                "kidney",
                plasma,
                kidney,
                bladder,
                volume=free_volume,
                filtration_rate=filtration_rate,
                reabsorbed_fraction=retained,
                block=amino_acids,
            ),
            *excretion(
                "urinary", kidney, bladder, urine, secretion=washout, emptying=voiding
            ),
        ),
        start={receptor: sites},
        routes={"intravenous": plasma},
        observables={
            # Decay-corrected, so that the labels differ by what the ligand does only.
            "tumour": percent_administered(
                region((bound, inside)), decay_corrected=True
            ),
            "kidneys": percent_administered(kidney, decay_corrected=True),
            "occupancy": bound / (bound + receptor),
        },
    )


VALUES = {
    "plasma_volume": 3.0,
    "unbound_fraction": 0.04,
    "retained_fraction": 0.05,
    "filtration_rate": 7.2,
    "k_on": 0.3,
    "k_off": 3.0,
    "sites": 20.0,
    "internalization": 0.12,
    "release": 0.012,
    "washout": 0.0126,
    "voiding": 0.3,
}

# 2. What is given: h, nmol, MBq. 1 nmol of such a ligand is about 1.3 ug.
GIVEN = {
    "68Ga, 16 nmol": Administration(0, 0, "ligand", "Ga-68", 150.0, ligand_nmol=16.0),
    "177Lu, 56 nmol": Administration(0, 0, "ligand", "Lu-177", 200.0, ligand_nmol=56.0),
    "90Y, 186 nmol": Administration(
        0, 0.5, "ligand", "Y-90", 6000.0, ligand_nmol=186.0
    ),
}
KIDNEY_PROTECTION = Window("amino_acids", 0.0, 4.0, 0.5)
HOURS = np.linspace(0.0, 120.0, 241)


def simulated(name: str) -> Trajectory:
    """Return the curves of one administration: the model is the same for all."""
    windows = (KIDNEY_PROTECTION,) if name.startswith("90Y") else ()
    schedule = Schedule((GIVEN[name],), windows)
    return simulate(assemble(model(), schedule.form), VALUES, schedule, HOURS)


def plot(curves: dict[str, Trajectory]) -> go.Figure:
    """Draw each observable with one line for each label."""
    titles = {
        "tumour": "Tumour (%IA, decay-corrected)",
        "kidneys": "Kidneys (%IA, decay-corrected)",
        "occupancy": "Receptors occupied (fraction)",
    }
    colours = ("#d55e00", "#0072b2", "#009e73")
    figure = make_subplots(rows=1, cols=3, subplot_titles=list(titles.values()))
    for (name, curve), colour in zip(curves.items(), colours, strict=True):
        for column, observable in enumerate(titles, start=1):
            line = go.Scatter(
                x=curve.times_h,
                y=curve.observables[observable],
                name=name,
                legendgroup=name,
                showlegend=column == 1,
                line={"color": colour},
            )
            figure.add_trace(line, row=1, col=column)
    figure.update_xaxes(title="Time (h)")
    return figure.update_layout(template="simple_white", width=1200, height=420)


def main() -> None:
    """Print the model three ways, simulate three labels and write the pictures."""
    first = model()
    print(first, "\n")  # as chemistry
    print(equations_text(first), "\n")  # as equations
    print(latex(first), "\n")  # as LaTeX, for a paper
    print(analyse(first), "\n")  # what the symbols tell before any number

    curves = {name: simulated(name) for name in GIVEN}
    for name, curve in curves.items():
        peak = {k: float(np.nanmax(v)) for k, v in curve.observables.items()}
        print(f"{name:>15}: ", ", ".join(f"peak {k} {v:.3g}" for k, v in peak.items()))

    OUT.mkdir(exist_ok=True)
    (OUT / "model.svg").write_text(graph_svg(first), encoding="utf-8")
    plot(curves).write_html(OUT / "curves.html", include_plotlyjs=True)
    print(f"\nwritten: {OUT / 'model.svg'}, {OUT / 'curves.html'}")


if __name__ == "__main__":
    main()
