"""A fit that failed its checks runs once more, with smaller steps."""

from dataclasses import replace

from pkmodels.fitting import fit as module
from pkmodels.fitting import worked_example
from pkmodels.fitting.fit import compile_fit, fit
from pkmodels.fitting.paths import Path as Way


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
    found = [
        fit(posterior, seed=s, draws_per_chain=100, compiled=compiled, path=Way.NUTS)
        for s in (1, 2)
    ]
    assert [each.checks.attempts for each in found] == [2, 2]
    assert [each.draws.target_acceptance for each in found] == [0.99, 0.99]
    assert compiling == [{"target_acceptance": 0.99}]
