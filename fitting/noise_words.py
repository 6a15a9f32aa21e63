"""Noise in words: how a posterior takes each kind of value to scatter, and why."""

from collections.abc import Mapping

import numpy as np

from pkmodels.fitting.likelihood import rows_of_terms
from pkmodels.fitting.posterior import FLOOR, NOISE, Posterior


def noise_in_words(posterior: Posterior) -> Mapping[str, str]:
    """Return what is assumed of each modality's noise, with every prior.

    Parameters
    ----------
    posterior : Posterior
        What is fitted.

    Returns
    -------
    mapping of str to str
        By modality; what rows share, by the name of the variable and its coordinate.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> print(noise_in_words(worked_example.posterior())["SPECT"])
    3 values log-normal (normal residuals of ln y), relative noise half-normal, scale \
0.1 (judgement: wide), at least 0.01
    """
    seen, groups = posterior.observations, posterior.all_priors
    words: dict[str, str] = {}
    rows = rows_of_terms(seen, posterior.additive)
    for i, modality in enumerate(seen.modalities):
        kinds = []
        for term, found in rows.items():
            count = int(np.sum(seen.modality[found] == i))
            if count:
                kinds.append(_kind(posterior, term, count, found, i))
        noise = "no relative noise"
        if modality in posterior.noisy:
            prior = groups[NOISE][modality]
            noise = f"relative noise {prior}, at least {posterior.minimum_noise:g}"
        words[modality] = f"{'; '.join(kinds)}, {noise}"
    for floor, prior in groups.get(FLOOR, {}).items():
        words[f"{FLOOR}[{floor}]"] = f"additive noise {prior}"
    for variable, text in _SHARED.items():
        for name, prior in groups.get(variable, {}).items():
            words[f"{variable}[{name}]"] = f"{text}: {prior}"
    return words


_SHARED = {
    "calibration": "one factor of all its values",
    "recovery": "a factor of all values of the modality, by the size of the region",
    "sample_factor": "error that all replicates of the sample share, counted once",
    "background_factor": "factor of the counts expected without the region's activity",
    "maximum_excess": "SUVmax is 1 + x times the mean, x > 0",
    "overlap": "share of what lies above and below the region that is counted with it",
}


def _kind(
    posterior: Posterior, term: str, count: int, rows: np.ndarray, modality: int
) -> str:
    seen, degrees = posterior.observations, posterior.student_t_degrees
    law = "normal" if degrees is None else f"Student's t ({degrees:g} degrees)"
    plural = "" if count == 1 else "s"
    match term:
        case "log_value":
            return f"{count} value{plural} log-normal ({law} residuals of ln y)"
        case "value":
            return (
                f"{count} value{plural} with {law} residuals of y: stated sd, additive "
                "and relative noise in quadrature"
            )
        case "log_value_below" | "value_below":
            scale = "ln y" if term == "log_value_below" else "y"
            return (
                f"{count} below the limit of quantification (M3: probability of that, "
                f"{law} residuals of {scale})"
            )
        case _:
            own = rows[seen.modality[rows] == modality]
            noise = seen.noise
            pure = int(np.sum(noise.poisson[own]))
            scattered = int(np.sum(noise.overdispersed[own]))
            of_sample = count - pure - scattered
            parts = [f"{pure} counted, Poisson"] if pure else []
            if of_sample:
                parts.append(
                    f"{of_sample} counted, negative-binomial: Poisson's variance and "
                    "that of the sample"
                )
            if scattered:
                parts.append(
                    f"{scattered} counted, negative-binomial: Poisson's variance and "
                    "that of the relative noise"
                )
            return "; ".join(parts)
