"""The symbols that tests of blocks share, and each block called with them."""

from typing import Any

from pkmodels.definition import Model
from pkmodels.models import blocks
from pkmodels.reactions import Reaction
from pkmodels.symbols import amounts, inputs, parameters, receptors

LIGAND, BOUND, INSIDE = amounts("ligand bound inside", unit="nmol")
RIVAL, RIVAL_BOUND = amounts("rival rival_bound", unit="nmol", ligand="rival")
FREE, SUNKEN = receptors("free sunken", unit="nmol")
PLASMA, TUBULE, KIDNEY, URINE = amounts("plasma tubule kidney urine", unit="nmol")
VASCULAR, TISSUE, VENOUS = amounts("vascular tissue venous", unit="nmol")
CHAIN = amounts("first second third", unit="nmol")
VOLUME, SMALL, SPACE = parameters("volume small space", unit="L")
(ON,) = parameters("on", unit="L/(nmol h)")
OFF, INTAKE, LOSS, BACK = parameters("off intake loss back", unit="1/h")
CLEARANCE, FLOW, PASSAGE = parameters("clearance flow passage", unit="L/h")
(FRACTION,) = parameters("fraction", unit="1")
(MADE, FASTEST), (HALF,) = (
    parameters("made fastest", unit="nmol/h"),
    parameters("half", unit="nmol/L"),
)
(TRANSIT,) = parameters("transit", unit="h")
(BLOCK,) = inputs("block", unit="1", otherwise=0.0)

# So large a volume that its concentration stays while ligand leaves it.
HUGE = 1e12

# For each block, what it can be called with.
CALLS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "binding": (
        {"ligand": LIGAND, "receptor": FREE, "bound": BOUND},
        {"volume": VOLUME, "k_on": ON, "k_off": OFF},
    ),
    "internalization_and_release": (
        {
            "bound": BOUND,
            "internalized": INSIDE,
            "receptor": SUNKEN,
            "released": LIGAND,
        },
        {"internalization": INTAKE, "release": LOSS},
    ),
    "receptor_turnover": ({"receptor": FREE}, {"synthesis": MADE, "degradation": LOSS}),
    "receptor_recycling": (
        {"inside": SUNKEN, "receptor": FREE},
        {"recycling": BACK, "degradation": LOSS, "endocytosis": INTAKE},
    ),
    "ligand_turnover": ({"ligand": LIGAND}, {"synthesis": MADE, "degradation": LOSS}),
    "plasma_protein_binding": (
        {"free": PLASMA, "bound": BOUND},
        {"unbound_fraction": FRACTION, "dissociation": OFF},
    ),
    "nonspecific_binding": (
        {"free": PLASMA, "bound": BOUND},
        {"association": INTAKE, "dissociation": OFF},
    ),
    "exchange": (
        {"first": PLASMA, "second": TISSUE},
        {"first_volume": VOLUME, "second_volume": SMALL, "clearance": CLEARANCE},
    ),
    "perfused_organ": (
        {
            "plasma": PLASMA,
            "vascular": VASCULAR,
            "interstitium": TISSUE,
            "drains_to": VENOUS,
        },
        {
            "plasma_volume": VOLUME,
            "vascular_volume": SMALL,
            "interstitial_volume": SPACE,
            "plasma_flow": FLOW,
            "permeability_surface": CLEARANCE,
            "outflow": PASSAGE,
        },
    ),
    "first_order_absorption": (
        {"depot": TISSUE, "target": PLASMA},
        {"absorption": INTAKE},
    ),
    "filtration": (
        {"plasma": PLASMA, "kidney": KIDNEY, "urine": URINE},
        {
            "volume": VOLUME,
            "filtration_rate": FLOW,
            "reabsorbed_fraction": FRACTION,
            "block": BLOCK,
        },
    ),
    "filtration_with_saturable_reabsorption": (
        {"plasma": PLASMA, "tubule": TUBULE, "kidney": KIDNEY, "urine": URINE},
        {
            "volume": VOLUME,
            "filtration_rate": FLOW,
            "tubular_volume": SMALL,
            "tubular_flow": PASSAGE,
            "transport_maximum": FASTEST,
            "half_saturation": HALF,
            "block": BLOCK,
        },
    ),
    "excretion": (
        {"organ": KIDNEY, "collecting": TUBULE, "excreted": URINE},
        {"secretion": INTAKE, "emptying": LOSS},
    ),
    "michaelis_menten_elimination": (
        {"source": PLASMA, "product": URINE},
        {"volume": VOLUME, "maximum_rate": FASTEST, "half_saturation": HALF},
    ),
}


def call(block: str, /, **changes: Any) -> tuple[Reaction, ...]:
    """The reactions of a block called 'x', with some arguments changed."""
    places, quantities = CALLS[block]
    more = {"competitive": False} if "saturable" in block else {}
    return getattr(blocks, block)("x", **(places | quantities | more | changes))


def in_a_tube(*reactions: Reaction) -> Model:
    """A model of these reactions, each of whose amounts may be there at the start."""
    (some,) = parameters("some", unit="nmol")
    sides = [side for r in reactions for side in (*r.reactants, *r.products)]
    return Model("tube", reactions, {}, {}, start={amount: some for amount, _ in sides})
