"""Assembled systems: the fewest states for the form of a schedule."""

import math
from dataclasses import replace

import pbpk12_model
import pytest
import sympy

from pkmodels.administrations import Administration, Delivery, SteadyState, repeat
from pkmodels.definition import Fate, Model
from pkmodels.errors import InputError, ModelError
from pkmodels.exact import compile_exactly
from pkmodels.models import organ_exchange
from pkmodels.reactions import Reaction, flow
from pkmodels.schedule import Schedule, ScheduleForm, Window
from pkmodels.symbols import amounts, parameters, receptors
from pkmodels.system import System, assemble, linear_matrix

LUTETIUM = math.log(2.0) / 159.528
NAMES = ("P", "I", "C", "N", "K", "L")


def given(
    time: float = 0.0,
    duration: float = 0.0,
    label: str | None = "Lu-177",
    MBq: float = 200.0,
    nmol: float | None = 56.0,
    **details: object,
) -> Administration:
    return Administration(
        time,
        duration,
        "pentixather",
        label,
        MBq,
        ligand_nmol=nmol,
        **details,  # pyright: ignore[reportArgumentType]
    )


def system_of(*administrations: Administration) -> System:
    return assemble(pbpk12_model.model(), Schedule(administrations).form)


def tracers(system: System) -> int:
    return len(system.tracers)


def test_one_hot_fraction_needs_no_state_of_its_own() -> None:
    assert tracers(system_of(given())) == 0
    assert tracers(system_of(given(duration=0.5))) == 0
    # A second syringe of the same vial, a day later: the same fraction, decayed.
    half = given(24.0, MBq=100.0 * math.exp(-24.0 * LUTETIUM), nmol=28.0)
    assert tracers(system_of(given(), half)) == 0
    assert len(system_of(given()).states) == len(NAMES) + 2


@pytest.mark.parametrize(
    "administrations",
    [
        (given(), given(24.0)),  # as hot as the first at its own time
        (given(), given(24.0, label=None, MBq=0.0)),
        (given(duration=0.5, delivered=Delivery.CONSTANT),),
        (given(steady_state=SteadyState(24.0)),),
    ],
)
def test_another_time_or_ratio_needs_one_copy(
    administrations: tuple[Administration, ...],
) -> None:
    system = system_of(*administrations)
    assert tracers(system) == len(NAMES)
    # Occupancy needs the amounts that bind, and what they are released from.
    assert {str(a) for a in system.amounts} == {*NAMES, "RTf", "RKf"}


def test_each_label_in_another_ratio_has_a_copy() -> None:
    system = system_of(given(), given(168.0, label="Y-90", MBq=5000.0, nmol=186.0))
    assert [tracer.slot for tracer in system.tracers] == [0] * 6 + [1] * 6
    symbols = [constant.symbol.name for constant in system.decay_constants]
    assert symbols == ["decay_constant_label_1", "decay_constant_label_2"]


def test_what_is_not_needed_for_the_labels_is_left_out() -> None:
    plasma, bound, gone = amounts("plasma bound gone", unit="nmol")
    (receptor,) = receptors("receptor", unit="nmol")
    (on,) = parameters("on", unit="1/(nmol h)")
    (lost,) = parameters("lost", unit="1/h")
    model = Model(
        "sink",
        (
            Reaction(
                "bind",
                ((plasma, 1), (receptor, 1)),
                ((bound, 1),),
                on * plasma * receptor,
            ),
            flow("lost", plasma, gone, lost * plasma),
        ),
        {"intravenous": plasma},
        {"gone": gone},
        {receptor: parameters("sites", unit="nmol")[0]},
    )
    schedule = Schedule((given(), given(24.0)))
    system = assemble(model, schedule.form)
    assert {str(a) for a in system.amounts} == {"plasma", "receptor"}
    assert {str(t.amount) for t in system.tracers} == {"plasma", "bound", "gone"}


def test_a_linear_model_has_one_set_of_states_for_every_label() -> None:
    model = organ_exchange.model(("kidney", "liver"))
    both = Schedule((given(nmol=None), given(24.0, label="Y-90", nmol=None)))
    one = Schedule((given(label="Ga-68"),))
    first, second = (assemble(model, schedule.form) for schedule in (both, one))
    assert first == second
    assert (first.labels, first.tracers) == ((), ())
    assert first.matrix is not None


def test_a_competitor_that_is_not_given_has_no_states() -> None:
    plasma, bound = amounts("plasma bound", unit="nmol", ligand="pentixather")
    blocker, blocked = amounts("blocker blocked", unit="nmol", ligand="AMD3100")
    (receptor,) = receptors("receptor", unit="nmol")
    (on,) = parameters("on", unit="1/(nmol h)")
    (sites,) = parameters("sites", unit="nmol")
    reactions = tuple(
        Reaction(
            f"bind_{free}",
            ((free, 1), (receptor, 1)),
            ((held, 1),),
            on * free * receptor,
        )
        for free, held in ((plasma, bound), (blocker, blocked))
    )
    model = Model(
        "competition",
        reactions,
        {"intravenous": (plasma, blocker)},
        {"bound": bound},
        {receptor: sites},
    )
    alone = assemble(model, Schedule((given(),)).form)
    assert {str(a) for a in alone.amounts} == {"plasma", "bound", "receptor"}
    block = Administration(0.0, 0.0, "AMD3100", ligand_nmol=4000.0)
    together = assemble(model, Schedule((block, given())).form)
    # Nothing comes back from what is blocked, so that nothing depends on it.
    assert {*alone.amounts, blocker} == set(together.amounts)
    # The block is cold: the label on the other ligand keeps one hot fraction.
    assert tracers(together) == 0


