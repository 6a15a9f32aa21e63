"""Schedules lowered to arrays: what arrives where and when, and what is refused."""

import math
from dataclasses import replace

import numpy as np
import pytest
from courses import BINDING, BINDING_VALUES, ONE_COMPARTMENT, PLASMA, VALUES, K, bolus
from hypothesis import given
from hypothesis import strategies as st

from pkmodels.administrations import Administration, Delivery, SteadyState
from pkmodels.definition import Model
from pkmodels.errors import InputError
from pkmodels.inflows import Inflow, Portion
from pkmodels.nuclides import nuclide
from pkmodels.routes import Route
from pkmodels.schedule import Schedule, ScheduleForm, Window
from pkmodels.segments import Segments, distinct_times, filled_segments
from pkmodels.symbols import parameters
from pkmodels.system import System, assemble
from pkmodels.timeline import Timeline, lower
from pkmodels.trajectory import simulate

FORM = ScheduleForm(
    (("drug", "intravenous"), ("drug", "late")), infusions=True, amounts_known=True
)
SYSTEM = assemble(ONE_COMPARTMENT, FORM)
NO_LABELS = ScheduleForm((("drug", "intravenous"),), amounts_known=True)


def lowered(
    *given: Administration,
    label: str | None = None,
    windows: tuple[Window, ...] = (),
    resets_h: tuple[float, ...] = (),
    system: System = SYSTEM,
) -> Timeline:
    return lower(system, VALUES, Schedule(given, windows, resets_h), label)


def infusion(hours: float, nmol: float = 10.0, time: float = 0.0) -> Administration:
    return Administration(time, hours, "drug", ligand_nmol=nmol)


def test_every_jump_is_a_boundary() -> None:
    line = lowered(
        infusion(2.0),
        bolus(1.0, 5.0, route="late"),
        windows=(Window("closed", 3.0, math.inf, 0.5), Window("closed", -1.0, 1.0, 1)),
        resets_h=(9.0,),
    )
    assert line.boundaries_h.tolist() == [0.0, 1.0, 2.0, 3.0, 6.5, 9.0]
    segments = line.segments
    assert segments.rates[:, 0].tolist() == [5.0, 5.0, 0.0, 0.0, 0.0, 0.0]
    assert segments.added[:, 0].tolist() == [0.0, 0.0, 0.0, 0.0, 0.4, 0.0]
    assert segments.inputs[:, 0].tolist() == [1.0, 0.0, 0.0, 0.5, 0.5, 0.5]
    assert segments.resets.tolist() == [False] * 5 + [True]


def test_times_that_differ_by_rounding_are_one() -> None:
    line = lowered(infusion(0.3), bolus(1.0, 0.1 + 0.2))
    assert line.boundaries_h.tolist() == [0.0, 0.3]
    assert line.segments.added[:, 0].tolist() == [0.0, 1.0]
    assert line.segments.rates[:, 0].tolist() == [10.0 / 0.3, 0.0]


def test_infusions_into_one_amount_add_up() -> None:
    line = lowered(infusion(4.0), infusion(4.0, 20.0, 2.0))
    assert line.segments.rates[:, 0].tolist() == [2.5, 7.5, 5.0, 0.0]


def test_syringe_is_as_old_as_it_is_at_each_boundary() -> None:
    hot = Administration(0.0, 4.0, "drug", "Ga-68", 100.0)
    line = lowered(hot, label="Ga-68", windows=(Window("closed", 1.0, 9.0, 1.0),))
    decay = math.log(2.0) * 60.0 / 67.71  # Ga-68, 67.71 min (ICRP 107)
    rates = line.segments.syringe_rates[:, 0]
    assert rates == pytest.approx([25.0, 25.0 * math.exp(-decay), 0.0, 0.0])
    assert line.loss_per_h == pytest.approx(decay)
    assert line.syringe_decay_per_h == pytest.approx([decay])
    constant = replace(hot, delivered=Delivery.CONSTANT)
    assert lowered(constant, label="Ga-68").segments.rates[0, 0] == 25.0


