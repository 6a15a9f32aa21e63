"""Many parameter sets at once show what each shows by itself, or say why not."""

import json
import logging
import math
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from course_cases import CASES, EARLY, READINGS
from courses import LUTETIUM, TIMES, bolus
from parameter_sets import EXCHANGE, HOURS, SYRINGE, one_of, spread, together
from pbpk12_model import TRUE_VALUES
from pbpk12_model import model as pbpk12
from test_pitfalls import SITES, B, P, V, binder, dose
from test_pitfalls import VALUES as BINDER_VALUES

from pkmodels.administrations import Administration
from pkmodels.batches import Ending
from pkmodels.compiled import compile_system
from pkmodels.definition import Model
from pkmodels.errors import InputError, ModelError
from pkmodels.frames import frame_means
from pkmodels.kernels import choice
from pkmodels.models import organ_exchange
from pkmodels.observables import percent_administered, standardized_uptake
from pkmodels.populations import Sets, gather_sets, simulate_sets
from pkmodels.reactions import flow
from pkmodels.schedule import Schedule, Window
from pkmodels.symbols import Parameter, amounts, inputs
from pkmodels.system import assemble
from pkmodels.trajectory import simulate


def assert_as_alone(
    model: Model,
    schedule: Schedule,
    values: Mapping[str, Any],
    *,
    relative: float = 1e-6,
    **how: Any,
) -> Sets:
    """Refuse anything that differs from simulate of each set."""
    found = together(model, schedule, values, **how)
    system = assemble(model, schedule.form)
    same = {name: how[name] for name in ("label", "before") if name in how}
    for number in range(len(found)):
        assert found.endings[number] == Ending.SOLVED
        alone = simulate(
            system, one_of(values, number), schedule, how.get("times", HOURS), **same
        )
        assert found.label == alone.label
        assert dict(found.units) == dict(alone.units)
        assert dict(found.unread) == dict(alone.unread)
        assert set(found.observables) == set(alone.observables)
        for name, curve in alone.observables.items():
            np.testing.assert_allclose(
                found.observables[name][number],
                curve,
                rtol=relative,
                # Of what has all but gone, or is 0 up to rounding.
                atol=1e-9 * np.nanmax(np.abs(curve)),
                err_msg=f"{name} of set {number}",
            )
    return found


@pytest.mark.parametrize("label", ["Lu-177", "Ga-68", "ligand"])
def test_a_linear_model_shows_each_label(label: str) -> None:
    schedule = Schedule(
        (
            Administration(0.0, 0.5, "x", "Lu-177", 100.0, ligand_nmol=10.0),
            Administration(1.0, 0.0, "x", "Ga-68", 50.0, ligand_nmol=5.0),
        )
    )
    model = organ_exchange.model(("kidney",))
    assert_as_alone(model, schedule, spread(EXCHANGE, 9), label=label)


SECOND = Administration(2.0, 0.5, "ligand", "Ga-68", 90.0, ligand_nmol=9.0)


def test_pbpk12_in_proportion_to_its_ligand() -> None:
    values = spread(TRUE_VALUES, 12, sd=0.5)
    assert_as_alone(pbpk12(), Schedule((SYRINGE,)), values)


@pytest.mark.parametrize("label", ["Ga-68", "ligand"])
def test_pbpk12_with_two_syringes_and_dialysis(label: str) -> None:
    (P,), (dialysis,) = (
        amounts("P", unit="nmol"),
        inputs("dialysis", unit="1/h", otherwise=0.0),
    )
    model = pbpk12()
    washed = flow("dialysis", P, None, dialysis * P)
    model = replace(model, reactions=(*model.reactions, washed))
    windows = (Window("dialysis", 1.0, 3.0, 0.7), Window("dialysis", 24.0, 28.0, 0.5))
    schedule = Schedule((SYRINGE, SECOND), windows)
    assert_as_alone(model, schedule, spread(TRUE_VALUES, 12, sd=0.5), label=label)


@pytest.mark.parametrize(
    "name",
    [
        "late and in part",
        "windows without end",
        "resets",
        "label in the syringe",
        "labels on a saturable ligand",
        "daughters",
        "modelled",
        "free label",
    ],
)
def test_all_that_a_schedule_can_do(name: str) -> None:
    case = CASES[name]
    label = case.label or (case.schedule.labels or ("ligand",))[-1]
    how = {"label": label, "times": READINGS, "before": EARLY}
    assert_as_alone(case.model, case.schedule, spread(case.values, 5), **how)


def test_observables_of_what_was_given_are_the_same() -> None:
    body, free = Parameter("body", "g"), SITES - B
    model = binder(
        percent=percent_administered(P, decay_corrected=True),
        uptake=standardized_uptake(P / V, body),
        occupancy=B / SITES,
        free=free,
    )
    values = spread({**BINDER_VALUES, "body": 7e4}, 4)
    found = assert_as_alone(model, Schedule((dose(time=1.0),)), values)
    assert "free" in found.unread
    assert np.isnan(found.observables["uptake"][:, 0]).all()  # 0 / 0 before the dose


