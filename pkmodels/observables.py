"""What is measured, as expressions of amounts: the same for any label.

An observable is written for the ligand. Read for a label, each amount in it stands for
the label's activity there, and `ADMINISTERED` and `UNDECAYED` for the activity given.
"""

from collections.abc import Iterable

import sympy

from pkmodels.dimensions import check_unit, unit_of
from pkmodels.errors import ModelError, check_kind
from pkmodels.symbols import (
    ADMINISTERED,
    COUNTED_DECAYS,
    DECAY_CONSTANT,
    REFERENCE_DENSITY,
    UNDECAYED,
    Amount,
)


def region(
    amounts: Iterable[Amount],
    *,
    blood_concentration: sympy.Expr | None = None,
    blood_volume: sympy.Expr | None = None,
) -> sympy.Expr:
    """Return all that is in a region: its amounts and the blood in it.

    sum of amounts + blood concentration x blood volume of the region.

    Parameters
    ----------
    amounts : iterable of Amount
        What is in the region, in one unit.
    blood_concentration : sympy expression or None
        Concentration in whole blood, amount per L.
    blood_volume : sympy expression or None
        Volume of blood in the region, L: blood fraction x volume of the region.

    Returns
    -------
    sympy expression

    Raises
    ------
    ModelError
        When only one of the two about blood is given, or the units differ.

    Examples
    --------
    >>> from pkmodels.symbols import amounts, parameters
    >>> plasma, bound, inside = amounts("plasma bound inside", unit="nmol")
    >>> plasma_volume, tumour_volume = parameters("V_plasma V_tumour", unit="L")
    >>> (fraction,) = parameters("blood_fraction", unit="1")
    >>> region((bound, inside), blood_concentration=plasma / plasma_volume,
    ...        blood_volume=fraction * tumour_volume)
    bound + inside + plasma*V_tumour*blood_fraction/V_plasma
    """
    check_kind("the amounts of a region", amounts, Iterable, "write (tumour,) for one")
    total = sympy.Add(*amounts)
    if (blood_concentration is None) != (blood_volume is None):
        raise ModelError(
            "region: blood needs both blood_concentration and blood_volume; got one"
        )
    if blood_concentration is not None and blood_volume is not None:
        total += blood_concentration * blood_volume
    unit_of(total)
    return total


def concentration(amount: sympy.Expr, volume: sympy.Expr) -> sympy.Expr:
    """Return an amount over a volume.

    Parameters
    ----------
    amount : sympy expression
        What is there.
    volume : sympy expression
        Volume that it is in, L.

    Returns
    -------
    sympy expression

    Raises
    ------
    ModelError
        When the volume is not in L.

    Examples
    --------
    >>> from pkmodels.symbols import amounts, parameters
    >>> (plasma,) = amounts("plasma", unit="nmol")
    >>> (volume,) = parameters("volume", unit="L")
    >>> concentration(plasma, volume)
    plasma/volume
    """
    check_unit("concentration: the volume", sympy.sympify(volume), "L")
    return amount / volume


def percent_administered(amount: sympy.Expr, *, decay_corrected: bool) -> sympy.Expr:
    """Return an amount in percent of what was administered (%IA, %ID).

    100 a / A_given, each A_given as it was when given; decay-corrected, 100 a over what
    would be left of A_given by decay alone.

    Parameters
    ----------
    amount : sympy expression
        What is there.
    decay_corrected : bool
        Whether decay since the administration is undone.

    Returns
    -------
    sympy expression
        In percent.

    Examples
    --------
    >>> from pkmodels.symbols import amounts
    >>> (kidney,) = amounts("kidney", unit="nmol")
    >>> percent_administered(kidney, decay_corrected=False)
    100*kidney/administered
    """
    return 100 * amount / (UNDECAYED if decay_corrected else ADMINISTERED)


def percent_per_gram(
    amount: sympy.Expr, mass: sympy.Expr, *, decay_corrected: bool
) -> sympy.Expr:
    """Return an amount in percent of what was administered, per gram (%IA/g, %ID/g).

    Parameters
    ----------
    amount : sympy expression
        What is there.
    mass : sympy expression
        Mass of the tissue, g.
    decay_corrected : bool
        Whether decay since the administration is undone.

    Returns
    -------
    sympy expression
        In percent per gram.

    Raises
    ------
    ModelError
        When the mass is not in g.

    Examples
    --------
    >>> from pkmodels.symbols import amounts, parameters
    >>> (tumour,), (mass,) = amounts("tumour", unit="nmol"), parameters("m", unit="g")
    >>> percent_per_gram(tumour, mass, decay_corrected=True)
    100*tumour/(m*undecayed)
    """
    check_unit("percent per gram: the mass", sympy.sympify(mass), "g")
    return percent_administered(amount, decay_corrected=decay_corrected) / mass