def test_other_labels_are_not_in_the_line_of_one() -> None:
    given = (
        Administration(0.0, 0.0, "drug", "Ga-68", 100.0),
        Administration(1.0, 0.0, "drug", "Lu-177", 50.0),
    )
    line = lowered(*given, label="Lu-177")
    assert line.boundaries_h.tolist() == [0.0, 1.0]
    assert line.segments.added[:, 0].tolist() == [0.0, 50.0]


def brought(segments: Segments) -> float:
    """Return all that flows into the only state, were there no decay."""
    lengths = np.diff(segments.boundaries_h)
    assert not segments.rates[-1].any()
    return float(segments.added.sum() + lengths @ segments.rates[:-1, 0])


SHORT = (1e-13, 1e-12, 1.000000000001e-12, 1.1e-12, 2e-12, 1e-10, 1e-9, 1.1e-9, 3e-9)


@pytest.mark.parametrize("time", [0.0, 0.1 + 0.2, 5.0, 1000.0])
@pytest.mark.parametrize("hours", [*SHORT, 1e-6])
def test_short_infusions_are_as_boluses(hours: float, time: float) -> None:
    """What is there 10 h after 10 nmol is 10 exp(-10 k), however short the infusion."""
    window = Window("closed", 1e6, 2e6, 1.0)  # so that it is not solved in closed form
    schedule = Schedule((infusion(hours, time=time),), (window,))
    found = simulate(SYSTEM, VALUES, schedule, np.array([time + 10.0]))
    expected = 10.0 * math.exp(-10.0 * K)
    assert found.observables["plasma"] == pytest.approx([expected], rel=1e-6)
    segments = lower(SYSTEM, VALUES, schedule).segments
    assert brought(segments) == pytest.approx(10.0, rel=1e-14)


def test_short_infusions_of_a_label_have_their_time_integrals() -> None:
    """A / (k + lambda), also by a route of modelled length."""
    decay = nuclide("Lu-177").decay_constant_per_h
    (long,) = parameters("long", unit="h")
    system = with_route(Route(PLASMA, duration_h=long))
    for hours in (0.0, 1e-13, 1e-9, 1e-6):
        hot = Administration(1000.0, hours, "drug", "Lu-177", 7.0, ligand_nmol=1.0)
        modelled = replace(hot, duration_h=0.0, modelled=True)
        for values, dose, solved in (
            (VALUES, hot, SYSTEM),
            ({"k": K, "long": hours}, modelled, system),
        ):
            found = simulate(solved, values, Schedule((dose,)), np.ones(1))
            (area,) = found.time_integrals.values()
            assert area == pytest.approx(7.0 / (K + decay), rel=1e-6)


@pytest.mark.parametrize("time", [0.0, 1000.0])
@pytest.mark.parametrize("lag", [0.0, 3.0, 6.5])
@pytest.mark.parametrize("hours", [1e-13, 3e-12, 1e-10, 1e-6])
def test_short_infusions_that_are_repeated(
    hours: float, lag: float, time: float
) -> None:
    """What is left of all doses, 3 h apart, that have arrived by then."""
    dose = replace(
        infusion(hours, time=time), route="late", steady_state=SteadyState(3.0)
    )
    values = {"k": K, "lag": lag, "fraction": 1.0}
    after = np.array([2.9, 20.0])
    found = simulate(SYSTEM, values, Schedule((dose,)), time + after)
    arrived = lag - 3.0 * np.arange(200)
    elapsed = after[:, None] - arrived
    left = np.where(elapsed >= 0.0, np.exp(-K * np.maximum(elapsed, 0.0)), 0.0)
    expected = 10.0 * left.sum(axis=1)
    assert found.observables["plasma"] == pytest.approx(expected.tolist(), rel=1e-6)