def test_patients_of_one_form_share_one_compiled_system() -> None:
    model = organ_exchange.model(("kidney", "spleen"))
    patients = (
        Schedule(
            repeat(given(duration=0.5, MBq=7400.0, nmol=None), interval_h=8.0, count=4)
        ),
        Schedule((given(duration=0.25, MBq=200.0, nmol=None),)),
        Schedule((given(duration=3.0, label="Y-90", MBq=4000.0, nmol=None),)),
    )
    before = compile_exactly.cache_info().misses
    found = {id(compile_exactly(assemble(model, p.form))) for p in patients}
    assert len(found) == 1
    assert compile_exactly.cache_info().misses == before + 1


def test_the_form_of_a_schedule_knows_no_amounts_or_times() -> None:
    one, two = Schedule((given(),)), Schedule((given(3.0, MBq=7.0, nmol=1.0),))
    assert one.form == two.form
    assert one.form.routes == (("pentixather", "intravenous"),)
    assert Schedule((given(duration=0.5),)).form.infusions
    assert not Schedule((given(nmol=None),)).form.amounts_known
    assert Schedule((given(), given(label="Y-90"))).form.labels[0].proportional is False


def test_a_matrix_is_found_only_where_there_is_one() -> None:
    x, y = amounts("x y", unit="nmol")
    assert linear_matrix((x, y), (2 * x - y,)) == sympy.Matrix([[2, -1]])
    assert linear_matrix((x, y), (x + 1,)) is None
    assert linear_matrix((x, y), (x * y,)) is None
    assert linear_matrix((x, y), (x * (y + 1) - x * y,)) == sympy.Matrix([[1, 0]])


def test_free_label_is_a_ligand_of_its_own() -> None:
    held, free = (
        amounts("held", unit="nmol"),
        amounts("free", unit="nmol", ligand="free Lu"),
    )
    (out,) = parameters("out", unit="1/h")
    reactions = tuple(flow(f"out_{a}", a, None, out * a) for a in (*held, *free))
    model = Model(
        "two", reactions, {"intravenous": (*held, *free)}, {"both": held[0] + free[0]}
    )
    schedule = Schedule((given(free_label_fraction=0.02),))
    assert schedule.slots() == (("pentixather", "Lu-177"), ("free Lu", "Lu-177"))
    assert len(assemble(model, schedule.form).states) == 2
    with pytest.raises(ModelError, match="no ligand 'free Lu': known: ligand; make am"):
        assemble(organ_exchange.model(("kidney",)), schedule.form)


def test_schedules_refuse_what_cannot_be() -> None:
    with pytest.raises(InputError, match="every molecule"):
        given(MBq=5000.0, nmol=5.0)
    given(MBq=3633.0, nmol=5.0)  # 5 nmol x 726.8 MBq/nmol = 3634 MBq
    with pytest.raises(InputError, match="at -1 h: time_h is -1"):
        given(-1.0)
    with pytest.raises(InputError, match=r"free_label_fraction is 1\.5"):
        given(free_label_fraction=1.5)
    with pytest.raises(InputError, match="ligand_nmol is 0"):
        given(nmol=0.0)
    with pytest.raises(InputError, match="without a label: say which"):
        given(label=None)
    with pytest.raises(InputError, match="the windows from 0 and 2 h overlap"):
        Schedule((), (Window("block", 2.0, 5.0, 1.0), Window("block", 0.0, 3.0, 1.0)))
    with pytest.raises(InputError, match="from 5 to 2 h is empty"):
        Window("block", 5.0, 2.0, 1.0)
    with pytest.raises(InputError, match="the interval must be > 0 and the count"):
        repeat(given(), interval_h=0.0, count=3)


def test_what_saturates_needs_the_amount_of_ligand() -> None:
    schedule = Schedule((given(nmol=None),))
    with pytest.raises(ModelError, match="state ligand_nmol of every administration"):
        assemble(pbpk12_model.model(), schedule.form)


def test_a_daughter_without_a_fate_is_refused() -> None:
    model = organ_exchange.model(("kidney",))
    form = Schedule((given(label="Ac-225", MBq=8.0, nmol=None),)).form
    with pytest.raises(
        ModelError, match="Ac-225 decays into Fr-221, and the model does"
    ):
        assemble(model, form)
    fates = dict.fromkeys(("Fr-221", "Bi-213", "Tl-209", "Pb-209"), Fate.WITH_LIGAND)
    assert len(assemble(replace(model, daughters=fates), form).tracers) == 2 * 5


def test_a_label_that_cannot_be_followed_is_refused() -> None:
    one, two, pair = amounts("one two pair", unit="nmol")
    (on,) = parameters("on", unit="1/(nmol h)")
    dimer = Reaction("dimer", ((one, 2),), ((pair, 1),), on * one**2)
    model = Model("dimer", (dimer,), {"intravenous": one}, {"pair": pair})
    schedule = Schedule((given(), given(24.0)))
    with pytest.raises(ModelError, match="turns 2 molecules of ligand into 1 in a way"):
        assemble(model, schedule.form)
    (rate,), (scale,) = parameters("rate", unit="nmol/h"), parameters("s", unit="nmol")
    root = flow("root", one, two, rate * sympy.sqrt(one / scale))
    model = Model("root", (root,), {"intravenous": one}, {"two": two})
    with pytest.raises(ModelError, match="has no value where one = 0, so that a label"):
        assemble(model, schedule.form)


def test_the_route_must_take_the_ligand() -> None:
    form = ScheduleForm((("dotatate", "oral"),))
    with pytest.raises(ModelError, match="no route 'oral' for dotatate: known: intrav"):
        assemble(organ_exchange.model(("kidney",)), form)
