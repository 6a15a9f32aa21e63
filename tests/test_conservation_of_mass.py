"""Random reaction networks: what is conserved on paper is conserved in time."""

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from pkmodels.administrations import Administration
from pkmodels.definition import Model, derivatives
from pkmodels.reactions import Reaction
from pkmodels.schedule import Schedule
from pkmodels.symbols import Amount, Parameter
from pkmodels.system import assemble
from pkmodels.trajectory import simulate

TIMES = np.array([0.0, 0.3, 2.0, 30.0])
PLACES = 4


@st.composite
def networks(draw: st.DrawFn) -> tuple[Model, dict[str, float]]:
    """Ligand that moves, binds and saturates between places; nothing is lost."""
    places = [Amount(f"x{i}", "nmol") for i in range(PLACES)]
    free = [Amount(f"r{i}", "nmol", "") for i in range(PLACES)]
    moves = draw(
        st.lists(
            st.tuples(
                st.integers(0, PLACES - 1),
                st.integers(0, PLACES - 1),
                st.sampled_from(["first order", "saturable", "binding", "release"]),
                st.floats(0.01, 3.0),
            ).filter(lambda move: move[0] != move[1]),
            min_size=1,
            max_size=8,
        )
    )
    reactions, values = [], {"half": 5.0, "sites": 20.0}
    half, sites = Parameter("half", "nmol"), Parameter("sites", "nmol")
    for number, (source, target, kind, rate) in enumerate(moves):
        x, y, r = places[source], places[target], free[target]
        k = Parameter(f"k{number}", "1/h")
        values[k.name] = rate
        left, right = ((x, 1),), ((y, 1),)
        if kind == "saturable":
            speed = k * half * x / (half + x)
        elif kind == "binding":
            left, speed = (*left, (r, 1)), k * x * r / half
        elif kind == "release":
            right, speed = (*right, (free[source], 1)), k * x
        else:
            speed = k * x
        reactions.append(Reaction(f"v{number}", left, right, speed))
    known = {a for reaction in reactions for a, _ in reaction.reactants}
    known |= {a for reaction in reactions for a, _ in reaction.products}
    start = {a: sites for a in (*places, *free) if a in known}
    route = next(a for a in places if a in known)
    return Model("net", tuple(reactions), {"intravenous": route}, {}, start), values


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(networks())
def test_ligand_is_neither_made_nor_lost(drawn: tuple[Model, dict[str, float]]) -> None:
    model, values = drawn
    rates = derivatives(model)
    ligand = [amount for amount in rates if amount.ligand]
    assert sympy.expand(sympy.Add(*(rates[amount] for amount in ligand))) == 0
    schedule = Schedule((Administration(0.1, 0.5, "x", ligand_nmol=40.0),))
    system = assemble(model, schedule.form)
    used = {str(p): values[str(p)] for p in system.parameters}
    found = simulate(system, used, schedule, TIMES)
    total = sum(found.amounts[str(amount)] for amount in ligand)
    given_until = 40.0 * np.clip((TIMES - 0.1) / 0.5, 0.0, 1.0)
    start = 20.0 * sum(amount in model.start for amount in ligand)
    np.testing.assert_allclose(total, start + given_until, rtol=1e-7)