@pytest.mark.parametrize(("hours", "lag"), [(1e-13, 0.0), (1e-13, 1e-13), (0.5, 1e-11)])
def test_endless_infusions_have_the_rate_that_they_state(
    hours: float, lag: float
) -> None:
    """A steady state of 6 nmol/h over k, which the last dose ends at 1000 h."""
    dose = replace(
        infusion(hours, 6.0 * hours, 1000.0),
        route="late",
        steady_state=SteadyState(0.0),
    )
    values = {"k": K, "lag": lag, "fraction": 1.0}
    times = np.array([1000.0, 1004.0])
    found = simulate(SYSTEM, values, Schedule((dose,)), times)
    expected = [6.0 / K, 6.0 / K * math.exp(-4.0 * K)]
    assert found.observables["plasma"] == pytest.approx(expected, rel=1e-6)


@given(
    start=st.floats(0.0, 4.0),
    hours=st.floats(0.0, 4.0),
    others=st.lists(st.floats(0.0, 8.0), max_size=4),
    by=st.sampled_from([0.0, 5.0, 1000.0]),
)
def test_amounts_are_kept_where_times_are_taken_for_others(
    start: float, hours: float, others: list[float], by: float
) -> None:
    """Jumps around a short infusion, all within a few roundings of one time."""
    rounding = 1e-12 * max(by, 1.0)
    portion = Portion(0, 10.0, 0.0, hours * rounding, 0.0, Delivery.CONSTANT)
    inflow = portion.inflow(by + start * rounding)
    around = [inflow.start_h, inflow.end_h, *(by + t * rounding for t in others)]
    times = distinct_times(around)
    none = np.zeros(len(times), np.bool_)
    found = filled_segments(1, times, none, [inflow], [])
    assert brought(found) == pytest.approx(10.0, rel=1e-12)


def test_what_is_left_of_an_infusion_is_not_lost() -> None:
    """A reset a rounding after an infusion of 1 h begins; what is moved is kept."""
    long = Inflow(0, 0.0, 1.0, 5.0, 0.0)
    short = long.within(0.0, 3e-12)
    assert (short.start_h, short.end_h, short.value) == (0.0, 3e-12, 5.0)
    late = short.moved(1000.0)
    assert (late.start_h, late.end_h, late.value) == (1000.0, 1000.0, 1.5e-11)
    assert late.within(0.0, 2000.0) == late


@pytest.mark.parametrize(("start", "end"), [(-2.0, -1.0), (3.0, 3.0 + 1e-13)])
def test_an_inflow_that_would_be_lost_is_refused(start: float, end: float) -> None:
    times, none = np.array([0.0, 3.0]), np.zeros(2, np.bool_)
    with pytest.raises(InputError, match=r"the inflow of 5 from .* lies in no segment"):
        filled_segments(1, times, none, [Inflow(0, start, end, 5.0, 0.0)], [])


def with_route(route: Route) -> System:
    model = Model(
        "modelled", ONE_COMPARTMENT.reactions, {"intravenous": route}, {"x": PLASMA}
    )
    form = ScheduleForm(NO_LABELS.routes, infusions=True, amounts_known=True)
    return assemble(model, form)


def test_modelled_duration_and_rate() -> None:
    (long,), (fast,) = parameters("long", unit="h"), parameters("fast", unit="nmol/h")
    (part,) = parameters("part", unit="1")
    dose = replace(bolus(12.0), modelled=True)
    values = {"k": K, "long": 4.0, "part": 0.5}
    system = with_route(Route(PLASMA, bioavailability=part, duration_h=long))
    line = lower(system, values, Schedule((dose,)))
    assert line.boundaries_h.tolist() == [0.0, 4.0]
    assert line.segments.rates[0, 0] == 1.5
    values = {"k": K, "fast": 2.0, "part": 0.5}
    system = with_route(Route(PLASMA, bioavailability=part, rate_per_h=fast))
    line = lower(system, values, Schedule((dose,)))
    assert line.boundaries_h.tolist() == [0.0, 3.0]
    assert line.segments.rates[0, 0] == 2.0
    with pytest.raises(InputError, match="has neither duration_h nor rate_per_h"):
        lowered(dose)


