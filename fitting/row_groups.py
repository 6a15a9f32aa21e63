"""Groups of rows that are left out together: one value, one scan, or one region."""

from dataclasses import dataclass
from enum import StrEnum

from pkmodels.fitting.posterior import Posterior
from pkmodels.measurements import Measurement


class By(StrEnum):
    """What is left out at a time."""

    ROW = "row"  # one value
    SCAN = "scan"  # all values of one occasion, label, modality and time
    REGION = "region"  # all values of one region


@dataclass(frozen=True)
class RowGroup:
    """Rows that are left out together.

    Parameters
    ----------
    name : str
        What they are.
    rows : tuple of int
        Places among the measurements, at least one.
    """

    name: str
    rows: tuple[int, ...]


def group_rows(posterior: Posterior, by: By) -> tuple[RowGroup, ...]:
    """Return the rows of a posterior in the groups that are left out one by one.

    Which group to leave out is part of the question: a scan asks what another time
    would have shown, a region what another organ would; single rows leave the other
    organs of the same scan in, so that they are predicted too well.

    Parameters
    ----------
    posterior : Posterior
        What is fitted.
    by : By
        What is left out at a time.

    Returns
    -------
    tuple of RowGroup
        In the order of their first rows.

    References
    ----------
    Roberts et al., Ecography 2017;40:913 (leave out what depends together).

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> example = worked_example.posterior()
    >>> [group.name for group in group_rows(example, By.SCAN)]
    ['Lu-177 SPECT at 24 h', 'Lu-177 SPECT at 72 h', 'Lu-177 SPECT at 120 h']
    >>> group_rows(example, By.REGION)
    (RowGroup(name='organ', rows=(0, 1, 2)),)
    """
    found: dict[str, list[int]] = {}
    several = len(posterior.experiments) > 1
    row = 0
    for experiment in posterior.experiments:
        for item in experiment.measurements:
            occasion = f" of {experiment.name}" if several else ""
            found.setdefault(_name(item, by, occasion), []).append(row)
            row += 1
    return tuple(RowGroup(name, tuple(rows)) for name, rows in found.items())


def _name(item: Measurement, by: By, occasion: str) -> str:
    if by is By.REGION:
        return item.region
    begin, end = item.start_h, item.end_h
    when = f"at {begin:.6g} h" if begin == end else f"from {begin:.6g} to {end:.6g} h"
    scan = f"{item.label} {item.modality} {when}{occasion}"
    if by is By.SCAN:
        return scan
    kind = "" if item.sample is None else f", sample {item.sample.name}"
    return f"{item.region}, {scan}{kind} ({item.source})"
