"""A tube of cells that bind and internalize [68Ga]pentixafor, with or without AMD3100.

Equations, in amounts of the tube: L free pentixafor in the volume V, B bound at the
surface, N inside, S stuck unspecifically, A and C free and bound AMD3100, R free
receptor; K_D dissociation constants, k_on = k_off / K_D:

    dL/dt = -k_on (L / V) R + k_off B + k_rel N - k_ns (r_ns L - S)
    dB/dt =  k_on (L / V) R - (k_off + k_int) B
    dN/dt =  k_int B - k_rel N
    dS/dt =  k_ns (r_ns L - S)
    dA/dt = -k_on' (A / V) R + k_off' C,    dC/dt = -dA/dt
    R + B + C = cells x receptors per cell

so that ligand is used up by what is bound (depletion). After the incubation the tube
stands on ice and is washed: B exp(-k_off,ice t_wash) + N + S + carried_over L stays
with the cells. Counts are those of the label that is left after the delay, over the
time of the count, at the counter's efficiency, with its background.

Assumptions: one kind of site, no cooperativity; the tube is well mixed and its volume
constant; nothing is internalized on ice; AMD3100 stays at the surface; a receptor
that is taken in is replaced at once, so that receptors are constant over the
incubation; what cells release is intact and may bind again. Unspecific binding never
saturates and AMD3100 leaves it as it is.

It cannot describe two classes of sites, down-regulation of receptors, metabolism,
cells that die, or CXCL12 made by the cells themselves; nor an incubation in PBS over
hours, in which cells do not stay as they are. The receptor's binding and
internalization rates are judgements, not measured values (`cxcr4_values`); volume,
cells, washes and counter follow the published protocol.

Outputs: `saturation` and `competition` here give what is counted in an experiment;
`pkmodels.models.assay_readouts` gives K_D, IC50, K_i and receptors per cell of that.

References
----------
Binding, depletion, unspecific binding: Hulme and Trevethick, Br J Pharmacol
2010;161:1219-1237. Two ligands in time: Motulsky and Mahan, Mol Pharmacol
1984;25:1-9. Internalization: Wiley and Cunningham, Cell 1981;25:433-440. The protocol
is that of `binding_assay_values`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import sympy

from pkmodels.administrations import Administration
from pkmodels.definition import Model
from pkmodels.errors import InputError
from pkmodels.models import binding_assay_values as numbers
from pkmodels.models.assay_checks import check_positive
from pkmodels.models.blocks import (
    binding,
    internalization_and_release,
    nonspecific_binding,
)
from pkmodels.observables import after_wash, concentration, counts, ratio
from pkmodels.observables import percent_administered as percent
from pkmodels.schedule import Schedule
from pkmodels.symbols import DECAY_CONSTANT, amounts, parameters, receptors
from pkmodels.system import assemble
from pkmodels.trajectory import simulate
from pkmodels.values import ParameterValue

NAME = "binding_assay"
TESTED_AGAINST = (
    "closed forms: pseudo-first order, equilibrium with depletion, Wang's cubic, "
    "Cheng-Prusoff, Munson-Rodbard"
)
TRACER, BLOCKER = "pentixafor", "AMD3100"
MEDIUM = "medium"
LABEL = "Ga-68"


def model() -> Model:
    """Return the model of one tube.

    Returns
    -------
    Model
        Of the ligands ``pentixafor`` and ``AMD3100``, both given by the route
        ``medium``. Observables: ``medium``, ``surface``, ``internalized``,
        ``nonspecific``, ``pellet`` (what is left after the wash, MBq of a label),
        ``percent_bound`` (of what was added, decay-corrected), ``counts``,
        ``internalized_fraction`` (as by acid wash), ``free_concentration``,
        ``occupancy`` and ``blocked`` (fractions of all receptors).

    Examples
    --------
    >>> print(model().reactions[0])
    pentixafor_association: free + receptor -> bound, rate \