def test_held_rate_shortens_the_infusion() -> None:
    given = replace(infusion(5.0), route="late")
    slower = lowered(given)
    assert slower.boundaries_h.tolist() == [0.0, 1.5, 6.5]
    assert slower.segments.rates[1, 0] == pytest.approx(0.4 * 2.0)
    shorter = lowered(replace(given, holds_rate=True))
    assert shorter.boundaries_h.tolist() == [0.0, 1.5, 3.5]
    assert shorter.segments.rates[1, 0] == pytest.approx(2.0)
    with pytest.raises(InputError, match="holds_rate needs the rate"):
        replace(given, ligand_nmol=None, holds_rate=True)


@pytest.mark.parametrize("resets", [(2.0,), ()])
def test_what_a_reset_or_a_replacing_steady_state_ends(
    resets: tuple[float, ...],
) -> None:
    given = [infusion(5.0), bolus(1.0, 1.0, route="late"), bolus(7.0, 2.0)]
    if not resets:
        given[2] = replace(given[2], steady_state=SteadyState(4.0))
    line = lowered(*given, resets_h=resets)
    assert line.boundaries_h.tolist() == [0.0, 2.0]
    assert line.segments.rates[:, 0].tolist() == [2.0, 0.0]
    assert line.segments.added[:, 0].tolist() == [0.0, 7.0]
    assert [dose.boundary for dose in line.steady] == ([] if resets else [1])


def test_of_two_steady_states_at_one_time_the_last_replaces() -> None:
    first = bolus(1.0, 2.0, steady_state=SteadyState(4.0))
    line = lowered(first, replace(first, ligand_nmol=3.0))
    assert [dose.given.ligand_nmol for dose in line.steady] == [3.0]
    assert line.segments.added[:, 0].tolist() == [0.0, 3.0]
    adding = replace(first, steady_state=SteadyState(4.0, adds=True))
    assert len(lowered(first, adding).steady) == 2


def test_one_interval_of_a_steady_state() -> None:
    """Infusions of 5 h each 2 h, with a lag of 3 h: two or three at a time."""
    dose = replace(infusion(5.0), route="late", steady_state=SteadyState(2.0))
    line = lower(SYSTEM, {**VALUES, "lag": 3.0}, Schedule((dose,)))
    (steady,) = line.steady
    assert steady.interval_h == 2.0
    assert steady.segments.boundaries_h.tolist() == [0.0, 1.0]
    assert steady.segments.rates[:, 0] == pytest.approx([2 * 0.8, 3 * 0.8])
    # Arrivals of 5 h each begin at -3, -1, 1 and 3 h.
    assert line.boundaries_h.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0]
    rates = line.segments.rates[:, 0] / 0.8
    assert rates == pytest.approx([2.0, 3.0, 2.0, 3.0, 2.0, 1.0, 0.0])


def test_sizes_of_states_are_those_of_their_ligand_or_label() -> None:
    dose = Administration(0.0, 0.0, "drug", "Lu-177", 30.0, ligand_nmol=0.1)
    later = Administration(9.0, 0.0, "drug", "Lu-177", 20.0, ligand_nmol=0.1)
    schedule = Schedule((dose, later))
    line = lower(assemble(BINDING, schedule.form), BINDING_VALUES, schedule)
    names = [str(state) for state in line.system.states]
    sizes = dict(zip(names, line.scales.tolist(), strict=True))
    assert sizes["plasma"] == sizes["bound"] == pytest.approx(0.2)
    assert sizes["free"] == 20.0
    assert sizes["plasma_label_1"] == 50.0


def test_label_named_where_all_have_states_changes_nothing() -> None:
    """There decay is in the equations already."""
    hot = Administration(0.0, 2.0, "drug", "Lu-177", 30.0, ligand_nmol=1.0)
    schedule = Schedule((hot, replace(hot, time_h=5.0)))
    system = assemble(BINDING, schedule.form)
    one = lower(system, BINDING_VALUES, schedule, "Lu-177")
    other = lower(system, BINDING_VALUES, schedule)
    assert one.loss_per_h == other.loss_per_h == 0.0
    for name in ("added", "rates", "syringe_rates"):
        ours, theirs = getattr(one.segments, name), getattr(other.segments, name)
        assert ours.tolist() == theirs.tolist()