def standardized_uptake(concentration: sympy.Expr, body_mass: sympy.Expr) -> sympy.Expr:
    """Return a concentration as standardized uptake value (SUV by body weight).

    SUV = c m / (A rho) with A the activity given, less its decay until then, m the
    body mass and rho = 1000 g/L, so that an even distribution in a body of that density
    has SUV 1 and the number is that in g/mL.

    Parameters
    ----------
    concentration : sympy expression
        Amount per L of tissue.
    body_mass : sympy expression
        Body mass, g.

    Returns
    -------
    sympy expression
        Without unit.

    Raises
    ------
    ModelError
        When the units are others.

    References
    ----------
    Keyes, J Nucl Med 1995;36:1836-1839.

    Examples
    --------
    >>> from pkmodels.symbols import amounts, parameters
    >>> (tumour,), (body,) = amounts("tumour", unit="nmol"), parameters("m", unit="g")
    >>> (volume,) = parameters("volume", unit="L")
    >>> print(standardized_uptake(tumour / volume, body))
    tumour*m/(volume*reference_density*undecayed)
    """
    value = concentration * body_mass / (UNDECAYED * REFERENCE_DENSITY)
    check_unit("standardized uptake: concentration x body mass / given", value, "1")
    return value


def ratio(one: sympy.Expr, other: sympy.Expr) -> sympy.Expr:
    """Return the ratio of two like things, as of tumour to background.

    Parameters
    ----------
    one, other : sympy expression
        Two of one unit: concentrations, as a rule.

    Returns
    -------
    sympy expression
        Without unit.

    Raises
    ------
    ModelError
        When their units differ.

    Examples
    --------
    >>> from pkmodels.symbols import amounts
    >>> tumour, flank = amounts("tumour flank", unit="nmol")
    >>> ratio(tumour, flank)
    tumour/flank
    """
    quotient = one / other
    check_unit("ratio:", quotient, "1")
    return quotient


def after_wash(
    bound: sympy.Expr,
    internalized: sympy.Expr,
    *,
    dissociation: sympy.Expr,
    wash_time: sympy.Expr,
    free: sympy.Expr = sympy.S.Zero,
    carried_over: sympy.Expr = sympy.S.Zero,
) -> sympy.Expr:
    """Return what is left on and in cells after they are washed.

    bound exp(-k_off t_wash) + internalized + carried_over x free: what dissociates
    during the wash is lost and does not bind again.

    Parameters
    ----------
    bound, internalized, free : sympy expression
        Amounts on the surface, inside, and in the medium, before the wash.
    dissociation : sympy expression
        Rate of dissociation at the temperature of the wash, 1/h.
    wash_time : sympy expression
        Its length, h.
    carried_over : sympy expression
        Fraction of the medium that stays with the cells, without unit.

    Returns
    -------
    sympy expression

    Raises
    ------
    ModelError
        When the units do not fit.

    Examples
    --------
    >>> from pkmodels.symbols import amounts, parameters
    >>> bound, inside = amounts("bound inside", unit="nmol")
    >>> (off,), (wash,) = parameters("off", unit="1/h"), parameters("wash", unit="h")
    >>> after_wash(bound, inside, dissociation=off, wash_time=wash)
    bound*exp(-off*wash) + inside
    """
    kept = bound * sympy.exp(-dissociation * wash_time)
    total = kept + internalized + carried_over * free
    unit_of(total)
    return total


def counts(
    amount: sympy.Expr, *, efficiency: sympy.Expr, count_time: sympy.Expr
) -> sympy.Expr:
    """Return the expected counts of a gamma counter, without background.

    efficiency x A (1 - exp(-lambda T)) / lambda x 3.6e9 decays per MBq h.

    Parameters
    ----------
    amount : sympy expression
        What is in the tube when the count starts, read as its activity.
    efficiency : sympy expression
        Counts per decay, without unit.
    count_time : sympy expression
        Length of the count T, h.

    Returns
    -------
    sympy expression
        Counts; it can be read for a label only.

    Raises
    ------
    ModelError
        When the units do not fit.

    Examples
    --------
    >>> from pkmodels.symbols import amounts, parameters
    >>> (cells,), (one,) = amounts("cells", unit="nmol"), parameters("e", unit="1")
    >>> (minute,) = parameters("minute", unit="h")
    >>> sorted(map(str, counts(cells, efficiency=one, count_time=minute).free_symbols))
    ['cells', 'counted_decays', 'decay_constant', 'e', 'minute']
    """
    decays = amount * (1 - sympy.exp(-DECAY_CONSTANT * count_time)) / DECAY_CONSTANT
    expected = efficiency * decays * COUNTED_DECAYS
    check_unit("counts:", expected, "1")
    return expected
