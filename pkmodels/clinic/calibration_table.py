"""What simulated patients say of a fit, as tables: ranks as CSV, tests as text."""

import csv
import io
from collections import Counter

from pkmodels.cohorts.calibration import Calibration
from pkmodels.cohorts.verdicts import Verdict

COLUMNS = (
    "patient",
    "quantity",
    "draws",
    "rank",
    "truth",
    "low",
    "median",
    "high",
    "outcome",
)
_DIGITS = 6
ANSWERED, REFUSED, FAILED = "answered", "refused", "failed"
_HEADS = (
    "quantity",
    "ranks",
    "p (ECDF)",
    "p (bins)",
    "95 % interval holds",
    "p",
    "of all patients",
)


def ranks_table(calibration: Calibration) -> str:
    """Return the ranks of every patient and quantity as CSV.

    Patients without an answer have one row, whose outcome says why.

    Parameters
    ----------
    calibration : Calibration
        From `pkmodels.cohorts.calibration.read_calibration`.

    Returns
    -------
    str
    """
    rows: list[tuple[int, list[object]]] = []
    for found in calibration.quantities:
        columns = (found.patients, found.ranks, found.truths, found.low, found.median,
                   found.high)  # fmt: skip
        for number, rank, *numbers in zip(*columns, strict=True):
            shown = [f"{x:.{_DIGITS}g}" for x in numbers]
            rows.append(
                (number, [number, found.name, found.draws, rank, *shown, ANSWERED])
            )
    empty = [""] * 7
    for outcome, unanswered in (
        (REFUSED, calibration.refused),
        (FAILED, calibration.failed),
    ):
        for number, why in unanswered.items():
            # Told in one line: a message may have several.
            said = f"{outcome}: {' '.join(why.split())}"
            rows.append((number, [number, *empty, said]))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(row for _, row in sorted(rows, key=lambda each: each[0]))
    return text.getvalue()


def verdict_rows(verdicts: tuple[Verdict, ...]) -> list[tuple[str, ...]]:
    """Return the tests of every quantity as cells, after a head.

    Parameters
    ----------
    verdicts : tuple of Verdict
        From `pkmodels.cohorts.verdicts.judge`.

    Returns
    -------
    list of tuple of str
        What `_of all patients_` says: the share of truths covered, were everyone
        without a rank missed, to were everyone covered.

    Examples
    --------
    >>> one = Verdict("dose", 490, 0.41, 0.3, 0.9, 466, 0.932, 0.952)
    >>> verdict_rows((one,))[1]
    ('dose', '490', '0.41', '0.3', '466 (95.1 %)', '0.9', '93.2 to 95.2 %')
    """
    return [
        _HEADS,
        *(
            (
                each.name,
                str(each.n),
                _p(each.ecdf_p),
                _p(each.chi_square_p),
                f"{each.covered} ({100.0 * each.covered / each.n:.1f} %)"
                if each.n
                else "-",
                _p(each.coverage_p),
                f"{100.0 * each.least:.1f} to {100.0 * each.most:.1f} %",
            )
            for each in verdicts
        ),
    ]


def _p(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"


def summary_lines(calibration: Calibration, verdicts: tuple[Verdict, ...]) -> list[str]:
    """Say how many patients were answered, and what the tests say together.

    Parameters
    ----------
    calibration : Calibration
        From `read_calibration`.
    verdicts : tuple of Verdict
        From `judge`.

    Returns
    -------
    list of str
    """
    refused, failed = len(calibration.refused), len(calibration.failed)
    lines = [
        f"{calibration.total} simulated patients: "
        f"{calibration.total - refused - failed} answered, {refused} refused, "
        f"{failed} failed."
    ]
    reasons = Counter(_kind(why) for why in calibration.refused.values())
    lines += [f"Refused, {n}: {why}" for why, n in reasons.most_common()]
    told = Counter(why.splitlines()[0] for why in calibration.failed.values())
    lines += [f"Failed, {n}: {why}" for why, n in told.most_common()]
    correlated = sum(each.correlated for each in calibration.quantities)
    if correlated:
        lines.append(
            f"{correlated} ranks are left out, since their draws are worth fewer "
            "independent ones than a rank needs."
        )
    found = [each.ecdf_p for each in verdicts if each.ecdf_p is not None]
    if found:
        together = min(1.0, len(found) * min(found))
        lines.append(
            f"Least of {len(found)} p of uniform ranks: {min(found):.2g}; of all "
            f"together (Bonferroni): {together:.2g}."
        )
    if refused:
        lines.append(
            "A refusal hangs on the data, not on the truth behind them, so that ranks "
            "of the others are uniform all the same; but they say nothing of the "
            "refused, who are the harder ones. The last column counts everyone: were "
            "each without a rank missed, or covered."
        )
    return lines


def _kind(why: str) -> str:
    """Return what a refusal is about, without its numbers."""
    first = why.split(":")[0]
    return "".join("#" if letter.isdigit() else letter for letter in first)


def verdict_table(verdicts: tuple[Verdict, ...], gap: str | None = None) -> str:
    """Return the tests of every quantity as CSV, or in columns.

    Parameters
    ----------
    verdicts : tuple of Verdict
        From `pkmodels.cohorts.verdicts.judge`.
    gap : str, optional
        Between columns of padded text; CSV where it is left out.

    Returns
    -------
    str
    """
    rows = verdict_rows(verdicts)
    if gap is not None:
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        padded = (
            gap.join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )
        return "".join(f"{line}\n" for line in padded)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