def message(*given: Administration, **details: object) -> str:
    with pytest.raises(InputError) as error:
        lowered(*given, **details)  # type: ignore[arg-type]
    return str(error.value)


def test_unknown_names_suggest_the_nearest() -> None:
    text = message(bolus(1.0), windows=(Window("closd", 0.0, 1.0, 1.0),))
    assert text == (
        "the schedule sets 'closd', which 'one compartment' does not have as an input: "
        "did you mean 'closed'? Known: closed"
    )
    hot = Administration(0.0, 0.0, "drug", "Ga-68", 100.0)
    assert message(hot, label="Lu-177") == (
        "the schedule does not give 'Lu-177': known: Ga-68"
    )
    text = message(replace(bolus(1.0), route="lat"))
    assert "for drug by the route 'lat': did you mean 'late'?" in text


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({**VALUES, "lagg": 1.0}, "no parameter 'lagg': did you mean 'lag'?"),
        ({"k": K, "lag": 1.5}, "parameter 'fraction' has no value: give each of"),
        ({**VALUES, "k": -1.0}, "parameter 'k' is -1; it must be >= 0"),
        ({**VALUES, "k": math.nan}, "parameter 'k' is nan; it must be >= 0"),
    ],
)
def test_parameters_are_checked(values: dict[str, float], text: str) -> None:
    with pytest.raises(InputError, match=text.replace("?", r"\?")):
        lower(SYSTEM, values, Schedule((bolus(1.0),)))


def test_unknown_amount_of_ligand() -> None:
    hot = Administration(0.0, 0.0, "drug", "Ga-68", 100.0)
    text = message(hot)
    assert text == (
        "administration of drug with Ga-68 at 0 h: the amounts of 'one compartment' in "
        "nmol need ligand_nmol of every administration: state it, or ask for a label"
    )
    assert lowered(hot, label="Ga-68").segments.added[0, 0] == 100.0


def test_other_forms_are_refused() -> None:
    bolus_only = assemble(ONE_COMPARTMENT, NO_LABELS)
    text = message(infusion(2.0), system=bolus_only)
    assert text.startswith("administration of drug at 0 h takes 2 h, but")
    hot = Administration(0.0, 0.0, "drug", "Lu-177", 30.0, ligand_nmol=1.0)
    alone, twice = Schedule((hot,)), Schedule((hot, replace(hot, time_h=5.0)))
    assert alone.form.labels[0].proportional
    assert not twice.form.labels[0].proportional
    system = assemble(BINDING, alone.form)
    with pytest.raises(InputError, match="or for a constant ratio of label to ligand"):
        lower(system, BINDING_VALUES, twice)
    lower(assemble(BINDING, twice.form), BINDING_VALUES, alone)
    actinium = Administration(0.0, 0.0, "drug", "Ac-225", 1.0, ligand_nmol=1.0)
    assert "without the daughters of Ac-225" in message(actinium, label="Ac-225")


def test_superposition_needs_a_linear_system_that_starts_empty() -> None:
    dose = bolus(1.0, steady_state=SteadyState(4.0, adds=True))
    schedule = Schedule((dose,))
    system = assemble(BINDING, schedule.form)
    with pytest.raises(InputError, match="two courses do not add up"):
        lower(system, BINDING_VALUES, schedule)


def test_endless_infusions_need_a_rate_and_a_label_that_lasts() -> None:
    steady = SteadyState(0.0)
    assert "has no rate" in message(bolus(1.0, steady_state=steady))
    hot = Administration(0.0, 1.0, "drug", "Ga-68", 5.0, steady_state=steady)
    assert "say delivered='constant'" in message(hot, label="Ga-68")


@pytest.mark.parametrize("time", [-1.0, math.inf])
def test_resets_from_0_on(time: float) -> None:
    assert "it must be at 0 h or later" in message(bolus(1.0), resets_h=(time,))
