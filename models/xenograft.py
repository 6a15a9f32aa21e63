"""A mouse with a human tumour: [68Ga]pentixafor PET, blocked by AMD3100, beside FDG.

Equations, in amounts, for plasma P of volume V_P of which the fraction f_u is free,
C = f_u P / V_P:

    tumour   dI/dt = k V (C - I / V_i) - k_on (I / V_i) R + k_off B + k_rel N
             dB/dt = k_on (I / V_i) R - (k_off + k_int) B,   dN/dt = k_int B - k_rel N
    AMD3100  the same without N, for the same receptors R + B + B' = constant
    muscle, rest, liver, intestine   dX/dt = k V (C - X / V_x)
    kidneys  dK/dt = f GFR C - w K;  the rest of GFR C and w K go to the bladder
    liver    loses b X to the intestine's content, which is passed

AMD3100 is given into plasma, or under the skin and absorbed; it spreads in
extracellular fluid and is filtered. `model(tracer="fdg")` is the comparator
(`xenograft_fdg`).

Assumptions: only the tumour's receptors bind, since pentixafor binds human CXCR4 much
better than murine (so that murine marrow, spleen and lung show nothing here, and a
mouse is no model of a patient's normal organs); peptide in interstitium is free;
what is released is intact; the tumour is well mixed, without necrosis, and does not
grow over the scan. CXCL12 is left out: what it occupies is within the tuned receptors.
The label stays with the peptide.

It cannot describe anaesthesia's effect on flows, bolus shape and first pass in the
first minute, partial volume or spill-over in small tumours, or animals' differences
beyond the priors.

What is measured and what not: masses, plasma and filtration are published means,
recalled; receptors, permeability, free fraction, liver, bile and kidney retention are
tuned to the seven uptakes published for OH-1 and Daudi (`xenograft_values`), so that
agreement with those is calibration, not evidence. The binding rates are the judgements
of `cxcr4_values`. Pentixafor's f_u here, 0.53, is tuned to the blood of mice and is
not that of the model of patients (`pentixather`), 0.14 at its medians: neither was read
in a source, and neither may be carried over to the other. Pentixather has no values of
its own but f_u: its curves are not calibrated at all. For 177Lu-pentixather in Daudi at
7 d, published are tumour over blood 499, kidney 4.0, intestine 33 and muscle 116
(Schottelius 2017); at the medians this model gives some 560, 1500, 3600 and 11000: it
lacks what normal organs retain for days, so use it for hours after the injection only.

References
----------
Poschenrieder et al., EJNMMI Res 2016;6:36 (Daudi). OH-1: 6.16 (1.16) %ID/g at 1 h and
4.63 (1.54) at 2 h, blood 1.08 (0.27) at 1 h, from a published report. Protocol: methods
review of the pentixafor/pentixather approach. Compartments: Kletting et al., J Nucl Med
2016;57:503-508. Physiology: Davies and Morris, Pharm Res 1993;10:1093; Brown et al.,
Toxicol Ind Health 1997;13:407.
"""

import sympy

from pkmodels.administrations import INTRAVENOUS, Administration
from pkmodels.definition import Model
from pkmodels.errors import InputError, suggest
from pkmodels.models import xenograft_fdg
from pkmodels.models import xenograft_values as numbers
from pkmodels.models.blocks import (
    binding,
    exchange,
    excretion,
    filtration,
    internalization_and_release,
)
from pkmodels.models.xenograft_amd3100 import (
    BLOCKER,
    SUBCUTANEOUS,
    amd3100_given,
    amd3100_reactions,
)
from pkmodels.models.xenograft_readings import per_gram_readings
from pkmodels.observables import ratio
from pkmodels.reactions import Reaction
from pkmodels.schedule import Schedule
from pkmodels.symbols import Amount, amounts, parameters, receptors
from pkmodels.values import ParameterValue

NAME = "xenograft"
TESTED_AGAINST = (
    "68Ga-pentixafor uptakes in OH-1 and Daudi (calibration); equations solved anew"
)
FDG = "fdg"
PEPTIDES = ("pentixafor", "pentixather")
TRACERS = (*PEPTIDES, FDG)


