"""Variants of models: other names, another ligand, linked parameters."""

import re

import pytest
import sympy
from block_curves import settled
from pbpk12_model import model as pbpk12

from pkmodels.composition import merge
from pkmodels.definition import Fate, Model, derivatives
from pkmodels.errors import ModelError
from pkmodels.models import blocks, organ_exchange
from pkmodels.reactions import Reaction, flow
from pkmodels.routes import Route
from pkmodels.symbols import Amount, Parameter, amounts, inputs, parameters, receptors
from pkmodels.variants import for_ligand, prefixed, renamed, with_parameters

PLASMA, BOUND = amounts("plasma bound", unit="nmol")
(FREE,) = receptors("free", unit="nmol")
VOLUME, *_ = parameters("volume", unit="L")
(ON,) = parameters("on", unit="L/(nmol h)")
OFF, CLEARED, LOST = parameters("off cleared lost", unit="1/h")
(MADE,), (SITES,) = (
    parameters("made", unit="nmol/h"),
    parameters("sites", unit="nmol"),
)
(LAG,), (FRACTION,) = parameters("lag", unit="h"), parameters("fraction", unit="1")
(ACIDS,) = inputs("acids", unit="1", otherwise=0.0)


def tube(*more: Reaction) -> Model:
    """One ligand and its receptors in a tube."""
    return Model(
        "tube",
        (
            *blocks.binding(
                "site", PLASMA, FREE, BOUND, volume=VOLUME, k_on=ON, k_off=OFF
            ),
            *more,
        ),
        {"added": Route(PLASMA, lag_h=LAG, bioavailability=FRACTION)},
        {"occupancy": BOUND / (BOUND + FREE), "free": FREE},
        start={FREE: SITES},
        daughters={"Bi-213": {BOUND: PLASMA}, "Tl-209": Fate.IN_PLACE},
    )


def test_every_place_of_a_name_is_renamed() -> None:
    names = {"plasma": "blood", "volume": "space", "site_association": "on_rate"}
    names |= {"free": "vacant", "added": "given", "lag": "delay", "sites": "places"}
    model = renamed(tube(), names)
    (vacant,) = receptors("vacant", unit="nmol")
    blood, space = Amount("blood", "nmol"), Parameter("space", "L")
    delay = Parameter("delay", "h")
    assert model.reactions[0] == Reaction(
        "on_rate", ((blood, 1), (vacant, 1)), ((BOUND, 1),), ON * blood / space * vacant
    )
    assert model.routes == {
        "given": Route(blood, lag_h=delay, bioavailability=FRACTION)
    }
    assert model.observables == {
        "occupancy": BOUND / (BOUND + vacant),
        "vacant": vacant,
    }
    assert model.start == {vacant: Parameter("places", "nmol")}
    assert model.daughters == {"Bi-213": {BOUND: blood}, "Tl-209": Fate.IN_PLACE}
    assert renamed(model, {new: old for old, new in names.items()}) == tube()


def test_names_may_be_exchanged() -> None:
    swapped = renamed(tube(), {"plasma": "bound", "bound": "plasma", "on": "off_"})
    assert str(swapped.reactions[0]).startswith("site_association: bound + free -> pla")
    assert renamed(tube(), {}) == tube()


def test_details_of_a_route_are_renamed() -> None:
    later, quicker = Parameter("delay", "h"), Parameter("quicker", "nmol/h")
    routes = (Route(PLASMA, duration_h=2 * LAG), Route(FREE, rate_per_h=MADE))
    model = Model("tube", tube().reactions, {"added": routes}, {}, {FREE: SITES})
    result = renamed(model, {"lag": "delay", "made": "quicker", "plasma": "blood"})
    assert result.routes["added"] == (
        Route(Amount("blood", "nmol"), duration_h=2 * later),
        Route(FREE, rate_per_h=quicker),
    )


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            {"plasm": "x"},
            "renaming in model 'tube': it has no 'plasm': did you mean 'pl",
        ),
        (
            {"plasma": "bound"},
            "model 'tube': symbols 'plasma' and 'bound' would both be called 'bound': "
            "choose another name for one",
        ),
        ({"on": "x", "off": "x"}, "symbols 'on' and 'off' would both be called 'x'"),
        (
            {"site_association": "site_dissociation"},
            "reactions 'site_association' and 'site_dissociation' would both",
        ),
        ({"occupancy": "free"}, "observables 'occupancy' and 'free' would both be"),
        ({"plasma": "my plasma"}, "amount name 'my plasma' is not an identifier"),
    ],
)
def test_renaming_refuses(names: dict[str, str], message: str) -> None:
    with pytest.raises(ModelError, match=re.escape(message)):
        renamed(tube(), names)


