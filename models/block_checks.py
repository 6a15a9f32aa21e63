"""What every block asks of its arguments, before it makes a reaction of them."""

from collections.abc import Mapping, Sequence

import sympy

from pkmodels.dimensions import check_unit
from pkmodels.errors import ModelError
from pkmodels.symbols import NO_LIGAND, Amount, amounts_in

# Of what may saturate: only moles of all ligand do.
MOLES = "nmol"


def check_arguments(
    block: str,
    name: str,
    quantities: Mapping[str, tuple[sympy.Expr, str]],
    *,
    ligand: Mapping[str, Amount | None],
    receptor: Mapping[str, Amount | None] | None = None,
    unit: str | None = None,
) -> None:
    """Refuse arguments of which no sensible block can be made.

    Parameters
    ----------
    block : str
        Which block it is.
    name : str
        What its reactions' names begin with.
    quantities : mapping of str to (sympy expression, str)
        For each argument that is a quantity, its expression and the unit it needs.
    ligand, receptor : mapping of str to Amount or None
        The arguments that hold one ligand, or no ligand; None where left out.
    unit : str or None
        Unit of every amount; None is that of the first.

    Raises
    ------
    ModelError
        When the name is not an identifier, an amount is none, holds another ligand,
        is in another unit or is named twice, or a quantity has another unit.

    Examples
    --------
    >>> from pkmodels.symbols import amounts, parameters
    >>> (plasma,) = amounts("plasma", unit="nmol")
    >>> (volume,) = parameters("volume", unit="L")
    >>> check_arguments("leak", "skin", {"volume": (volume, "L")},
    ...                 ligand={"source": plasma, "target": plasma})
    Traceback (most recent call last):
    pkmodels.errors.ModelError: block leak 'skin': source and target are both plasma: \
name two amounts
    """
    what = f"block {block} {name!r}"
    if not name.isidentifier():
        raise ModelError(
            f"{what}: its name is not an identifier: use letters, digits and "
            "underscores, starting with a letter"
        )
    ligands = {k: v for k, v in ligand.items() if v is not None}
    receptors = {k: v for k, v in (receptor or {}).items() if v is not None}
    _check_kinds(what, ligands, receptors)
    _check_amounts(what, {**ligands, **receptors}, unit)
    for argument, (expression, expected) in quantities.items():
        check_unit(f"{what}: {argument}", sympy.sympify(expression), expected)


def competition(
    block: str,
    name: str,
    amount: Amount,
    competitors: Sequence[tuple[sympy.Expr, sympy.Expr]],
) -> sympy.Expr:
    """Return sum_j c_j / K_j, by how much others load a transporter that saturates.

    Parameters
    ----------
    block : str
        Which block it is.
    name : str
        What its reactions' names begin with.
    amount : Amount
        What the block itself transports.
    competitors : sequence of (sympy expression, sympy expression)
        The concentration of each other ligand at the transporter and its half
        saturation, nmol/L.

    Returns
    -------
    sympy expression
        Without unit; 0 where nothing competes.

    Raises
    ------
    ModelError
        When an entry is no pair or in another unit, its concentration holds `amount`,
        or its half saturation is 0 or holds an amount.

    Examples
    --------
    >>> from pkmodels.symbols import amounts, parameters
    >>> (plasma,) = amounts("plasma", unit="nmol")
    >>> (rival,) = amounts("rival", unit="nmol", ligand="AMD3100")
    >>> (v,), (half,) = parameters("v", unit="L"), parameters("half", unit="nmol/L")
    >>> competition("leak", "skin", plasma, ((rival / v, half),))
    rival/(half*v)
    """
    terms = []
    for i, entry in enumerate(competitors):
        what = f"block {block} {name!r}: competitors[{i}]"
        if not (isinstance(entry, (tuple, list)) and len(entry) == 2):
            raise ModelError(
                f"{what} is {entry!r}, which is no pair: write ((concentration, "
                "half_saturation),)"
            )
        concentration, half = map(sympy.sympify, entry)
        check_unit(f"{what}: its concentration", concentration, "nmol/L")
        check_unit(f"{what}: its half saturation", half, "nmol/L")
        if amount in amounts_in(concentration):
            raise ModelError(
                f"{what}: its concentration {concentration} holds {amount}, which the "
                "block itself transports: name the other ligands only"
            )
        if half == 0 or amounts_in(half):
            raise ModelError(
                f"{what}: its half saturation is {half}, which is no constant above 0: "
                "write (concentration, half_saturation), in this order"
            )
        terms.append(concentration / half)
    return sympy.Add(*terms)


def _check_kinds(
    what: str, ligands: Mapping[str, Amount], receptors: Mapping[str, Amount]
) -> None:
    for argument, amount in {**ligands, **receptors}.items():
        if not isinstance(amount, Amount):
            maker = "amounts()" if argument in ligands else "receptors()"
            raise ModelError(
                f"{what}: {argument} is {amount!r}, which is not an amount: make it "
                f"with {maker}"
            )
    for argument, amount in receptors.items():
        if amount.ligand != NO_LIGAND:
            raise ModelError(
                f"{what}: {argument} is {amount}, an amount of {amount.ligand}, but it "
                "must be no ligand: make it with receptors()"
            )
    for argument, amount in ligands.items():
        first, other = next(iter(ligands.items()))
        if amount.ligand == NO_LIGAND:
            raise ModelError(
                f"{what}: {argument} is {amount}, which holds no ligand: make it with "
                "amounts()"
            )
        if amount.ligand != other.ligand:
            raise ModelError(
                f"{what}: {first} is {other}, an amount of {other.ligand}, but "
                f"{argument} is {amount}, an amount of {amount.ligand}: one ligand "
                "does not turn into another; make both of one ligand"
            )


def _check_amounts(what: str, amounts: Mapping[str, Amount], unit: str | None) -> None:
    known: dict[Amount, str] = {}
    for argument, amount in amounts.items():
        if amount in known:
            raise ModelError(
                f"{what}: {known[amount]} and {argument} are both {amount}: name two "
                "amounts"
            )
        known[amount] = argument
        check_unit(f"{what}: {argument}", amount, unit or next(iter(known)).unit)
