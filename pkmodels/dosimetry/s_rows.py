"""Rows of tables of S-values, and the S-value that each stands for."""

from dataclasses import dataclass

from pkmodels.dosimetry.mass_scaling import SValue, Uncertainty
from pkmodels.nuclides import nuclide
from pkmodels.units import GY_G_PER_MEV_MBQ_H, GY_PER_MBQ_H_PER_MGY_PER_MBQ_S
from pkmodels.values import Certainty

SEXES = ("male", "female")
ONE_KIDNEY = ("kidney", "left_kidney", "right_kidney")

# What the tables call an organ that a patient's file calls otherwise.
TABLE_NAMES = {
    "adrenal": "adrenals",
    "lung": "lungs",
    "salivary_gland": "salivary_glands",
    "whole_body": "total_body",
}


@dataclass(frozen=True)
class SRow:
    """One tabulated S-value.

    Parameters
    ----------
    target, source : str
        Organ that takes the dose and organ that holds the activity; the same name for
        the self-dose.
    label : str
        Radionuclide.
    sex : str
        ``male``, ``female`` or ``any``.
    mass_g : float or None
        Mass of the target, g, > 0; None only for a cross value.
    S_mGy_per_MBq_s : float
        S, mGy/(MBq s), > 0.
    electron_fraction : float or None
        Absorbed fraction of the electrons, in (0, 1]; None: not split.
    log_sd : float
        Standard deviation of ln S, > 0.
    certainty : Certainty
        How sure it is.
    provenance : str
        Where it comes from, with the table and line where it is a user's.
    own : bool
        Whether it is a user's.
    place : str
        Table and line of a user's row, for messages.
    """

    target: str
    source: str
    label: str
    sex: str
    mass_g: float | None
    S_mGy_per_MBq_s: float
    electron_fraction: float | None
    log_sd: float
    certainty: Certainty
    provenance: str
    own: bool
    place: str = ""


@dataclass(frozen=True)
class STable:
    """S-values that go before the built-in ones.

    Parameters
    ----------
    name : str
        Name of the table, in messages and in the source of its S-values.
    rows : tuple of SRow
        Its rows, no two for the same case.
    """

    name: str
    rows: tuple[SRow, ...]

    def find(self, target: str, source: str, label: str, sex: str) -> SRow | None:
        """Return the row of a target and source, or None."""
        for row in self.rows:
            same = (row.target, row.source, row.label) == (target, source, label)
            if same and row.sex in (sex, "any"):
                return row
        return None


def table_name(organ: str) -> str:
    """Return what the tables of S-values call an organ.

    Parameters
    ----------
    organ : str
        Its name in a patient's file or in a table.

    Returns
    -------
    str

    Examples
    --------
    >>> table_name("lung"), table_name("lungs"), table_name("liver")
    ('lungs', 'lungs', 'liver')
    """
    return TABLE_NAMES.get(organ, organ)


def value_of_row(row: SRow) -> SValue:
    """Return the S-value of a row, with its mass scaling.

    Self-dose: electrons as 1/m, photons as m^(-2/3) where the row splits them, all as
    1/m where it does not. Cross-fire: not scaled.

    Parameters
    ----------
    row : SRow
        A row of a table.

    Returns
    -------
    SValue

    References
    ----------
    MIRD pamphlet 21, J Nucl Med 2009;50:477.

    Examples
    --------
    >>> kidney, how = "left_kidney", Certainty.PUBLISHED
    >>> numbers = 152.983, 1.5662e-4, 0.993, 0.01  # g, mGy/(MBq s)
    >>> row = SRow(kidney, kidney, "Lu-177", "male", *numbers, how, "OpenDose", False)
    >>> round(1e3 * value_of_row(row).at_mass(245.3), 4)  # mGy/(MBq h)
    0.3527
    """
    total = row.S_mGy_per_MBq_s * GY_PER_MBQ_H_PER_MGY_PER_MBQ_S
    own = f", own table, sd {row.log_sd:g}" if row.own else ""
    if row.source != row.target:
        name = f"S-value of {row.label}, {row.target} from {row.source}{own}"
        terms: tuple[tuple[float, float], ...] = ((total, 0.0),)
    else:
        # One draw for both kidneys, outlined singly or together.
        kidney = row.target in (*ONE_KIDNEY, "kidneys")
        name = f"S-value of {row.label}, {'kidney' if kidney else row.target}{own}"
        terms = _self_terms(row, total)
    return SValue(
        organ=row.target,
        label=row.label,
        terms=terms,
        uncertainties=(Uncertainty(name, row.log_sd),),
        certainty=row.certainty,
        source=row.provenance,
        reference_mass_g=row.mass_g,
        source_organ=None if row.source == row.target else row.source,
    )


def _self_terms(row: SRow, total: float) -> tuple[tuple[float, float], ...]:
    mass = row.mass_g
    assert mass is not None  # checked where the row was read
    if row.electron_fraction is None:
        return ((total * mass, 1.0),)
    delta = nuclide(row.label).electron_MeV * GY_G_PER_MEV_MBQ_H
    electrons = row.electron_fraction * delta
    photons = (total - electrons / mass) * mass ** (2.0 / 3.0)
    return ((electrons, 1.0), (photons, 2.0 / 3.0))
