"""Tables of a fitted population: estimates, every value and every subject."""

import csv
import io
import math
from collections.abc import Iterable, Sequence

import numpy as np

from pkmodels.clinic.population_diagnostics import Diagnostics
from pkmodels.population.structure import PopulationModel, Scale

# A spreadsheet reads a cell that begins with one of these as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

ESTIMATE_HEADS = ("estimate", "value", "s.e.", "s.e., %", "as it is")
EFFECT_HEADS = ("effect", "sd", "mean of modes", "p (mean 0)", "shrinkage")


def estimate_rows(found: Diagnostics) -> list[tuple[str, ...]]:
    """Return estimates with their standard errors, and typical values as they are.

    Parameters
    ----------
    found : Diagnostics
        From `diagnose`.

    Returns
    -------
    list of tuple of str
        Under `ESTIMATE_HEADS`. "As it is": a typical value back from its scale, and the
        coefficient of variation sqrt(exp(omega^2) - 1) of a log-normal parameter.

    Examples
    --------
    >>> from pkmodels.clinic.population_diagnostics import diagnose
    >>> from pkmodels.population import worked_example
    >>> from pkmodels.population.uncertainty import CovarianceKind
    >>> found = diagnose(worked_example.fitted(), worked_example.subjects(),
    ...     kind=CovarianceKind.CURVATURE, bins=3, replicates=1000, seed=1)
    >>> for row in estimate_rows(found)[:4:3]:
    ...     print(" | ".join(row))
    ln ka | 0.2366 | 0.214 | 21 | 1.267 1/h
    variance of ka | 0.2658 | 0.156 | 59 | CV 55 %
    """
    fit, rows = found.fit, []
    for n, (name, value) in enumerate(zip(fit.names, fit.values, strict=True)):
        error, relative = "none", ""
        if not isinstance(found.errors, str):
            one = found.errors.standard_errors[n]
            error = f"{one:.3g}"
            # Of a coefficient or a covariance, which may be 0, it says nothing.
            if name.startswith("ln "):
                relative = f"{100.0 * one:.0f}"
            elif name.startswith(("variance", "additive", "proportional")):
                relative = f"{100.0 * one / abs(value):.0f}"
        rows.append((name, f"{value:.4g}", error, relative, _as_it_is(found, n)))
    return rows


def _as_it_is(found: Diagnostics, n: int) -> str:
    model, name, value = found.fit.model, found.fit.names[n], found.fit.values[n]
    estimated = [k for k, typical in model.typical.items() if typical.estimated]
    if n < len(estimated):
        typical = model.typical[estimated[n]]
        unit = "" if typical.unit == "1" else f" {typical.unit}"
        back = {Scale.LOG: math.exp, Scale.LOGIT: lambda x: 1 / (1 + math.exp(-x))}
        return f"{back.get(typical.scale, float)(value):.4g}{unit}"
    of = name.removeprefix("variance of ").removesuffix(" by occasion")
    if name.startswith("variance of ") and model.typical[of].scale is Scale.LOG:
        return f"CV {100.0 * math.sqrt(math.expm1(value)):.0f} %"
    for observable, error in model.residual.items():
        if name == f"additive sd of {observable}":
            return f"{value:.4g} {error.unit}".strip()
    return ""


def effect_rows(found: Diagnostics) -> list[tuple[str, ...]]:
    """Return random effects with their shrinkage, then that of the residuals.

    Parameters
    ----------
    found : Diagnostics
        From `diagnose`.

    Returns
    -------
    list of tuple of str
        Under `EFFECT_HEADS`.
    """
    rows = [
        (
            each.name,
            f"{each.sd:.3g}",
            f"{each.values.mean():.3g}",
            f"{each.p_mean:.2g}",
            f"{each.shrinkage:.0%}",
        )
        for each in found.effects
    ]
    rows += [
        (f"residuals (IWRES) of {name}", "", "", "", f"{drawn:.0%}")
        for name, drawn in found.shrinkage.residual.items()
    ]
    return rows


def value_table(found: Diagnostics) -> str:
    """Return one row for each value, as CSV, numbers not rounded.

    Parameters
    ----------
    found : Diagnostics
        From `diagnose`.

    Returns
    -------
    str
        Subject, occasion, time (h), observable, unit, DV, PRED, IPRED, IWRES, CWRES,
        NPDE.
    """
    table, units = found.table, units_of(found.fit.model)
    heads = "subject,occasion,time_h,observable,unit,DV,PRED,IPRED,IWRES,CWRES,NPDE"
    columns = (
        table.subject,
        table.occasion,
        table.time_h,
        table.observable,
        [units[str(name)] for name in table.observable],
        table.value,
        table.typical,
        table.individual,
        table.individual_residual,
        table.conditional_residual,
        found.npde.errors,
    )
    return _csv(heads.split(","), zip(*columns, strict=True))


def subject_table(found: Diagnostics) -> str:
    """Return one row for each subject and occasion, as CSV, numbers not rounded.

    Parameters
    ----------
    found : Diagnostics
        From `diagnose`.

    Returns
    -------
    str
        Subject, occasion, number of values, covariates, each parameter at the mode
        with its unit, each random effect.
    """
    fit = found.fit
    made, model = fit.predictor.arrangement, fit.model
    own = fit.parameters()
    heads = ["subject", "occasion", "values", *found.covariates]
    heads += [f"{name} [{model.typical[name].unit}]" for name in own]
    heads += [each.name for each in found.effects]
    rows, seen = [], {each.name: 0 for each in found.effects}
    for i, k in np.argwhere(made.is_value.any(axis=2)):
        row = [made.names[i], int(k) + 1, int(made.is_value[i, k].sum())]
        row += [values[i] for values in found.covariates.values()]
        row += [values[i, k] for values in own.values()]
        for each in found.effects:
            at = int(i)
            if each.name.startswith("kappa"):
                at, seen[each.name] = seen[each.name], seen[each.name] + 1
            row.append(each.values[at])
        rows.append(row)
    return _csv(heads, rows)


def estimate_table(found: Diagnostics) -> str:
    """Return one row for each estimate, as CSV, numbers not rounded.

    Parameters
    ----------
    found : Diagnostics
        From `diagnose`.

    Returns
    -------
    str
        Estimate, value, standard error; empty where there is none.
    """
    fit = found.fit
    errors: Sequence[object] = [""] * len(fit.names)
    if not isinstance(found.errors, str):
        errors = list(found.errors.standard_errors)
    return _csv(
        ("estimate", "value", "standard_error"),
        zip(fit.names, fit.values, errors, strict=True),
    )


def units_of(model: PopulationModel) -> dict[str, str]:
    """Return the unit of each observable, empty where none is stated.

    Parameters
    ----------
    model : PopulationModel
        The model.

    Returns
    -------
    dict of str to str

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> units_of(worked_example.population())
    {'plasma': 'mg/L'}
    """
    return {name: error.unit for name, error in model.residual.items()}


def _csv(heads: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_cell(head) for head in heads])
    for row in rows:
        writer.writerow([_cell(value) for value in row])
    return text.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    if isinstance(value, float | np.floating):
        return repr(float(value))
    return value
