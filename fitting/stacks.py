"""Stacks: the activities that rows are made of, and which of them each row takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pkmodels.errors import InputError, suggest
from pkmodels.exact import Doses, doses_of
from pkmodels.fitting.experiments import Experiment
from pkmodels.label_courses import LabelCourse
from pkmodels.measurements import Measurement, Quantity
from pkmodels.nuclides import nuclide
from pkmodels.saturable import SaturableSystem
from pkmodels.schedule import Schedule
from pkmodels.values import Family, Prior

_FRAME_NODES = 8


@dataclass(frozen=True)
class Readout:
    """Labels of one experiment that one solve shows, and when they are needed.

    Parameters
    ----------
    experiment : str
        Which.
    labels : tuple of str
        Those that the solve shows, in its order.
    given : Doses or LabelCourse
        All doses of the only label; or all that was given, where ligand matters and was
        given several times.
    times_h : (n_times,) array
        Times, ascending, h.
    """

    experiment: str
    labels: tuple[str, ...]
    given: Doses | LabelCourse
    times_h: np.ndarray


@dataclass(frozen=True)
class Overlap:
    """What lies above and below a region and is counted with it, as on planar scans.

    A value is c (A + o sum_k w_k A_k): the region's activity, and a share o of others'.

    Parameters
    ----------
    modality, region : str
        Whose values.
    others : mapping of str to float
        Weight w_k of each observable of the model that makes up the others: the
        remainder of the body is the whole of it at 1 and the regions at -1 each.
    prior : Prior
        Of o: logit-normal.

    Raises
    ------
    InputError
        When the prior is of another family, or there are no others.
    """

    modality: str
    region: str
    others: Mapping[str, float]
    prior: Prior

    def __post_init__(self) -> None:
        """Check the prior's family."""
        if self.prior.family is not Family.LOGIT_NORMAL:
            raise InputError(
                f"the overlap of {self.name} is a share: give a logit-normal prior; "
                f"got {self.prior}"
            )
        if not self.others:
            raise InputError(f"the overlap of {self.name}: name what lies over it")

    @property
    def name(self) -> str:
        """Modality and region."""
        return f"{self.modality}, {self.region}"


@dataclass(frozen=True)
class Stack:
    """Every activity that rows need in one vector, and which of them each row takes.

    Parameters
    ----------
    readouts : tuple of Readout
        All that is solved. Their activities, each (n_labels, n_times, n_observables of
        the experiment) row by row, follow one another in one vector: the stack.
    node, weight : (n, n_nodes) arrays
        Places in the stack, and the weight of each: of a frame, its quadrature; of what
        was collected, its start and its end.
    overlaps : tuple of (str, Prior)
        Name and prior of the share of each region with an overlap.
    overlap : (n,) array of int
        Its index plus 1; 0 where there is none.
    other_node, other_weight : (n, n_other_nodes) arrays
        Places and weights of what lies over the region.
    """

    readouts: tuple[Readout, ...]
    node: np.ndarray
    weight: np.ndarray
    overlaps: tuple[tuple[str, Prior], ...]
    overlap: np.ndarray
    other_node: np.ndarray
    other_weight: np.ndarray


def stack_rows(
    experiments: Sequence[Experiment], overlaps: Sequence[Overlap] = ()
) -> Stack:
    """Return what each row takes of which activities.

    Parameters
    ----------
    experiments : sequence of Experiment
        What was given and measured.
    overlaps : sequence of Overlap
        Of regions whose values hold a share of what lies over them.

    Returns
    -------
    Stack

    Raises
    ------
    InputError
        When an overlap is of no row, of a concentration or of an unknown observable.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> found = stack_rows([worked_example.experiment()])
    >>> found.readouts[0].times_h.tolist(), found.node.tolist()
    ([24.0, 72.0, 120.0], [[0], [1], [2]])
    """
    by_row = {(o.modality, o.region): o for o in overlaps}
    names = [overlap.name for overlap in overlaps]
    readouts: list[Readout] = []
    offset = 0
    own: list[tuple[np.ndarray, np.ndarray]] = []
    others: list[tuple[np.ndarray, np.ndarray]] = []
    overlap: list[int] = []
    for experiment in experiments:
        observables = experiment.compiled.system.observables
        added, places, frames = _readouts(experiment, offset)
        readouts += added
        sizes = (len(each.labels) * len(each.times_h) for each in added)
        offset += len(observables) * sum(sizes)
        for item, place, (_, weight) in zip(
            experiment.measurements, places, frames, strict=True
        ):
            own.append((place + observables.index(item.region), weight))
            over = by_row.get((item.modality, item.region))
            overlap.append(0 if over is None else names.index(over.name) + 1)
            others.append(_of_others(over, item, place, weight, observables))
    _check_used(names, overlap)
    node, weight = _padded(own)
    other_node, other_weight = _padded(others)
    return Stack(
        readouts=tuple(readouts),
        node=node,
        weight=weight,
        overlaps=tuple((o.name, o.prior) for o in overlaps),
        overlap=np.array(overlap, dtype=int),
        other_node=other_node,
        other_weight=other_weight,
    )


