"""The report's table on sources: the S-values that doses rest on."""

from pkmodels.clinic.report_tables import Table
from pkmodels.clinic.result_format import Result
from pkmodels.clinic.rounding import relative, rounded


def s_values(result: Result) -> Table | None:
    """Return every S-value that a dose rests on.

    Parameters
    ----------
    result : Result
        The result.

    Returns
    -------
    Table or None
        None where no dose was computed.
    """
    if not result.s_values:
        return None
    rows = tuple(
        (
            f"{used.target} \N{LEFTWARDS ARROW} {used.source}, {used.label}",
            "as tabulated" if used.mass_g is None else rounded(used.mass_g),
            f"{used.S_Gy_per_MBq_h:.3g}",
            relative(used.relative_sd),
            used.certainty,
            used.provenance,
        )
        for used in result.s_values
    )
    return Table(
        headers=(
            "Target and source",
            "Mass (g)",
            "S (Gy/(MBq\N{NO-BREAK SPACE}h))",
            "1 sd",
            "Certainty",
            "Source",
        ),
        rows=rows,
        words=(4, 5),
    )