def test_what_is_always_0_is_a_float() -> None:
    """Where nothing is given no label is followed, and no ligand but the receptors."""
    case = CASES["nothing"]
    found = assert_as_alone(case.model, case.schedule, spread(case.values, 3))
    system = assemble(case.model, case.schedule.form)
    alone = simulate(system, case.values, case.schedule, HOURS)
    for curve in (found.observables["plasma"], alone.observables["plasma"]):
        assert curve.dtype == np.float64
        assert not curve.any()


@pytest.mark.parametrize("fraction", [1e-2, 1e-6, 1e-8])
@pytest.mark.parametrize("label", ["Lu-177", "ligand"])
def test_small_amounts_are_as_accurate_as_is_said(fraction: float, label: str) -> None:
    """What goes to the kidney, f a (exp(-b t) - exp(-a t)) / (a - b), with its decay.

    All sets are alike, since those that are solved at once share their steps.
    """
    a, b = math.log(2.0) / 1.0, math.log(2.0) / 60.0
    decay = 0.0 if label == "ligand" else LUTETIUM
    values = {**EXCHANGE, "fraction_kidney": np.full(8, fraction)}
    times = np.linspace(0.0, 400.0, 51)
    schedule = Schedule((dose(nmol=100.0, MBq=100.0),))
    model = organ_exchange.model(("kidney",))
    found = together(model, schedule, values, times=times, label=label)
    share = fraction * a / (a - b) * (np.exp(-b * times) - np.exp(-a * times))
    expected = 100.0 * share * np.exp(-decay * times)
    for curve in found.observables["kidney"]:
        np.testing.assert_allclose(curve, expected, rtol=1e-6, atol=1e-12 * 100.0)


def test_an_input_is_read_before_it_changes() -> None:
    (size,) = inputs("size", unit="1", otherwise=1.0)
    model = binder(seen=size * B)
    schedule = Schedule((dose(),), (Window("size", 1.0, 24.0, 3.0),))
    values = spread(BINDER_VALUES, 3)
    for before in (HOURS >= 0.0, HOURS < 2.0, HOURS > 2.0):
        assert_as_alone(model, schedule, values, before=before)


def test_a_closed_form() -> None:
    """X exp(-k t), for a thousand rates."""
    rates = np.linspace(0.0, 3.0, 1001)
    values = {"k": rates}
    model = Model(
        "one",
        (flow("out", P, None, Parameter("k", "1/h") * P),),
        {"intravenous": P},
        {"plasma": P},
    )
    found = together(model, Schedule((bolus(10.0),)), values, times=TIMES, chunk=300)
    truth = 10.0 * np.exp(-rates[:, None] * TIMES)
    np.testing.assert_allclose(found.observables["plasma"], truth, rtol=1e-6, atol=1e-8)
    np.testing.assert_array_equal(found.reached_h, TIMES[-1])


def test_chunks_stream_and_a_caller_may_stop() -> None:
    values, said = spread(EXCHANGE, 10), []
    schedule, model = Schedule((dose(),)), organ_exchange.model(("kidney",))
    system = assemble(model, schedule.form)
    stream = simulate_sets(
        system,
        values,
        schedule,
        HOURS,
        chunk=4,
        progress=lambda *line: said.append(line),
    )
    first = next(stream)
    assert (first.first, len(first), said) == (0, 4, [(4, 10)])
    rest = list(stream)
    assert [(s.first, len(s)) for s in rest] == [(4, 4), (8, 2)]
    assert said == [(4, 10), (8, 10), (10, 10)]
    whole = together(model, schedule, values, threads=1)
    for name, curve in whole.observables.items():
        joined = gather_sets([first, *rest]).observables[name]
        np.testing.assert_allclose(joined, curve, rtol=1e-6)
    with pytest.raises(InputError, match="set 8 follows set 3: give the chunks"):
        gather_sets([first, rest[1]])
    with pytest.raises(InputError, match="there are no sets to gather"):
        gather_sets([])


