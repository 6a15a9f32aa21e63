"""Compiled fits: patients of one form, one after another, compile once a process."""

from pkmodels.fitting.anchoring import fit_form
from pkmodels.fitting.fit import CompiledFit, compile_fit, warm_up_fit
from pkmodels.fitting.posterior import Posterior

# Those used last, so that memory does not grow with the patients.
_MOST = 6
_LAST: dict[str, CompiledFit] = {}


def compile_once(posterior: Posterior) -> CompiledFit:
    """Compile a posterior's sampler and warm it up, unless the last one serves it, too.

    Parameters
    ----------
    posterior : Posterior
        What is to be fitted.

    Returns
    -------
    CompiledFit

    Examples
    --------
    >>> from unittest.mock import patch
    >>> from pkmodels.fitting import worked_example
    >>> here = "pkmodels.clinic.compiled_fits"
    >>> with (patch(f"{here}.compile_fit") as compiling,
    ...       patch(f"{here}.warm_up_fit"), patch.dict(_LAST)):
    ...     one = compile_once(worked_example.posterior())
    ...     compile_once(worked_example.posterior()) is one, compiling.call_count
    (True, 1)
    """
    form = fit_form(posterior)
    if form in _LAST:
        _LAST[form] = _LAST.pop(form)
    else:
        while len(_LAST) >= _MOST:
            del _LAST[next(iter(_LAST))]
        compiled = compile_fit(posterior)
        warm_up_fit(posterior, compiled)
        _LAST[form] = compiled
    return _LAST[form]
