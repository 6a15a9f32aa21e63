"""177Lu-PSMA-617 in ten patients with few metastases: a small population model.

Equations, for blood B and each tissue T = salivary glands S, kidneys, liver, tumour and
other tissue, in amounts of ligand, without physical decay:

    dB/dt = -k_el c B - sum_T (uptake_T - release_T T)
    dT/dt = uptake_T - release_T T

with uptake_S = k_S B (1 - S / S_max), uptake_tumour = k_t o (V / V_cohort)^e B and
uptake_T = k_T B of the others; c is the patient's creatinine clearance over that of the
cohort, V the volume of all lesions and o what differs between the cycles of a patient.

The paper writes amounts as decay-corrected activity, MBq, and so its capacity of the
salivary glands, 40.4 MBq. What saturates is molecules, labelled or not: here S_max =
``salivary_capacity`` / ``molar_activity``, nmol, at the molar activity at which the
capacity was found. Where a dose is given at that molar activity, as `schedule` does,
the decay-corrected activities are the paper's, whatever that number is; at another one,
or after weeks on the shelf, they differ, as they should. The paper does not state it:
the value is a judgement, and only effects of another molar activity depend on it.

Assumptions: all exchange returns to blood; excretion by the kidneys only; one capacity,
of the salivary glands; both cycles have the same kinetics but for the tumour's uptake.
To compare with the paper read all ligand (label "ligand") times the molar activity at
the time of injection: its integrals are of decay-corrected activity, larger than the
time-integrated activity that a dose needs, which `pkmodels` gives for the label.

Limits: 10 men with lesions of 0.27-78 mL, 3 and 6 GBq, scans to 168 h. Kidney scans of
the first hour were left out by the paper (urine). It cannot describe a tumour that
saturates, or an effect of large tumours on other organs. Blood read from SPECT is 0.828
of blood samples plus 6.27 MBq/L; residual errors are in
`pkmodels.models.siebinga_values.PSMA617_RESIDUAL_CV` (proportional; the paper adds 0.25
MBq/L to blood samples, and 56 % to blood read from SPECT). Every rate is the paper's.

References
----------
Siebinga et al., Population pharmacokinetic dosimetry model using imaging data to assess
variability in pharmacokinetics of 177Lu-PSMA-617 in prostate cancer patients, CPT
Pharmacometrics Syst Pharmacol 2023;12:1060-1071, equations 1-5, tables 1 and 2.
"""

from pkmodels.administrations import INTRAVENOUS, Administration
from pkmodels.definition import Model
from pkmodels.models.siebinga_values import PSMA617_MOLAR_ACTIVITY, psma617
from pkmodels.reactions import Reaction, flow
from pkmodels.schedule import Schedule
from pkmodels.symbols import Amount, amounts, parameters
from pkmodels.values import ParameterValue

NAME = "psma617_population"
TESTED_AGAINST = (
    "published doses and ratios of 3 and 6 GBq, and another implementation's integrals"
)
TISSUES: tuple[str, ...] = ("salivary_glands", "kidneys", "liver", "tumour", "other")


def model() -> Model:
    """Return the model.

    Returns
    -------
    Model
        Observables: each tissue and ``blood`` (MBq), ``blood_concentration`` (MBq/L).

    Examples
    --------
    >>> print(model().reactions[1])  # doctest: +ELLIPSIS
    uptake_salivary_glands: blood -> salivary_glands, rate blood*uptake_salivary_...
    """
    (blood,) = amounts("blood", unit="nmol")
    tissues = dict(zip(TISSUES, amounts(" ".join(TISSUES), unit="nmol"), strict=True))
    (elimination,) = parameters("elimination", unit="1/h")
    clearance, of_cohort = parameters(
        "creatinine_clearance creatinine_clearance_of_cohort", unit="L/h"
    )
    (blood_volume,) = parameters("blood_volume", unit="L")
    excreted = elimination * clearance / of_cohort * blood
    return Model(
        name=NAME,
        reactions=(
            flow("excretion", blood, None, excreted),
            *_exchanges(blood, tissues),
        ),
        routes={INTRAVENOUS: blood},
        observables={
            "blood": blood,
            **tissues,
            "blood_concentration": blood / blood_volume,
        },
    )


def _exchanges(blood: Amount, tissues: dict[str, Amount]) -> list[Reaction]:
    """Return uptake from blood and release to it; the salivary glands fill up."""
    (capacity,) = parameters("salivary_capacity", unit="MBq")
    (molar_activity,) = parameters("molar_activity", unit="MBq/nmol")
    volume, of_cohort = parameters("tumour_volume tumour_volume_of_cohort", unit="L")
    exponent, occasion = parameters("tumour_volume_exponent tumour_occasion", unit="1")
    modifiers = {
        "salivary_glands": 1 - tissues["salivary_glands"] * molar_activity / capacity,
        "tumour": occasion * (volume / of_cohort) ** exponent,
    }
    reactions = []
    for name, tissue in tissues.items():
        uptake, release = parameters(f"uptake_{name} release_{name}", unit="1/h")
        taken_up = uptake * blood * modifiers.get(name, 1)
        reactions.append(flow(f"uptake_{name}", blood, tissue, taken_up))
        reactions.append(flow(f"release_{name}", tissue, blood, release * tissue))
    return reactions


def values() -> dict[str, ParameterValue]:
    """Return what is known of each parameter.

    Returns
    -------
    dict of str to Value or Prior

    Examples
    --------
    >>> values()["release_kidneys"].value
    0.0141
    """
    return psma617()


def schedule(activity_MBq: float = 6000.0) -> Schedule:
    """Return one cycle, given at the molar activity of `values`.

    Parameters
    ----------
    activity_MBq : float
        Activity of 177Lu, MBq, > 0: some 3000 and 6000 MBq in the paper.

    Returns
    -------
    Schedule

    Raises
    ------
    InputError
        When the activity is not positive.

    Examples
    --------
    >>> schedule(3000.0).administrations[0].ligand_nmol
    50.0
    """
    amount = activity_MBq / PSMA617_MOLAR_ACTIVITY.value
    dose = Administration(
        0.0, 0.0, "psma617", "Lu-177", activity_MBq, ligand_nmol=amount
    )
    return Schedule((dose,))
