"""Schedules: all that is done to one body, and the form that decides the equations."""

import math
from dataclasses import dataclass, replace
from itertools import pairwise

from pkmodels.administrations import Administration, Delivery, free_label_name
from pkmodels.chains import has_followed_daughters
from pkmodels.errors import InputError, check_kind
from pkmodels.nuclides import nuclide

# Equal to rounding: two syringes drawn from one vial.
_SAME_RATIO = 1e-9


@dataclass(frozen=True)
class Window:
    """A stretch of time in which an input of the model has a value.

    Parameters
    ----------
    name : str
        Name of the input.
    start_h, end_h : float
        From and to, h; start < end. The end may be infinite.
    value : float
        Its value there, in the input's unit, >= 0.

    Raises
    ------
    InputError
        When a number is out of its range.
    """

    name: str
    start_h: float
    end_h: float
    value: float

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not self.start_h < self.end_h:
            raise InputError(
                f"input {self.name!r}: the window from {self.start_h:g} to "
                f"{self.end_h:g} h is empty: end it after it starts"
            )
        if not (math.isfinite(self.value) and self.value >= 0.0):
            raise InputError(
                f"input {self.name!r}: the value is {self.value}; it must be >= 0"
            )


@dataclass(frozen=True)
class Schedule:
    """All that is done to one body: administrations, inputs, resets.

    Parameters
    ----------
    administrations : tuple of Administration
        In the order of their times.
    windows : tuple of Window
        Values of the model's inputs; those of one input do not overlap.
    resets_h : tuple of float
        Times at which every amount goes back to its start, h.

    Raises
    ------
    InputError
        When windows of one input overlap.
    """

    administrations: tuple[Administration, ...]
    windows: tuple[Window, ...] = ()
    resets_h: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is no tuple, and windows of one input that overlap."""
        kinds = {"administrations": Administration, "windows": Window}
        for field, kind in {**kinds, "resets_h": (int, float)}.items():
            given = getattr(self, field)
            remedy = "write a tuple, (one,) for one"
            check_kind(f"{field} of a schedule", given, (tuple, list), remedy)
            for entry in given:
                check_kind(f"an entry of {field}", entry, kind, remedy)
            object.__setattr__(self, field, tuple(given))
        ordered = sorted(self.windows, key=lambda w: (w.name, w.start_h))
        for one, other in pairwise(ordered):
            if one.name == other.name and other.start_h < one.end_h:
                raise InputError(
                    f"input {one.name!r} has two values from {other.start_h:g} h: "
                    f"the windows from {one.start_h:g} and {other.start_h:g} h overlap"
                )

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label, in the order of first administration."""
        return tuple(dict.fromkeys(label for label, _ in self.labelled))

    @property
    def ligands(self) -> tuple[str, ...]:
        """Every ligand, in the order of first administration."""
        return tuple(dict.fromkeys(a.ligand for a in self.administrations))

    @property
    def labelled(self) -> tuple[tuple[str, Administration], ...]:
        """Each administration that carries a label, with the label before it."""
        return tuple((a.label, a) for a in self.administrations if a.label is not None)

    def of_label(self, label: str) -> "Schedule":
        """Return the schedule with the administrations that carry `label` only."""
        kept = tuple(a for a in self.administrations if a.label == label)
        return replace(self, administrations=kept)

    @property
    def form(self) -> "ScheduleForm":
        """What of this schedule decides the equations."""
        given = self.administrations
        routes = {(a.ligand, a.route) for a in given}
        free = [a for a in given if a.free_label_fraction > 0.0 and a.label]
        routes |= {(free_label_name(str(a.label)), a.route) for a in free}
        return ScheduleForm(
            routes=tuple(sorted(routes)),
            labels=tuple(_label_forms(self)),
            infusions=any(a.duration_h > 0.0 or a.modelled for a in given),
            amounts_known=all(a.ligand_nmol is not None for a in given),
        )

    def slots(self) -> tuple[tuple[str, str], ...]:
        """Return each (ligand, label) pair, free labels included, as given first."""
        found: dict[tuple[str, str], None] = {}
        for a in self.administrations:
            if a.label is not None:
                if a.free_label_fraction < 1.0:
                    found.setdefault((a.ligand, a.label))
                if a.free_label_fraction > 0.0:
                    found.setdefault((free_label_name(a.label), a.label))
        return tuple(found)


@dataclass(frozen=True)
class LabelForm:
    """How one label on one ligand is followed.

    Parameters
    ----------
    ligand : str
        The ligand.
    proportional : bool
        Whether the labelled fraction of the ligand is the same everywhere, but for
        its decay: then activity = molar activity x amount x exp(-lambda t).
    chain : str or None
        The label where it has daughters in the table of radionuclides, which need
        equations of their own; else None, and any label will do. A radioactive
        daughter that is not in the table is not followed: its activity cannot be read.
    """

    ligand: str
    proportional: bool
    chain: str | None = None


@dataclass(frozen=True)
class ScheduleForm:
    """What of a schedule decides the equations: never amounts, times or counts.

    Parameters
    ----------
    routes : tuple of (str, str)
        Each ligand with the name of a route by which it is given.
    labels : tuple of LabelForm
        One for each label on each ligand, in the order of first administration.
    infusions : bool
        Whether any administration takes time.
    amounts_known : bool
        Whether the amount of ligand (nmol) of each administration is stated.
    """

    routes: tuple[tuple[str, str], ...]
    labels: tuple[LabelForm, ...] = ()
    infusions: bool = False
    amounts_known: bool = False


def _label_forms(schedule: Schedule) -> list[LabelForm]:
    forms = []
    for ligand, label in schedule.slots():
        chain = label if has_followed_daughters(label) else None
        same = chain is None and _same_fraction(schedule, ligand, label)
        forms.append(LabelForm(ligand, same, chain))
    return forms


def _same_fraction(schedule: Schedule, ligand: str, label: str) -> bool:
    """Whether all of a ligand carries a label in one ratio, but for decay."""
    given = [a for a in schedule.administrations if a.ligand == ligand]
    free = [a for a in schedule.administrations if a.free_label_fraction > 0.0]
    if not given or any(free_label_name(str(a.label)) == ligand for a in free):
        return False  # a free label has no amount of ligand
    rate = nuclide(label).decay_constant_per_h
    ratios = []
    for a in given:
        ratio = a.molar_activity_MBq_per_nmol
        constant = a.delivered is Delivery.CONSTANT and (a.duration_h > 0 or a.modelled)
        if a.label != label or ratio is None or constant or a.steady_state is not None:
            return False
        ratios.append(math.log(ratio) + rate * a.time_h if ratio > 0.0 else -math.inf)
    return max(ratios) - min(ratios) <= _SAME_RATIO
