"""The report's tables on how sure a dose is: budgets, propagation and priors."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from pkmodels.clinic.report_figures import PriorPosterior
from pkmodels.clinic.report_strips import (
    bar_strip,
    interval_strip,
    ratio_axis,
    scale,
    share_axis,
)
from pkmodels.clinic.report_tables import Table
from pkmodels.clinic.result_dosimetry import Budget, Propagation
from pkmodels.clinic.result_format import Result
from pkmodels.clinic.result_text import BUDGETED, UNINFORMED, UNKNOWN
from pkmodels.clinic.rounding import relative, share, with_interval

# A table of more targets is cut: A4 is not wider.
_TARGETS_PER_TABLE = 5


@dataclass(frozen=True)
class BudgetPicture:
    """A variance budget as a picture.

    Parameters
    ----------
    title : str
        Whose variance it is.
    limited : bool
        Whether it belongs to a limit of a planned label.
    table : Table
        A bar for each factor.
    """

    title: str
    limited: bool
    table: Table


def budgets(result: Result) -> tuple[BudgetPicture, ...]:
    """Draw every variance budget, those of limits first.

    Parameters
    ----------
    result : Result
        The result.

    Returns
    -------
    tuple of BudgetPicture
    """
    pictures = []
    for label, targets in result.budgets.items():
        safe = result.safe_activity.get(label)
        for target, budget in targets.items():
            limited = safe is not None and target in safe.per_limit
            title = (
                f"{target}, {label}: {BUDGETED[budget.quantity]} is known "
                f"to {relative(budget.log_sd)} (1 sd of its logarithm)"
            )
            pictures.append(BudgetPicture(title, limited, _budget_table(budget)))
    return tuple(sorted(pictures, key=lambda picture: not picture.limited))


def propagation(result: Result) -> tuple[tuple[str, Table], ...]:
    """Return the analytic propagation beside the posterior, relative uncertainties.

    Parameters
    ----------
    result : Result
        The result.

    Returns
    -------
    tuple of (label, Table)
        Tables of at most five regions.
    """
    tables = []
    for label, targets in result.propagation.items():
        names = list(targets)
        n_tables = ceil(len(names) / _TARGETS_PER_TABLE)
        width = ceil(len(names) / max(n_tables, 1)) or 1
        for start in range(0, len(names), width):
            chosen = {name: targets[name] for name in names[start : start + width]}
            tables.append((label, _propagation_table(chosen)))
    return tuple(tables)


def parameters(found: tuple[PriorPosterior, ...]) -> Table | None:
    """Draw each parameter before and after the data, over its prior median.

    Parameters
    ----------
    found : tuple of PriorPosterior
        The parameters.

    Returns
    -------
    Table or None
        None where there are none.
    """
    if not found:
        return None
    ends = [
        value / (item.prior[1] or 1.0)
        for item in found
        for value in (*item.prior, *item.posterior)
    ]
    axis = ratio_axis(ends)
    rows = tuple(
        (
            item.name if item.unit in ("", "1") else f"{item.name} ({item.unit})",
            interval_strip(axis, _over(item, item.prior), _over(item, item.posterior)),
            _three(item.prior),
            _three(item.posterior),
            f"{max(item.contraction, 0.0):.2f}"
            + (" (prior)" if item.contraction < UNINFORMED else ""),
        )
        for item in found
    )
    return Table(
        headers=("Parameter", scale(axis), "Prior", "Posterior", "Contraction"),
        rows=rows,
        notes=(
            "Grey: prior. Blue: posterior. Bars: 95 % interval; ticks: median; over "
            "the prior's median, logarithmic, cut at three decades. Contraction: "
            "1 - posterior variance / prior variance; 0 where the data say nothing, "
            "1 where they say all. (prior): below "
            f"{UNINFORMED:g}, the prior speaks, not the data.",
        ),
    )


def _propagation_table(targets: Mapping[str, Propagation]) -> Table:
    factors = dict.fromkeys(f for found in targets.values() for f in found.factors)
    rows = [
        (factor, *(_relative(found.factors.get(factor)) for found in targets.values()))
        for factor in factors
    ]
    totals = (found.total for found in targets.values())
    rows += [
        (
            "together (analytic)",
            *(UNKNOWN if total is None else relative(total) for total in totals),
        ),
        ("posterior", *(relative(found.posterior) for found in targets.values())),
    ]
    notes = tuple(
        f"{name}: {text}"
        for name, found in targets.items()
        for text in (found.missing, found.note)
        if text is not None
    )
    return Table(("Factor", *targets), tuple(rows), notes)


def _budget_table(budget: Budget) -> Table:
    parts = sorted(budget.factors.items(), key=lambda item: -item[1].total)
    extra = (
        ("interactions of factors", budget.interactions),
        ("dependence between factors", budget.dependence),
    )
    axis = share_axis(
        [value for _, part in parts for value in (part.first_order, part.total)]
        + [value for _, value in extra]
    )
    rows = [
        (
            name,
            bar_strip(axis, part.total, part.first_order),
            share(part.first_order),
            share(part.total),
        )
        for name, part in parts
    ]
    rows += [(name, bar_strip(axis, part), share(part), "") for name, part in extra]
    return Table(
        headers=("Factor", scale(axis), "Alone", "With interactions"),
        rows=tuple(rows),
        notes=(
            f"{budget.explained} Monte-Carlo error of a share: {share(budget.noise)}."
            if round(100.0 * budget.noise)
            else f"{budget.explained} Monte-Carlo error of a share: below 1 %.",
        ),
    )


def _relative(uncertainty: float | None) -> str:
    return "" if uncertainty is None else relative(uncertainty)


def _over(
    item: PriorPosterior, values: tuple[float, float, float]
) -> tuple[float, float, float]:
    low, median, high = values
    reference = item.prior[1] or 1.0
    return low / reference, median / reference, high / reference


def _three(values: tuple[float, float, float]) -> str:
    low, median, high = values
    return with_interval(median, (low, high))