free*receptor*dissociation/(dissociation_constant*volume)
    """
    free, bound, inside, stuck = amounts(
        "free bound inside stuck", unit="nmol", ligand=TRACER
    )
    blocker, blocking = amounts("blocker blocking", unit="nmol", ligand=BLOCKER)
    (receptor,) = receptors("receptor", unit="nmol")
    (volume,) = parameters("volume", unit="L")
    (per_nmol,) = parameters("molecules_per_nmol", unit="1/nmol")
    cells, per_cell, stuck_ratio = parameters(
        "cells receptors_per_cell nonspecific_ratio", unit="1"
    )
    constant, blocker_constant = parameters(
        "dissociation_constant amd3100_dissociation_constant", unit="nmol/L"
    )
    off, blocker_off, taken_in, release, unstuck = parameters(
        "dissociation amd3100_dissociation internalization release "
        "nonspecific_dissociation",
        unit="1/h",
    )
    all_receptors = receptor + bound + blocking
    return Model(
        name=NAME,
        reactions=(
            *binding(
                "pentixafor",
                free,
                receptor,
                bound,
                volume=volume,
                k_on=off / constant,
                k_off=off,
            ),
            *internalization_and_release(
                "pentixafor",
                bound,
                inside,
                internalization=taken_in,
                release=release,
                receptor=receptor,
                released=free,
            ),
            *nonspecific_binding(
                "nonspecific",
                free,
                stuck,
                association=stuck_ratio * unstuck,
                dissociation=unstuck,
            ),
            *binding(
                "amd3100",
                blocker,
                receptor,
                blocking,
                volume=volume,
                k_on=blocker_off / blocker_constant,
                k_off=blocker_off,
            ),
        ),
        routes={MEDIUM: (free, blocker)},
        start={receptor: cells * per_cell / per_nmol},
        observables={
            "medium": free,
            "surface": bound,
            "internalized": inside,
            "nonspecific": stuck,
            **_readings(free, bound, inside, stuck),
            "free_concentration": concentration(free, volume),
            "occupancy": ratio(bound, all_receptors),
            "blocked": ratio(blocking, all_receptors),
        },
    )


def _readings(
    free: sympy.Expr, bound: sympy.Expr, inside: sympy.Expr, stuck: sympy.Expr
) -> dict[str, sympy.Expr]:
    """Return what the bench reads after ice and washes."""
    on_ice, background = parameters("dissociation_on_ice background", unit="1/h")
    washing, delay, counting = parameters(
        "wash_time counting_delay count_time", unit="h"
    )
    carried, efficiency = parameters("carried_over efficiency", unit="1")
    surface = after_wash(bound, sympy.S.Zero, dissociation=on_ice, wash_time=washing)
    pellet = surface + inside + stuck + carried * free
    in_counter = pellet * sympy.exp(-DECAY_CONSTANT * (washing + delay))
    counted = counts(in_counter, efficiency=efficiency, count_time=counting)
    return {
        "pellet": pellet,
        "percent_bound": percent(pellet, decay_corrected=True),
        "counts": counted + background * counting,
        "internalized_fraction": ratio(inside, inside + surface),
    }


def values() -> dict[str, ParameterValue]:
    """Return what is known of each parameter.

    Returns
    -------
    dict of str to Value or Prior

    Examples
    --------
    >>> print(values()["receptors_per_cell"])
    log-normal, median 100000, sd of ln 1 (judgement: order 1e4 to 1e5 in Jurkat \
and myeloma lines (recalled); by line)
    """
    return {**numbers.TUBE, **numbers.WASH_AND_COUNT}


def schedule(
    tracer_nmol_per_L: float = numbers.TRACER_NMOL_PER_L.value,
    amd3100_nmol_per_L: float = 0.0,
    volume_L: float | None = None,
) -> Schedule:
    """Return what is put into one tube.

    The tracer is added at 0 h; with AMD3100, that is added at 0 h and the tracer 30 min
    later, into the same volume. Both are counted as in the tube's whole volume.

    Parameters
    ----------
    tracer_nmol_per_L : float
        Of [68Ga]pentixafor in the tube, nmol/L, > 0, at 52 MBq/nmol.
    amd3100_nmol_per_L : float
        Of AMD3100 in the tube, nmol/L, >= 0.
    volume_L : float or None
        Of the tube, L; None is that of the protocol.

    Returns
    -------
    Schedule

    Raises
    ------
    InputError
        When an amount is out of its range, or the volume is not above 0.

    Examples
    --------
    >>> [a.time_h for a in schedule(amd3100_nmol_per_L=100_000.0).administrations]
    [0.0, 0.5]
    >>> round(schedule().administrations[0].activity_MBq, 4)
    0.0286
    """
    volume = numbers.VOLUME.value if volume_L is None else volume_L
    check_positive("volume_L", volume)
    nmol = tracer_nmol_per_L * volume
    activity = nmol * numbers.TRACER_MBQ_PER_NMOL.value

    def tracer(time_h: float) -> Administration:
        return Administration(
            time_h, 0.0, TRACER, LABEL, activity, ligand_nmol=nmol, route=MEDIUM
        )

    if amd3100_nmol_per_L == 0.0:
        return Schedule((tracer(0.0),))
    blocker = amd3100_nmol_per_L * volume
    first = Administration(0.0, 0.0, BLOCKER, ligand_nmol=blocker, route=MEDIUM)
    return Schedule((first, tracer(numbers.PREINCUBATION_H.value)))


@dataclass(frozen=True)
class Tubes:
    """What tubes show that were incubated with one thing varied.

    Parameters
    ----------
    added_nmol_per_L : (n_tubes,) array
        What was varied: the tracer, or AMD3100.
    free_nmol_per_L : (n_tubes,) array
        Free tracer at the end of the incubation.
    pellet_nmol : (n_tubes,) array
        Tracer that stays with the cells.
    """

    added_nmol_per_L: np.ndarray
    free_nmol_per_L: np.ndarray
    pellet_nmol: np.ndarray


def saturation(
    parameters: Mapping[str, float],
    tracer_nmol_per_L: np.ndarray,
    *,
    incubation_h: float,
    amd3100_nmol_per_L: float = 0.0,
) -> Tubes:
    """Return what tubes with growing amounts of tracer show.

    Subtract those with AMD3100 from those without, for what is bound specifically.

    Parameters
    ----------
    parameters : mapping of str to float
        Of the model.
    tracer_nmol_per_L : (n_tubes,) array
        nmol/L, > 0.
    incubation_h : float
        From the tracer to the ice, h, >= 0.
    amd3100_nmol_per_L : float
        In every tube, nmol/L, >= 0.

    Returns
    -------
    Tubes

    Raises
    ------
    InputError
        When a parameter is missing or an amount is out of its range.
    SolveError
        When a tube cannot be solved.

    Examples
    --------
    >>> from pkmodels.values import typical
    >>> tubes = saturation(typical(values()), np.array([1.0, 100.0]), incubation_h=1.0)
    >>> print((tubes.pellet_nmol / 5.5e-4 / tubes.added_nmol_per_L * 100.0).round(2))
    [1.37 0.42]
    """
    added, volume = _one_row(tracer_nmol_per_L), _volume_of(parameters)
    plans = [schedule(nmol, amd3100_nmol_per_L, volume) for nmol in added]
    return _incubated(parameters, added, plans, incubation_h)


def competition(
    parameters: Mapping[str, float],
    amd3100_nmol_per_L: np.ndarray,
    *,
    incubation_h: float,
    tracer_nmol_per_L: float = numbers.TRACER_NMOL_PER_L.value,
) -> Tubes:
    """Return what tubes with growing amounts of AMD3100 show.

    Parameters
    ----------
    parameters : mapping of str to float
        Of the model.
    amd3100_nmol_per_L : (n_tubes,) array
        nmol/L, > 0; it is added 30 min before the tracer.
    incubation_h : float
        From the tracer to the ice, h, >= 0.
    tracer_nmol_per_L : float
        In every tube, nmol/L, > 0.

    Returns
    -------
    Tubes

    Raises
    ------
    InputError
        When a parameter is missing or an amount is out of its range.
    SolveError
        When a tube cannot be solved.

    Examples
    --------
    >>> from pkmodels.values import typical
    >>> tubes = competition(typical(values()), np.array([1.0, 1e5]), incubation_h=1.0)
    >>> print((tubes.pellet_nmol / 5.5e-4 * 100.0).round(2))
    [1.37 0.3 ]
    """
    added, volume = _one_row(amd3100_nmol_per_L), _volume_of(parameters)
    plans = [schedule(tracer_nmol_per_L, nmol, volume) for nmol in added]
    return _incubated(parameters, added, plans, incubation_h)


def _one_row(amounts_added: np.ndarray) -> np.ndarray:
    row = check_positive("what is added, nmol/L", amounts_added)
    if row.ndim != 1:
        raise InputError(f"what is added has the shape {row.shape}: give one row")
    return row


def _volume_of(parameters: Mapping[str, float]) -> float:
    if "volume" not in parameters:
        raise InputError(
            "parameter 'volume' has no value: give each that values() names"
        )
    return parameters["volume"]


def _incubated(
    parameters: Mapping[str, float],
    added: np.ndarray,
    plans: list[Schedule],
    incubation_h: float,
) -> Tubes:
    tube = model()
    free, pellet = np.empty(added.size), np.empty(added.size)
    for number, plan in enumerate(plans):
        end = np.array([plan.administrations[-1].time_h + incubation_h])
        system = assemble(tube, plan.form)
        shown = simulate(system, parameters, plan, end, label="ligand").observables
        free[number] = shown["free_concentration"][0]
        pellet[number] = shown["pellet"][0]
    return Tubes(added, free, pellet)