def _readouts(
    experiment: Experiment, offset: int
) -> tuple[list[Readout], list[np.ndarray], list[tuple[np.ndarray, np.ndarray]]]:
    """Return an experiment's solves, and each row's places of its first observable."""
    items, width = experiment.measurements, len(experiment.compiled.system.observables)
    frames = [nodes_of(item, experiment.schedule) for item in items]
    places: dict[int, np.ndarray] = {}
    readouts = []
    for labels in _solved_together(experiment):
        rows = [i for i, item in enumerate(items) if item.label in labels]
        times = np.unique(np.concatenate([frames[i][0] for i in rows]))
        for i in rows:
            first = labels.index(items[i].label) * len(times)
            at = first + np.searchsorted(times, frames[i][0])
            places[i] = offset + at * width
        given = _given(experiment, labels)
        readouts.append(Readout(experiment.name, labels, given, times))
        offset += len(labels) * len(times) * width
    return readouts, [places[i] for i in range(len(items))], frames


def _solved_together(experiment: Experiment) -> list[tuple[str, ...]]:
    """Return the labels of each solve: all at once where doses act on one another."""
    if _acts_on_the_next(experiment):
        return [experiment.schedule.labels]
    return [(n,) for n in dict.fromkeys(m.label for m in experiment.measurements)]


def _acts_on_the_next(experiment: Experiment) -> bool:
    several = len(experiment.schedule.administrations) > 1
    return several and isinstance(experiment.compiled, SaturableSystem)


def _given(experiment: Experiment, labels: tuple[str, ...]) -> Doses | LabelCourse:
    if _acts_on_the_next(experiment):
        assert isinstance(experiment.compiled, SaturableSystem)
        return experiment.compiled.given(experiment.schedule)
    return doses_of(experiment.schedule.of_label(labels[0]))


def nodes_of(item: Measurement, schedule: Schedule) -> tuple[np.ndarray, np.ndarray]:
    """Return at which times, and with which weights, activities make up a value.

    At an instant, its activity. Over a frame the mean by Gauss-Legendre quadrature,
    split where a dose starts or ends. Of what was collected, that at the end less what
    was there at the start and has decayed since:
    A(end) - A(start) exp(-lambda (end - start)).

    Parameters
    ----------
    item : Measurement
        The measurement; of what was collected, of an amount that nothing leaves.
    schedule : Schedule
        All administrations.

    Returns
    -------
    times_h, weights : arrays

    Examples
    --------
    >>> from pkmodels.administrations import Administration
    >>> given = Schedule((Administration(0.0, 0.0, "dotatate", "Lu-177", 100.0),))
    >>> urine = Measurement("urine", "Lu-177", "dose calibrator", 0.0, 24.0, 40.0,
    ...                     Quantity.COLLECTED, None, None, "line 2")
    >>> times, weights = nodes_of(urine, given)
    >>> times.tolist(), weights.round(3).tolist()
    ([0.0, 24.0], [-0.901, 1.0])
    """
    if item.quantity is Quantity.COLLECTED:
        decay = nuclide(item.label).decay_constant_per_h
        kept = np.exp(-decay * (item.end_h - item.start_h))
        return np.array([item.start_h, item.end_h]), np.array([-kept, 1.0])
    if item.end_h == item.start_h:
        return np.array([item.start_h]), np.array([1.0])
    starts = {a.time_h for a in schedule.administrations}
    ends = {a.time_h + a.duration_h for a in schedule.administrations}
    inside = {t for t in starts | ends if item.start_h < t < item.end_h}
    edges = sorted({item.start_h, item.end_h} | inside)
    nodes, weights = np.polynomial.legendre.leggauss(_FRAME_NODES)
    times = [(a + b) / 2.0 + (b - a) / 2.0 * nodes for a, b in pairwise(edges)]
    share = [(b - a) / 2.0 * weights for a, b in pairwise(edges)]
    return np.concatenate(times), np.concatenate(share) / (item.end_h - item.start_h)


def _of_others(
    over: Overlap | None,
    item: Measurement,
    place: np.ndarray,
    weight: np.ndarray,
    observables: Sequence[str],
) -> tuple[np.ndarray, np.ndarray]:
    """Return places and weights of what lies over the region of a row."""
    if over is None:
        return np.zeros(1, dtype=int), np.zeros(1)
    if item.quantity not in (Quantity.ACTIVITY, Quantity.COUNTS):
        raise InputError(
            f"{item.source}: a value of {over.name} is a {item.quantity}, and overlaps "
            "are of activities or counts: give it in MBq or counts"
        )
    for name in over.others:
        if name not in observables:
            raise InputError(
                f"the overlap of {over.name}: the model has no observable {name!r}: "
                f"{suggest(name, observables)}"
            )
    columns = np.array([observables.index(name) for name in over.others])
    shares = np.array(list(over.others.values()))
    return np.add.outer(columns, place).ravel(), np.outer(shares, weight).ravel()


def _check_used(names: Sequence[str], overlap: Sequence[int]) -> None:
    for i, name in enumerate(names):
        if names.count(name) > 1:
            raise InputError(f"{names.count(name)} overlaps of {name}: give one")
        if i + 1 not in overlap:
            raise InputError(f"the overlap of {name}: no such value was measured")


def _padded(
    rows: Sequence[tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray]:
    width = max(len(place) for place, _ in rows)
    return (
        np.array([np.pad(p, (0, width - len(p)), mode="edge") for p, _ in rows]),
        np.array([np.pad(w, (0, width - len(w))) for _, w in rows]),
    )