def model(
    tracer: str = "pentixafor", tumour: str = "OH-1", animal: str = "mouse"
) -> Model:
    """Return the model of one animal.

    Parameters
    ----------
    tracer : str
        ``"pentixafor"``, ``"pentixather"`` or ``"fdg"``; the ligand's name.
    tumour, animal : str
        As of `values`: they decide numbers only, no equation.

    Returns
    -------
    Model
        Observables: activity of ``tumour``, ``muscle``, ``kidneys``, ``liver``,
        ``intestine`` (each with its blood) and ``bladder``; ``blood`` and each organ in
        ``<organ>_percent_per_gram`` (%ID/g, decay-corrected); ``tumour_to_background``
        (over muscle); ``occupancy`` and ``blocked``, of all receptors.

    Raises
    ------
    InputError
        When a name is unknown.

    Examples
    --------
    >>> print(model().reactions[0])
    tumour_exchange_forward: plasma -> tumour_free, rate \
plasma*tumour_mass*tumour_permeability*unbound_fraction/(plasma_volume*tissue_density)
    """
    _check_names(tracer, tumour, animal)
    if tracer == FDG:
        return xenograft_fdg.model()
    (
        plasma,
        free,
        bound,
        inside,
        muscle,
        rest,
        liver,
        wall,
        content,
        kidneys,
        bladder,
    ) = amounts(
        "plasma tumour_free tumour_bound tumour_inside muscle rest liver "
        "intestine_wall intestine_content kidneys bladder",
        unit="nmol",
        ligand=tracer,
    )
    skin, blocker, spread, reached, blocking = amounts(
        "amd3100_skin amd3100_plasma amd3100_tissue amd3100_tumour amd3100_bound",
        unit="nmol",
        ligand=BLOCKER,
    )
    (receptor,) = receptors("receptor", unit="nmol")
    (density,) = parameters("receptor_density", unit="nmol/L")
    inside_organs = {
        "tumour": (free, bound, inside),
        "muscle": (muscle,),
        "kidneys": (kidneys,),
        "liver": (liver,),
        "intestine": (wall, content),
    }
    all_receptors = receptor + bound + blocking
    return Model(
        name=NAME,
        reactions=(
            *_tumour(plasma, free, bound, inside, receptor),
            *_organ("muscle", plasma, muscle),
            *_organ("rest", plasma, rest),
            *_organ("liver", plasma, liver),
            *_organ("intestine", plasma, wall),
            *_excretion(plasma, kidneys, bladder, liver, content),
            *amd3100_reactions(skin, blocker, spread, reached, blocking, receptor),
        ),
        routes={INTRAVENOUS: (plasma, blocker), SUBCUTANEOUS: skin},
        start={receptor: density * _volume("tumour")},
        observables={
            **per_gram_readings(plasma, inside_organs),
            "bladder": bladder,
            "occupancy": ratio(bound, all_receptors),
            "blocked": ratio(blocking, all_receptors),
        },
    )


def _volume(organ: str) -> sympy.Expr:
    (mass,), (density,) = (
        parameters(f"{organ}_mass", unit="g"),
        parameters("tissue_density", unit="g/L"),
    )
    return mass / density


def _free_volume() -> sympy.Expr:
    """Return the volume in which all of plasma's tracer would be as free as it is."""
    (volume,), (unbound,) = (
        parameters("plasma_volume", unit="L"),
        parameters("unbound_fraction", unit="1"),
    )
    return volume / unbound


def _organ(name: str, plasma: Amount, organ: Amount) -> tuple[Reaction, ...]:
    """Return an organ that tracer enters and leaves by its concentration."""
    (space,) = parameters(f"{name}_space", unit="1")
    (permeability,) = parameters(f"{name}_permeability", unit="1/h")
    return exchange(
        f"{name}_exchange",
        plasma,
        organ,
        first_volume=_free_volume(),
        second_volume=space * _volume(name),
        clearance=permeability * _volume(name),
    )


def _tumour(
    plasma: Amount, free: Amount, bound: Amount, inside: Amount, receptor: Amount
) -> tuple[Reaction, ...]:
    (space,) = parameters("tumour_space", unit="1")
    (constant,) = parameters("dissociation_constant", unit="nmol/L")
    off, taken_in, release = parameters(
        "dissociation internalization release", unit="1/h"
    )
    return (
        *_organ("tumour", plasma, free),
        *binding(
            "tumour",
            free,
            receptor,
            bound,
            volume=space * _volume("tumour"),
            k_on=off / constant,
            k_off=off,
        ),
        *internalization_and_release(
            "tumour",
            bound,
            inside,
            internalization=taken_in,
            release=release,
            receptor=receptor,
            released=free,
        ),
    )