def test_two_tumours_of_one_kind_drink_from_one_plasma() -> None:
    keep = ("plasma", "volume", "on", "off", "added", "lag", "fraction")
    one, two = (prefixed(tube(), place, keep) for place in ("left", "right"))
    both = merge("two_tumours", one, two, shared=keep[:4] + keep[5:])
    assert one.name == "left_tube"
    left, right = receptors("left_free right_free", unit="nmol")
    left_bound, right_bound = amounts("left_bound right_bound", unit="nmol")
    expected = sum(
        (OFF * b - ON * PLASMA / VOLUME * r)
        for b, r in ((left_bound, left), (right_bound, right))
    )
    assert sympy.expand(derivatives(both)[PLASMA] - expected) == 0
    assert set(both.observables) == {
        "left_occupancy",
        "left_free",
        "right_occupancy",
        "right_free",
    }
    assert set(both.routes) == {"added"}
    with pytest.raises(ModelError, match="keep: it has no 'plazma': did you mean 'pla"):
        prefixed(tube(), "left", keep=("plazma",))
    with pytest.raises(ModelError, match=r"keep='plasma' is one text: write \('plas"):
        prefixed(tube(), "left", keep="plasma")


def test_two_ligands_compete_for_one_receptor_pool() -> None:
    """The merged equations are those that one would write for two ligands."""
    common = blocks.receptor_turnover("pool", FREE, synthesis=MADE, degradation=LOST)
    model = tube(*common, flow("clearance", PLASMA, None, CLEARED * PLASMA))
    one = for_ligand(model, "pentixather", "p", keep=("volume",))
    two = for_ligand(model, "AMD3100", keep=("volume",))
    shared = ("volume", "made", "lost", "sites")
    both = merge("competition", one, two, shared=shared)

    assert both.ligands == ("pentixather", "AMD3100")
    assert (one.name, two.name) == ("tube_p", "tube_AMD3100")
    expected: dict[Amount, sympy.Expr] = {FREE: MADE - LOST * FREE}
    for ligand, end in (("pentixather", "p"), ("AMD3100", "AMD3100")):
        plasma = Amount(f"plasma_{end}", "nmol", ligand)
        bound = Amount(f"bound_{end}", "nmol", ligand)
        on, off = Parameter(f"on_{end}", "L/(nmol h)"), Parameter(f"off_{end}", "1/h")
        net = on * plasma / VOLUME * FREE - off * bound
        expected[FREE] -= net
        expected[bound] = net
        expected[plasma] = -net - Parameter(f"cleared_{end}", "1/h") * plasma
    ours = derivatives(both)
    assert set(ours) == set(expected)
    for amount, rate in expected.items():
        assert sympy.expand(ours[amount] - rate) == 0, amount
    assert both.start == {FREE: SITES}
    assert both.observables["free"] == FREE
    assert {"occupancy_p", "occupancy_AMD3100"} < set(both.observables)
    lag = both.route("added", "AMD3100").lag_h
    assert lag == Parameter("lag_AMD3100", "h")


def test_competitors_at_rest_share_the_receptors() -> None:
    """Occupied by each: (c / K) / (1 + L / K_D + I / K_I), K_D 2, K_I 5 nmol/L."""
    models = [for_ligand(tube(), name, keep=("volume",)) for name in ("hot", "cold")]
    both = merge("competition", *models, shared=("volume", "sites"))
    values = {"volume": 1e12, "on_hot": 0.5, "off_hot": 1.0}
    values |= {"on_cold": 0.1, "off_cold": 0.5}
    start = {"plasma_hot": 3e12, "plasma_cold": 8e12, "free": 1.0}
    at_rest = settled(both, values, start, 60.0)
    whole = 1.0 + 3.0 / 2.0 + 8.0 / 5.0
    assert at_rest["bound_hot"] == pytest.approx(1.5 / whole, rel=1e-5)
    assert at_rest["bound_cold"] == pytest.approx(1.6 / whole, rel=1e-5)


def test_a_process_of_the_receptors_is_never_doubled() -> None:
    """Synthesis that ligand slows goes on without it, so copies of it collide."""
    slowed = flow("synthesis", None, FREE, MADE / (1 + BOUND / SITES))
    driven = flow("driven_loss", FREE, None, LOST * FREE * BOUND / SITES)
    one, two = (for_ligand(tube(slowed, driven), n, keep=("volume",)) for n in "ab")
    assert [r.name for r in one.reactions[2:]] == ["synthesis", "driven_loss_a"]
    with pytest.raises(ModelError, match="reaction 'synthesis' is"):
        merge("both", one, two, shared=("volume", "made", "sites"))


def test_the_endogenous_ligand_and_inputs_stay() -> None:
    (cxcl12,) = amounts("cxcl12", unit="nmol", ligand="CXCL12")
    turnover = blocks.ligand_turnover("own", cxcl12, synthesis=MADE, degradation=LOST)
    loss = flow("clearance", PLASMA, None, CLEARED * (1 - ACIDS) * PLASMA)
    model = for_ligand(tube(*turnover, loss), "pentixather", suffix="")
    assert model.ligands == ("pentixather", "CXCL12")
    assert model.inputs == (ACIDS,)
    assert {p.name for p in model.parameters} == {
        p.name for p in tube(*turnover, loss).parameters
    }
    assert model.name == "tube"
    assert model.reactions[2:4] == turnover


