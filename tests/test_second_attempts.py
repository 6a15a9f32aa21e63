"""A fit that failed its checks runs once more, with smaller steps."""

from dataclasses import replace

import numpy as np

from pkmodels.fitting import fit as module
from pkmodels.fitting import worked_example
from pkmodels.fitting.anchoring import problem_of
from pkmodels.fitting.fit import compile_fit, fit
from pkmodels.fitting.paths import Path as Way
from pkmodels.fitting.sampling import draw_posterior


def test_patients_of_a_form_share_what_a_second_attempt_compiles(monkeypatch):
    posterior = worked_example.posterior()
    compiled = compile_fit(posterior)
    check, compiling = module._checks, []

    def failing(*arguments, **settings):
        found = check(*arguments, **settings)
        # Nothing that more draws would mend.
        return replace(found, reasons=("it is a test",), misfits=(), short=False)

    def counted(*arguments, **settings):
        compiling.append(settings)
        return compile_fit(*arguments, **settings)

    monkeypatch.setattr(module, "_checks", failing)
    monkeypatch.setattr(module, "compile_fit", counted)
    seen = posterior.observations
    other = replace(posterior, observations=replace(seen, value=1.3 * seen.value))
    found = [
        fit(each, seed=1, draws_per_chain=100, compiled=compiled, path=Way.NUTS)
        for each in (posterior, other)
    ]
    assert [each.checks.attempts for each in found] == [2, 2]
    assert [each.draws.target_acceptance for each in found] == [0.99, 0.99]
    assert compiling == [{"target_acceptance": 0.99}]
    # Of the other's own values, though the first one's posterior compiled it.
    own = compile_fit(other, target_acceptance=0.99)
    by_itself = draw_posterior(
        own.sampler, problem_of(other), seed=1, draws_per_chain=100
    )
    assert np.array_equal(found[1].draws.unconstrained, by_itself.unconstrained)
    assert not np.array_equal(found[0].draws.unconstrained, by_itself.unconstrained)
