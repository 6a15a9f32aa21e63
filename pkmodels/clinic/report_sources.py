"""The report's tables on sources: S-values and what was judged, not measured."""

from pkmodels.clinic.report_tables import Table, joined
from pkmodels.clinic.result_format import Result
from pkmodels.clinic.rounding import relative, rounded
from pkmodels.values import Certainty


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


def judged(result: Result) -> str | None:
    """Name the S-values that are a judgement, not published or derived.

    Parameters
    ----------
    result : Result
        The result.

    Returns
    -------
    str or None
        A sentence; None where there is no such value.
    """
    names = [
        f"{used.target} from {used.source} ({used.label})"
        for used in result.s_values
        if used.certainty == Certainty.JUDGEMENT
    ]
    if not names:
        return None
    return f"The dose rests on S-values that are a judgement: {joined(names)}."
