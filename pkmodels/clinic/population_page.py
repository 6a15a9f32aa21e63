"""A fitted population as a page and tables that a pharmacometrician reads."""

from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from plotly.offline import get_plotlyjs

from pkmodels.atomic_files import write_text_atomically
from pkmodels.clinic.population_diagnostics import Diagnostics, diagnose
from pkmodels.clinic.population_figures import sections
from pkmodels.clinic.population_tables import (
    EFFECT_HEADS,
    ESTIMATE_HEADS,
    effect_rows,
    estimate_rows,
    estimate_table,
    subject_table,
    value_table,
)
from pkmodels.clinic.result_format import NOT_VALIDATED
from pkmodels.errors import InputError
from pkmodels.population.descriptions import describe
from pkmodels.population.estimation import PopulationFit
from pkmodels.population.subjects import Subject
from pkmodels.population.uncertainty import CovarianceKind

PAGE, VALUES, SUBJECTS, ESTIMATES = (
    "population.html",
    "values.csv",
    "subjects.csv",
    "estimates.csv",
)


def write_population_page(
    folder: Path,
    fit: PopulationFit,
    subjects: Sequence[Subject],
    *,
    kind: CovarianceKind,
    bins: int | Sequence[float],
    replicates: int,
    seed: int,
    logarithmic: bool = False,
    prediction_corrected: bool = False,
    progress: Callable[[str, int, int], object] | None = None,
) -> tuple[Path, ...]:
    """Write all that is shown of a population fit, to be read without a network.

    population.html has the model in words, estimates with standard errors, shrinkage
    and objective; DV against PRED and IPRED, CWRES against time and PRED, |IWRES|
    against IPRED; a visual predictive check of each observable; NPDE with their tests;
    random effects with their normal distribution and against covariates. values.csv
    has a row for each value, subjects.csv for each subject and occasion, estimates.csv
    for each estimate. Units are those of the model.

    Parameters
    ----------
    folder : Path
        Where to write; made where it does not exist. Files there are replaced.
    fit : PopulationFit
        The fit.
    subjects : sequence of Subject
        Those that were fitted.
    kind, bins, replicates, seed, prediction_corrected, progress
        As of `diagnose`.
    logarithmic : bool
        Whether axes of values are.

    Returns
    -------
    tuple of Path
        The files written: page, values, subjects, estimates.

    Raises
    ------
    InputError, SolveError
        As `diagnose`, or when the folder cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pkmodels.population import worked_example
    >>> with tempfile.TemporaryDirectory() as name:
    ...     paths = write_population_page(Path(name), worked_example.fitted(),
    ...         worked_example.subjects(), kind=CovarianceKind.CURVATURE, bins=3,
    ...         replicates=1000, seed=1)
    ...     print(paths[1].read_text().splitlines()[1][:30])
    1,1,0.5,plasma,mg/L,5.6,4.5534
    """
    found = diagnose(
        fit,
        subjects,
        kind=kind,
        bins=bins,
        replicates=replicates,
        seed=seed,
        prediction_corrected=prediction_corrected,
        progress=progress,
    )
    written = {
        PAGE: population_page(found, logarithmic=logarithmic),
        VALUES: value_table(found),
        SUBJECTS: subject_table(found),
        ESTIMATES: estimate_table(found),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in written.items():
            write_text_atomically(folder / name, text)
    except OSError as error:
        raise InputError(
            f"{folder}: the page cannot be written ({error.strerror}); name a folder "
            "that you may write to"
        ) from error
    return tuple(folder / name for name in written)


def population_page(found: Diagnostics, *, logarithmic: bool) -> str:
    """Return the page.

    Parameters
    ----------
    found : Diagnostics
        From `diagnose`.
    logarithmic : bool
        Whether axes of values are.

    Returns
    -------
    str
        HTML with all that it needs.
    """
    source = resources.files("pkmodels.clinic").joinpath("templates/population.html.j2")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(source.read_text("utf-8")).render(
        not_validated=NOT_VALIDATED,
        title=found.fit.model.name,
        lines=_lines(found),
        findings=found.fit.findings,
        no_errors=found.errors if isinstance(found.errors, str) else "",
        tables=(
            ("Estimates", ESTIMATE_HEADS, estimate_rows(found)),
            ("Random effects and shrinkage", EFFECT_HEADS, effect_rows(found)),
        ),
        described=describe(found.fit.model),
        sections=sections(found, logarithmic=logarithmic),
        plotly_js=get_plotlyjs(),
    )


def _lines(found: Diagnostics) -> tuple[str, ...]:
    fit = found.fit
    made = fit.predictor.arrangement
    size = f"{len(made.names)} subjects, {made.n_values} values"
    constant = fit.minus_two_log_likelihood - fit.objective
    lines = [
        f"FOCEI objective {fit.objective:.3f} (NONMEM's convention); {size}",
        f"-2 ln L, constants and all: {fit.minus_two_log_likelihood:.2f} by FOCEI, "
        f"{fit.laplace_objective + constant:.2f} by Laplace's method with exact second "
        "derivatives; how far they are apart says how far they may be off. AIC "
        f"{fit.aic:.2f}, BIC {fit.bic:.2f}, corrected BIC {fit.corrected_bic:.2f}.",
        f"Gradient {fit.gradient:.1e} standard errors long after {fit.evaluations} "
        f"evaluations of the objective, of which {fit.failed_evaluations} failed.",
    ]
    if not isinstance(found.errors, str):
        lines.append(
            f"Standard errors from {found.errors.kind}; condition number of the "
            f"correlations {found.errors.condition_number:.3g}."
        )
    return tuple(lines)