def test_a_parameter_of_the_receptors_stays_wherever_it_is_used() -> None:
    (endogenous,) = parameters("endogenous", unit="nmol")
    model = Model(
        "tube",
        tube().reactions,
        {},
        {"occupied": BOUND / SITES},
        start={FREE: SITES, PLASMA: endogenous},
    )
    again = for_ligand(model, "CXCL12", "c")
    bound, plasma = amounts("bound_c plasma_c", unit="nmol", ligand="CXCL12")
    assert again.observables == {"occupied_c": bound / SITES}
    assert again.start == {FREE: SITES, plasma: Parameter("endogenous_c", "nmol")}


def test_a_suffix_is_made_of_a_name_that_is_none() -> None:
    model = for_ligand(tube(), "natLu-pentixather")
    assert "plasma_natLu_pentixather" in [a.name for a in model.amounts]
    assert model.ligands == ("natLu-pentixather",)


def test_for_ligand_refuses_what_is_not_clear() -> None:
    two = merge(
        "two", for_ligand(tube(), "a"), for_ligand(tube(), "b"), shared=["sites"]
    )
    with pytest.raises(
        ModelError, match="it has 2 ligands, a, b, and which one to rep"
    ):
        for_ligand(two, "c")
    (cxcl12,) = amounts("cxcl12", unit="nmol", ligand="CXCL12")
    own = blocks.ligand_turnover("own", cxcl12, synthesis=MADE, degradation=LOST)
    with pytest.raises(ModelError, match="it has amounts of CXCL12 already"):
        for_ligand(tube(*own), "CXCL12")
    with pytest.raises(ModelError, match="a ligand needs a name"):
        for_ligand(tube(), "")
    with pytest.raises(ModelError, match="keep: it has no 'volum': did you mean 'vol"):
        for_ligand(tube(), "a", keep=("volum",))
    taken = Amount("plasma_a", "nmol", "other")
    extra = flow("made", None, taken, MADE)
    with pytest.raises(ModelError, match="symbols 'plasma' and 'plasma_a' would both"):
        for_ligand(tube(extra), "a")


def test_a_linked_parameter_is_replaced_everywhere() -> None:
    (ratio,) = parameters("ratio", unit="1")
    linked = with_parameters(
        tube(), {"lag": ratio * LAG, "sites": SITES * ratio, "on": OFF / SITES * VOLUME}
    )
    assert linked.route("added", "any").lag_h == ratio * LAG
    assert linked.start == {FREE: SITES * ratio}
    assert linked.reactions[0].rate == OFF / SITES * PLASMA * FREE
    assert "on" not in [p.name for p in linked.parameters]


def test_tracers_are_linked_by_a_ratio() -> None:
    keep = ("VP", "VI", "kT", "GFR")
    one = for_ligand(pbpk12(), "pentixather", "lu", keep)
    two = for_ligand(pbpk12(), "pentixafor", "ga", keep)
    ratio, on = Parameter("ratio", "1"), Parameter("kon_lu", "L/(nmol h)")
    linked = with_parameters(two, {"kon_ga": ratio * on})
    both = merge("both", one, linked, shared=(*keep, "kon_lu", "RT", "RK"))
    assert "kon_ga" not in [p.name for p in both.parameters]
    # Six of thirteen are shared; kon_ga is gone, and the ratio there instead.
    assert len(both.parameters) == 13 + (13 - 6) - 1 + 1
    rates = {reaction.name: reaction.rate for reaction in both.reactions}
    (free,) = receptors("RTf", unit="nmol")
    tissue = Amount("I_ga", "nmol", "pentixafor")
    expected = ratio * on * tissue / Parameter("VI", "L") * free
    assert sympy.expand(rates["tumour_association_ga"] - expected) == 0


@pytest.mark.parametrize(
    ("name", "expression", "message"),
    [
        (
            "of",
            OFF,
            "replacing a parameter of model 'tube': it has no 'of': did you mea",
        ),
        ("plasma", OFF, "it has no 'plasma'"),
        ("off", SITES, "model 'tube': parameter 'off' sites is in nmol, expected 1/h"),
        ("off", sympy.Float(2.0), "parameter 'off' 2.00000000000000 has no unit"),
        ("off", OFF * PLASMA / BOUND, "but bound is not a parameter or an input"),
        ("sites", ACIDS * SITES, "start of free uses acids, which is not a parameter"),
        ("off", Parameter("volume", "1/h"), "'volume' is defined twice"),
    ],
)
def test_a_replacement_that_does_not_fit_is_refused(
    name: str, expression: sympy.Expr, message: str
) -> None:
    with pytest.raises(ModelError, match=re.escape(message)):
        with_parameters(tube(), {name: expression})


def test_organs_of_the_library_can_be_told_apart() -> None:
    model = renamed(organ_exchange.model(("kidney",)), {"kidney": "kidney_left"})
    assert list(model.observables) == ["kidney_left"]
    assert [a.name for a in model.amounts] == ["blood", "kidney_left"]