def _excretion(
    plasma: Amount, kidneys: Amount, bladder: Amount, liver: Amount, content: Amount
) -> tuple[Reaction, ...]:
    (filtered,) = parameters("glomerular_filtration", unit="L/h")
    (retained,) = parameters("kidney_retained", unit="1")
    washout, voiding, bile, passage = parameters(
        "kidney_washout voiding bile passage", unit="1/h"
    )
    return (
        *filtration(
            "kidney",
            plasma,
            kidneys,
            bladder,
            volume=_free_volume(),
            filtration_rate=filtered,
            reabsorbed_fraction=retained,
        ),
        *excretion(
            "urinary", kidneys, bladder, None, secretion=washout, emptying=voiding
        ),
        *excretion("biliary", liver, content, None, secretion=bile, emptying=passage),
    )


def values(
    tracer: str = "pentixafor", tumour: str = "OH-1", animal: str = "mouse"
) -> dict[str, ParameterValue]:
    """Return what is known of each parameter.

    Parameters
    ----------
    tracer : str
        As of `model`.
    tumour : str
        ``"OH-1"`` (small-cell lung cancer) or ``"Daudi"`` (lymphoma).
    animal : str
        ``"mouse"`` or ``"rat"``.

    Returns
    -------
    dict of str to Value or Prior

    Raises
    ------
    InputError
        When a name is unknown.

    Examples
    --------
    >>> values(tumour="Daudi")["receptor_density"].certainty
    <Certainty.JUDGEMENT: 'judgement'>
    """
    _check_names(tracer, tumour, animal)
    if tracer == FDG:
        return xenograft_fdg.values(animal)
    return numbers.peptide_values(tracer, tumour, animal)


def schedule(
    block: str | None = None,
    *,
    amd3100_mg_per_kg: float | None = None,
    tracer: str = "pentixafor",
    animal: str = "mouse",
) -> Schedule:
    """Return what one animal gets: the tracer, and AMD3100 before or with it.

    Parameters
    ----------
    block : str or None
        ``"intravenous"`` (AMD3100 1 min before the tracer), ``"subcutaneous"`` (30 min
        before), ``"co-injected"``; None for no block. Times count from the first of
        the two: `tracer_time` says when the tracer is given.
    amd3100_mg_per_kg : float or None
        Dose of AMD3100, free base, mg/kg, > 0, of a block that is named; None is the
        customary one, 2 in mice and 30 in rats.
    tracer : str
        As of `model`: 2.5 MBq of [68Ga]pentixafor or [177Lu]pentixather, or about 9 MBq
        of [18F]FDG.
    animal : str
        ``"mouse"`` or ``"rat"``.

    Returns
    -------
    Schedule

    Raises
    ------
    InputError
        When a name is unknown, FDG is to be blocked, or AMD3100 has a dose and no
        block.

    Examples
    --------
    >>> first, then = schedule("subcutaneous").administrations
    >>> first.route, round(first.ligand_nmol, 1), then.time_h
    ('subcutaneous', 79.6, 0.5)
    """
    numbers.animal_named(animal)
    known = [*numbers.BEFORE_H]
    if block is not None and block not in known:
        raise InputError(f"no block {block!r}: {suggest(block, known)}")
    if tracer not in TRACERS:
        raise InputError(f"no tracer {tracer!r}: {suggest(tracer, TRACERS)}")
    time = 0.0 if block is None else numbers.BEFORE_H[block].value
    if tracer == FDG and block is not None:
        raise InputError("FDG has no receptor to block: leave block out")
    if block is None and amd3100_mg_per_kg is not None:
        raise InputError(
            f"amd3100_mg_per_kg is {amd3100_mg_per_kg:g}, but no block says how it is "
            f"given: name the block, one of {', '.join(known)}, or leave the dose out"
        )
    injected = numbers.INJECTIONS[tracer]
    scan = Administration(
        time,
        0.0,
        tracer,
        injected.label,
        injected.activity_MBq.value,
        ligand_nmol=injected.ligand_nmol.value,
    )
    if block is None:
        return Schedule((scan,))
    return Schedule((amd3100_given(block, animal, amd3100_mg_per_kg), scan))


def tracer_time(given: Schedule) -> float:
    """Return when the tracer is given, h.

    Parameters
    ----------
    given : Schedule
        As of `schedule`.

    Returns
    -------
    float

    Examples
    --------
    >>> tracer_time(schedule("subcutaneous"))
    0.5
    """
    return given.labelled[0][1].time_h


def _check_names(tracer: str, tumour: str, animal: str) -> None:
    if tracer not in TRACERS:
        raise InputError(f"no tracer {tracer!r}: {suggest(tracer, TRACERS)}")
    if tumour not in numbers.TUMOURS:
        raise InputError(f"no tumour {tumour!r}: {suggest(tumour, numbers.TUMOURS)}")
    numbers.animal_named(animal)
