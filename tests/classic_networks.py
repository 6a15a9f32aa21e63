"""Networks whose conserved totals, steady states and linearity are known by hand."""

from math import gcd

import sympy
from hypothesis import strategies as st

from pkmodels.definition import Model
from pkmodels.reactions import Reaction, flow
from pkmodels.symbols import Amount, amounts, parameters, receptors

LIGAND, BOUND, INSIDE, URINE = amounts("free bound inside urine", unit="nmol")
(RECEPTOR,) = receptors("receptor", unit="nmol")
(ON,) = parameters("on", unit="1/(nmol h)")
OFF, IN, BACK, LOSS, OUT = parameters("off in_ back loss out", unit="1/h")
MADE, GIVEN, FASTEST = parameters("made given fastest", unit="nmol/h")
HALF, SITES = parameters("half sites", unit="nmol")

BINDING = (
    Reaction(
        "binding", ((LIGAND, 1), (RECEPTOR, 1)), ((BOUND, 1),), ON * LIGAND * RECEPTOR
    ),
    Reaction("release", ((BOUND, 1),), ((LIGAND, 1), (RECEPTOR, 1)), OFF * BOUND),
)
RECYCLING = (
    *BINDING,
    flow("internalization", BOUND, INSIDE, IN * BOUND),
    Reaction("recycling", ((INSIDE, 1),), ((RECEPTOR, 1),), BACK * INSIDE),
)
TURNOVER = (
    *BINDING,
    flow("internalization", BOUND, None, IN * BOUND),
    flow("synthesis", None, RECEPTOR, MADE),
    flow("degradation", RECEPTOR, None, LOSS * RECEPTOR),
    flow("elimination", LIGAND, None, OUT * LIGAND),
)


def model_of(*reactions: Reaction, **fields) -> Model:
    """A model that starts with something of everything, unless told otherwise."""
    found = {a: None for r in reactions for a, _ in (*r.reactants, *r.products)}
    given = {"start": dict.fromkeys(found, 1), "routes": {}, "observables": {}}
    return Model(name="made", reactions=reactions, **{**given, **fields})


def michaelis_menten() -> Model:
    (enzyme,) = receptors("enzyme", unit="nmol")
    substrate, complexed, made = amounts("substrate complexed made", unit="nmol")
    pair = ((enzyme, 1), (substrate, 1))
    return model_of(
        Reaction("forward", pair, ((complexed, 1),), ON * enzyme * substrate),
        Reaction("backward", ((complexed, 1),), pair, OFF * complexed),
        Reaction(
            "catalysis", ((complexed, 1),), ((enzyme, 1), (made, 1)), IN * complexed
        ),
    )


def prey_and_predator() -> Model:
    prey, predator = Amount("prey", "nmol", "a"), Amount("predator", "nmol", "b")
    return model_of(
        Reaction("birth", ((prey, 1),), ((prey, 2),), IN * prey),
        Reaction(
            "predation",
            ((prey, 1), (predator, 1)),
            ((predator, 2),),
            ON * prey * predator,
        ),
        flow("death", predator, None, OUT * predator),
    )


def sixty_states() -> Model:
    """Plasma and 14 organs, each with vessels, tissue, receptor and bound ligand."""
    (plasma,) = amounts("plasma", unit="nmol")
    reactions = []
    for i in range(15):
        vessel, tissue, bound = amounts(f"vessel{i} tissue{i} bound{i}", unit="nmol")
        (receptor,) = receptors(f"receptor{i}", unit="nmol")
        (flux,) = parameters(f"flow{i}", unit="1/h")
        pair = ((tissue, 1), (receptor, 1))
        reactions += [
            flow(f"arrival{i}", plasma, vessel, flux * plasma),
            flow(f"return{i}", vessel, plasma, flux * vessel),
            flow(f"leak{i}", vessel, tissue, IN * vessel),
            flow(f"unleak{i}", tissue, vessel, BACK * tissue),
            Reaction(f"bind{i}", pair, ((bound, 1),), ON * tissue * receptor),
            Reaction(f"part{i}", ((bound, 1),), pair, OFF * bound),
        ]
    return model_of(*reactions)


@st.composite
def networks(draw) -> tuple[Model, list[int]]:
    """Reactions that conserve a drawn positive combination, some of them saturable."""
    size = draw(st.integers(2, 7))
    states = amounts(" ".join(f"x{i}" for i in range(size)), unit="nmol")
    weight = draw(st.lists(st.integers(1, 3), min_size=size, max_size=size))
    reactions = []
    for number in range(draw(st.integers(1, 8))):
        sides = draw(
            st.lists(st.integers(0, size - 1), min_size=2, max_size=4, unique=True)
            if size > 3
            else st.permutations(range(size))
        )
        half = max(1, len(sides) // 2)
        left, right = sides[:half], sides[half:]
        into, out_of = (sum(weight[i] for i in side) for side in (left, right))
        common = gcd(into, out_of)
        rate = IN * sympy.prod([states[i] for i in left])
        if draw(st.booleans()):
            rate /= HALF + states[left[0]]
        reactions.append(
            Reaction(
                f"r{number}",
                tuple((states[i], out_of // common) for i in left),
                tuple((states[i], into // common) for i in right),
                rate,
            )
        )
    model = model_of(*reactions)
    place = {a: weight[states.index(a)] for a in model.amounts}
    return model, list(place.values())
