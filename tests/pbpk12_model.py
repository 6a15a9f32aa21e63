"""The benchmark model `pbpk12` of all ligand, written with blocks.

Plasma, the interstitium of a tumour, and in tumour and kidney what is bound to
receptors and what is internalized. An internalized receptor is replaced at the surface
at once.
"""

from pkmodels.definition import Model
from pkmodels.models.blocks import (
    binding,
    exchange,
    filtration,
    internalization_and_release,
)
from pkmodels.symbols import amounts, parameters, receptors

# Of the benchmark's own definition: a made-up patient.
TRUE_VALUES = {
    "VP": 3.0,
    "VI": 0.05,
    "kT": 0.3,
    "kon": 2.4,
    "koff": 1.2,
    "RT": 20.0,
    "RK": 8.0,
    "kintT": 0.06,
    "kintK": 0.17,
    "krelT": 0.012,
    "krelK": 0.018,
    "GFR": 6.6,
    "freab": 0.02,
}
# The reading of the kidney holds this part of plasma.
PLASMA_IN_KIDNEY = 0.05


def model() -> Model:
    """Return the model: amounts P, I, C, N, K, L and free receptors RTf, RKf."""
    P, I, C, N, K, L = amounts("P I C N K L", unit="nmol")  # noqa: E741
    RTf, RKf = receptors("RTf RKf", unit="nmol")
    VP, VI = parameters("VP VI", unit="L")
    kT, GFR = parameters("kT GFR", unit="L/h")
    (kon,) = parameters("kon", unit="L/(nmol h)")
    koff, kintT, kintK, krelT, krelK = parameters(
        "koff kintT kintK krelT krelK", unit="1/h"
    )
    RT, RK = parameters("RT RK", unit="nmol")
    (freab,) = parameters("freab", unit="1")
    return Model(
        name="pbpk12",
        reactions=(
            *exchange(
                "perfusion", P, I, first_volume=VP, second_volume=VI, clearance=kT
            ),
            *binding("tumour", I, RTf, C, volume=VI, k_on=kon, k_off=koff),
            *binding("kidney", P, RKf, K, volume=VP, k_on=kon, k_off=koff),
            *filtration(
                "glomerulus",
                P,
                L,
                None,
                volume=VP,
                filtration_rate=GFR,
                reabsorbed_fraction=freab,
            ),
            *internalization_and_release(
                "tumour",
                C,
                N,
                internalization=kintT,
                release=krelT,
                receptor=RTf,
                released=I,
            ),
            *internalization_and_release(
                "kidney",
                K,
                L,
                internalization=kintK,
                release=krelK,
                receptor=RKf,
                released=P,
            ),
        ),
        routes={"intravenous": P},
        observables={
            "plasma": P / VP,
            "tumour": I + C + N,
            "kidney": K + L + PLASMA_IN_KIDNEY * P,
        },
        start={RTf: RT, RKf: RK},
    )
