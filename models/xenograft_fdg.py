"""[18F]FDG in the mouse with a tumour: the comparator of `xenograft`.

Equations, for plasma P of volume V_P and each tissue of volume V:

    dF/dt = K_1 V (P / V_P - F / (p V)) - k_3 F,    dT/dt = k_3 F

with k_2 = K_1 / p; trapped FDG stays (k_4 = 0). Tissues are tumour, muscle and the rest
of the body; plasma is filtered into the bladder at a clearance. At long times the net
uptake is K_i = K_1 k_3 / (k_2 + k_3), per volume.

Assumptions: a trace; no dephosphorylation over an hour; glucose constant. Every rate is
a judgement for a fasted, anaesthetised mouse and a tumour that takes up FDG well: it
shows what an irreversible tracer looks like, not what a tumour line does.

References
----------
Sokoloff et al., J Neurochem 1977;28:897-916; Phelps et al., Ann Neurol 1979;6:371-388.
"""

from pkmodels.administrations import INTRAVENOUS
from pkmodels.definition import Model
from pkmodels.models import xenograft_values as numbers
from pkmodels.models.blocks import exchange, excretion
from pkmodels.models.xenograft_readings import per_gram_readings
from pkmodels.reactions import Reaction, flow
from pkmodels.symbols import Amount, amounts, parameters
from pkmodels.values import ParameterValue

TISSUES = ("tumour", "muscle", "rest")


def model() -> Model:
    """Return the model of FDG in one animal.

    Returns
    -------
    Model
        Observables: ``tumour``, ``muscle`` and ``bladder``, ``blood`` and the two
        organs in ``<organ>_percent_per_gram``, and ``tumour_to_background``.

    Examples
    --------
    >>> print(model().reactions[2])
    tumour_phosphorylation: tumour_free -> tumour_trapped, rate \
tumour_free*tumour_phosphorylation
    """
    plasma, bladder = amounts("plasma bladder", unit="nmol", ligand="fdg")
    free = dict(zip(TISSUES, _amounts_of("free"), strict=True))
    trapped = dict(zip(TISSUES, _amounts_of("trapped"), strict=True))
    (volume,) = parameters("plasma_volume", unit="L")
    (clearance,) = parameters("urinary_clearance", unit="L/h")
    (voiding,) = parameters("voiding", unit="1/h")
    excreted = excretion(
        "urinary",
        plasma,
        bladder,
        None,
        secretion=clearance / volume,
        emptying=voiding,
    )
    tissues = [_tissue(name, plasma, free[name], trapped[name]) for name in TISSUES]
    organs = {name: (free[name], trapped[name]) for name in ("tumour", "muscle")}
    return Model(
        name="xenograft_fdg",
        reactions=(*(r for tissue in tissues for r in tissue), *excreted),
        routes={INTRAVENOUS: plasma},
        observables={**per_gram_readings(plasma, organs), "bladder": bladder},
    )


def _amounts_of(form: str) -> tuple[Amount, ...]:
    names = " ".join(f"{tissue}_{form}" for tissue in TISSUES)
    return amounts(names, unit="nmol", ligand="fdg")


def _tissue(
    name: str, plasma: Amount, free: Amount, trapped: Amount
) -> tuple[Reaction, ...]:
    (volume,) = parameters("plasma_volume", unit="L")
    (mass,), (density,) = (
        parameters(f"{name}_mass", unit="g"),
        parameters("tissue_density", unit="g/L"),
    )
    (partition,) = parameters(f"{name}_partition", unit="1")
    inflow, rate = parameters(f"{name}_inflow {name}_phosphorylation", unit="1/h")
    return (
        *exchange(
            f"{name}_exchange",
            plasma,
            free,
            first_volume=volume,
            second_volume=partition * mass / density,
            clearance=inflow * mass / density,
        ),
        flow(f"{name}_phosphorylation", free, trapped, rate * free),
    )


def values(animal: str = "mouse") -> dict[str, ParameterValue]:
    """Return what is known of each parameter.

    Parameters
    ----------
    animal : str
        ``"mouse"`` or ``"rat"``.

    Returns
    -------
    dict of str to Value or Prior

    Raises
    ------
    InputError
        When the animal is unknown.

    Examples
    --------
    >>> values()["tumour_phosphorylation"].unit
    '1/h'
    """
    return numbers.fdg_values(animal)
