"""Blocks: functions that return the reactions of one mechanism.

A block makes no symbols: the caller makes amounts and quantities and hands them in, so
that two blocks that are given the same amount meet there. Its first argument begins the
names of its reactions. Each argument's unit is checked at the call; a quantity may be
any expression of parameters and inputs that has the unit.

Any number of ligands compete for one receptor pool when each is given a `binding` to
the same amount of free receptor: it is used up by all of them. An agonist internalizes
with its receptor (`internalization_and_release`), an antagonist may stay bound; an
endogenous ligand such as CXCL12 is made and lost besides (`ligand_turnover`).

A transporter or enzyme that saturates is no amount: ligands share one only where each
names the others among its `competitors` (`filtration_with_saturable_reabsorption`,
`michaelis_menten_elimination`).
"""

from pkmodels.models.elimination_blocks import (
    excretion,
    filtration,
    filtration_with_saturable_reabsorption,
    michaelis_menten_elimination,
)
from pkmodels.models.ligand_blocks import (
    ligand_turnover,
    nonspecific_binding,
    plasma_protein_binding,
)
from pkmodels.models.receptor_blocks import (
    binding,
    internalization_and_release,
    receptor_recycling,
    receptor_turnover,
)
from pkmodels.models.transport_blocks import (
    exchange,
    first_order_absorption,
    perfused_organ,
    transit_chain,
)

__all__ = [
    "binding",
    "exchange",
    "excretion",
    "filtration",
    "filtration_with_saturable_reabsorption",
    "first_order_absorption",
    "internalization_and_release",
    "ligand_turnover",
    "michaelis_menten_elimination",
    "nonspecific_binding",
    "perfused_organ",
    "plasma_protein_binding",
    "receptor_recycling",
    "receptor_turnover",
    "transit_chain",
]