def test_mistakes_are_refused_before_anything_is_solved() -> None:
    schedule = Schedule((dose(),))
    model = organ_exchange.model(("kidney",))
    system = assemble(model, schedule.form)

    def ask(changed: Mapping[str, Any], **how: Any) -> None:
        simulate_sets(system, {**EXCHANGE, **changed}, schedule, HOURS, **how)

    name = "fraction_kidney"
    low, none = np.full(5, 0.1), np.full(5, 0.1)
    low[3], none[2] = -0.5, np.nan
    for values, message in (
        (low, "'fraction_kidney' of set 3 is -0.5; it must be >= 0"),
        (none, "'fraction_kidney' of set 2 is nan; it must be >= 0"),
        ("0.1", "'fraction_kidney' is '0.1': give a number, or one list"),
        (np.zeros((2, 2)), "'fraction_kidney' is array"),
        ([], r"'fraction_kidney' is \[\]: give a number"),
    ):
        with pytest.raises(InputError, match=message):
            ask({name: values})
    with pytest.raises(InputError, match="has 3 values, and 'fraction_kidney' 2"):
        ask({name: np.ones(2), "biological_half_life_kidney": np.ones(3)})
    with pytest.raises(InputError, match="no parameter 'fraction_kidny': did you"):
        ask({"fraction_kidny": np.ones(2)})
    with pytest.raises(InputError, match="no observable 'kidny': did you mean 'kidn"):
        ask({}, observables=["kidny"])
    with pytest.raises(InputError, match=r"is 'kidney': write \('kidney',\)"):
        ask({}, observables="kidney")
    with pytest.raises(InputError, match="no kernel 'nativ': did you mean 'native'"):
        ask({}, kernel="nativ")
    with pytest.raises(InputError, match="chunk is 0: give a whole number"):
        ask({}, chunk=0)
    with pytest.raises(InputError, match="threads is 0: give a whole number"):
        ask({}, threads=0)
    with pytest.raises(InputError, match=r"before has the shape \(2,\)"):
        ask({}, before=np.zeros(2, bool))
    with pytest.raises(InputError, match="the parameters is None"):
        simulate_sets(system, None, schedule, HOURS)  # pyright: ignore
    with pytest.raises(InputError, match="is 'x'"):
        simulate_sets("x", EXCHANGE, schedule, HOURS)  # pyright: ignore
    compiled: Any = compile_system(system)
    for refuses in (simulate_sets, simulate, frame_means):
        with pytest.raises(InputError, match=r"write compiled\.system, or use what"):
            refuses(compiled, EXCHANGE, schedule, HOURS)
    model = binder(tumour=B, sites=SITES - B)
    system = assemble(model, schedule.form)
    (found,) = simulate_sets(
        system, BINDER_VALUES, schedule, HOURS, observables=["tumour"]
    )
    assert list(found.observables) == ["tumour"]
    with pytest.raises(InputError, match="'sites' cannot be read of Lu-177: "):
        list(
            simulate_sets(system, BINDER_VALUES, schedule, HOURS, observables=["sites"])
        )


def test_the_xla_kernel_serves_where_there_is_no_native_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ModelError("no code for this processor")

    monkeypatch.setattr(choice, "native_kernel", refuse)
    schedule, values = Schedule((dose(),)), spread(EXCHANGE, 5)
    model = organ_exchange.model(("kidney",))
    with caplog.at_level(logging.WARNING, "pkmodels.kernels"):
        found = together(model, schedule, values, chunk=3)
    assert "no code for this processor" in caplog.text
    system = assemble(model, schedule.form)
    for number in range(5):
        alone = simulate(system, one_of(values, number), schedule, HOURS)
        np.testing.assert_allclose(
            found.observables["kidney"][number],
            alone.observables["kidney"],
            rtol=1e-6,
            atol=1e-9,
        )


MEMORY = """
import json, resource, numpy as np
from pkmodels import Administration, Schedule, assemble
from pkmodels.kernels.problem import Controls
from pkmodels.models import organ_exchange
from pkmodels.populations import simulate_sets

given = Schedule((Administration(0.0, 0.0, "x", "Lu-177", 100.0),))
system = assemble(organ_exchange.model(("kidney",)), given.form)
times = np.linspace(0.0, 48.0, 100)
peaks = []
for chunks, relative in ((2, 1e-4), (50, 1e-4), (2, 1e-12)):
    values = {
        "blood_half_time": 1.0,
        "fraction_kidney": np.linspace(0.0, 1.0, 1000 * chunks),
        "biological_half_life_kidney": 60.0,
    }
    size = 0
    controls = Controls(relative, 0.01 * relative)
    for sets in simulate_sets(
        system, values, given, times, chunk=1000, controls=controls
    ):
        size += sum(curve.nbytes for curve in sets.observables.values())
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(json.dumps([peaks, size]))
"""


def test_memory_grows_with_neither_sets_nor_steps() -> None:
    """50 chunks hold 80 MB; the peak of a process may rise by less than a fifth."""
    if sys.platform != "linux":
        pytest.skip("the peak of memory is read in kB, as Linux gives it")
    command = [sys.executable, "-c", MEMORY]
    ran = subprocess.run(command, check=True, capture_output=True, encoding="utf-8")
    (few, many, tight), size = json.loads(ran.stdout.splitlines()[-1])
    assert size == 2 * 1000 * 100 * 8
    assert many - few < 15_000
    assert tight - many < 5_000
