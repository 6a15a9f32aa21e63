"""The whole body that receptor-targeted peptides share: plasma, organs, kidneys.

Organs are perfused from arterial plasma; each has a vascular and an interstitial space,
and where there are receptors a bound and an internalized amount, of volume V, vascular
and interstitial volumes V_v = vascular x V and V_s = interstitial x V:

    dv/dt = F (A / V_A - v / V_v) - PS (v / V_v - s / V_s)
    ds/dt = PS (v / V_v - s / V_s) - k_on s R / V_s + k_off B
    dB/dt = k_on s R / V_s - (k_off + k_int) B,   dN/dt = k_int B - k_rel N
    R + B = R_0 V

An internalized receptor is replaced at the surface at once; what a cell releases leaves
the body. Spleen and gut drain into the liver, the lungs lie between venous and arterial
plasma, the brain has no interstitium. In venous plasma peptide is bound to protein, for
good, at k_pr. Kidneys, with F_fil = GFR x sieving and f the excreted fraction:

    dv/dt = F (A / V_A - v / V_v) - F_fil v / V_v + (1 - f) F_fil I / V_I
    ds/dt = F_fil (v / V_v - s / V_s) - binding
    dI/dt = (1 - f) F_fil (s / V_s - I / V_I),   urine: f F_fil s / V_s
    V_I = 2/3 (V - V_v - V_s)

The rest of the body has what is left of plasma volume, body volume and plasma flow, so
that the organs' volumes may be exchanged for a patient's own.

References
----------
Kletting et al., J Nucl Med 2016;57:503-508; Budiansah et al., EJNMMI Phys 2025;12:26.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import sympy

from pkmodels.errors import ModelError
from pkmodels.models.blocks import binding, internalization_and_release, perfused_organ
from pkmodels.models.regions import KIDNEYS, TUMOUR
from pkmodels.reactions import Reaction, flow
from pkmodels.symbols import Amount, Parameter

REST = "rest"
# Share of the kidney that neither plasma nor interstitium fills which is tubular cells.
_TUBULAR_SHARE = sympy.Rational(2, 3)
_DRAINS_INTO_LIVER = ("spleen", "gut")


@dataclass(frozen=True)
class Sites:
    """Receptors of one organ, and what becomes of what they take in.

    Parameters
    ----------
    density : sympy expression
        Receptors per volume of the organ, nmol/L.
    internalization, release : sympy expression
        Rate constants, 1/h.
    """

    density: sympy.Expr
    internalization: sympy.Expr
    release: sympy.Expr


@dataclass(frozen=True)
class WholeBody:
    """The body as reactions.

    Parameters
    ----------
    reactions : tuple of Reaction
        All of them.
    venous : Amount
        Where an intravenous dose arrives.
    start : mapping of Amount to sympy expression
        Receptors before the first dose, nmol.
    contents : mapping of str to sympy expression
        All ligand in each organ, ``rest`` included, nmol.
    serum : sympy expression
        Concentration in plasma, protein-bound ligand included, nmol/L.
    whole_body : sympy expression
        All ligand in the body, nmol.
    """

    reactions: tuple[Reaction, ...]
    venous: Amount
    start: Mapping[Amount, sympy.Expr]
    contents: Mapping[str, sympy.Expr]
    serum: sympy.Expr
    whole_body: sympy.Expr


def whole_body(
    organs: Sequence[str],
    tumours: Sequence[str],
    sites: Mapping[str, Sites],
    by_volume: Sequence[str] = (),
) -> WholeBody:
    """Return the reactions of a peptide in the whole body.

    Parameters
    ----------
    organs : sequence of str
        Those with volumes of their own: lungs, liver, spleen, kidneys and gut at least.
    tumours : sequence of str
        Names of the lesions.
    sites : mapping of str to Sites
        Receptors of organs, lesions and ``rest``; others have none.
    by_volume : sequence of str
        Organs whose plasma flow is ``perfusion_<organ>`` (1/h) times their volume, as
        that of lesions is ``perfusion_tumour`` times theirs.

    Returns
    -------
    WholeBody
        Its parameters are those of `pkmodels.models.peptide_regions.body_values`; of
        lesions ``volume_<lesion>`` (L) each, and ``vascular_``, ``interstitial_`` (of
        it), ``permeability_`` and ``perfusion_tumour`` (1/h, per volume); ``k_on``
        (L/(nmol h)), ``k_off``, ``protein_binding`` (1/h), ``filtration_rate`` (L/h),
        ``sieving_coefficient``, ``excreted_fraction``; and what is in `sites`.

    Raises
    ------
    ModelError
        When a lesion is called as an organ is.

    Examples
    --------
    >>> body = whole_body(("lungs", "liver", "spleen", "kidneys", "gut"), (), {})
    >>> print(body.serum.free_symbols - set(body.whole_body.free_symbols))
    {plasma_volume}
    """
    taken = [t for t in tumours if t in (*organs, REST)]
    if taken:
        raise ModelError(f"a tumour is called {taken[0]!r}, as an organ is: rename it")
    frame = _Frame(tuple(organs), tuple(tumours), tuple(by_volume))
    reactions = [*_blood(frame)]
    contents: dict[str, sympy.Expr] = {}
    start: dict[Amount, sympy.Expr] = {}
    for name in (*organs, REST, *tumours):
        moved, parts = _organ(frame, name)
        reactions.extend(moved)
        if name in sites:
            bound, more, receptors = _binding(frame, name, sites[name])
            reactions.extend(bound)
            parts = (*parts, *more)
            start |= receptors
        contents[name] = sympy.Add(*parts)
    blood = frame.arterial + frame.venous + frame.protein_bound
    plasma = blood + sum(_vascular(n) for n in contents)
    return WholeBody(
        reactions=tuple(reactions),
        venous=frame.venous,
        start=start,
        contents=contents,
        serum=plasma / frame.plasma_volume,
        whole_body=blood + sympy.Add(*contents.values()),
    )


@dataclass(frozen=True)
class _Frame:
    """What every organ needs to know of the others."""

    organs: tuple[str, ...]
    tumours: tuple[str, ...]
    by_volume: tuple[str, ...]
    arterial: Amount = field(default=Amount("arterial", "nmol"))
    venous: Amount = field(default=Amount("venous", "nmol"))
    protein_bound: Amount = field(default=Amount("protein_bound", "nmol"))
    plasma_volume: Parameter = field(default=Parameter("plasma_volume", "L"))
    cardiac_output: Parameter = field(default=Parameter("cardiac_output", "L/h"))

    @property
    def arterial_volume(self) -> sympy.Expr:
        return Parameter("arterial_share", "1") * self.plasma_volume

    @property
    def venous_volume(self) -> sympy.Expr:
        return Parameter("venous_share", "1") * self.plasma_volume

    @property
    def total_flow(self) -> sympy.Expr:
        return self.cardiac_output + sum(self.flow(t) for t in self.tumours)

    def volume(self, name: str) -> sympy.Expr:
        """Return an organ's volume: of the rest, what is left of the body."""
        if name != REST:
            return Parameter(f"volume_{name}", "L")
        return Parameter("body_volume", "L") - sum(map(self.volume, self.organs))

    def vascular(self, name: str) -> sympy.Expr:
        """Return an organ's plasma volume: of the rest, what is left of plasma."""
        if name != REST:
            return Parameter(f"vascular_{self.tissue(name)}", "1") * self.volume(name)
        taken = sum(map(self.vascular, self.organs))
        return self.plasma_volume - self.arterial_volume - self.venous_volume - taken

    def interstitial(self, name: str) -> sympy.Expr:
        """Return an organ's interstitial volume: of the rest, a multiple of plasma."""
        share = Parameter(f"interstitial_{self.tissue(name)}", "1")
        return share * (self.vascular(name) if name == REST else self.volume(name))

    def permeability_surface(self, name: str) -> sympy.Expr:
        per_volume = Parameter(f"permeability_{self.tissue(name)}", "1/h")
        return per_volume * self.volume(name)

    def flow(self, name: str) -> sympy.Expr:
        """Return the arterial flow: of the rest, what is left of the cardiac output."""
        if name in (*self.tumours, *self.by_volume):
            perfusion = Parameter(f"perfusion_{self.tissue(name)}", "1/h")
            return perfusion * self.volume(name)
        if name != REST:
            return Parameter(f"flow_{name}", "L/h")
        perfused = (n for n in self.organs if n != "lungs")
        return self.cardiac_output - sum(map(self.flow, perfused))

    def tissue(self, name: str) -> str:
        """Return what its parameters are called after: lesions share theirs."""
        return TUMOUR if name in self.tumours else name


def _vascular(name: str) -> Amount:
    return Amount(f"{name}_vascular", "nmol")


def _interstitium(name: str) -> Amount:
    return Amount(f"{name}_interstitium", "nmol")


def _blood(frame: _Frame) -> tuple[Reaction, ...]:
    rate = Parameter("protein_binding", "1/h")
    venous = frame.venous
    return (flow("protein_binding", venous, frame.protein_bound, rate * venous),)


def _organ(frame: _Frame, name: str) -> tuple[tuple[Reaction, ...], tuple[Amount, ...]]:
    """Return an organ's perfusion and exchange, and its amounts."""
    if name == KIDNEYS:
        return _kidneys(frame)
    vascular, tissue = _vascular(name), _interstitium(name)
    volume = frame.vascular(name)
    if name == "brain":
        return _perfusion(frame, name), (vascular,)
    source, source_volume, inflow = frame.arterial, frame.arterial_volume, None
    drain, outflow = frame.venous, None
    if name == "lungs":
        source, source_volume, inflow = (
            frame.venous,
            frame.venous_volume,
            frame.total_flow,
        )
        drain = frame.arterial
    elif name in _DRAINS_INTO_LIVER:
        drain = _vascular("liver")
    elif name == "liver":
        outflow = sum(map(frame.flow, _DRAINS_INTO_LIVER), frame.flow(name))
    reactions = perfused_organ(
        name,
        source,
        vascular,
        tissue,
        plasma_volume=source_volume,
        vascular_volume=volume,
        interstitial_volume=frame.interstitial(name),
        plasma_flow=frame.flow(name) if inflow is None else inflow,
        permeability_surface=frame.permeability_surface(name),
        drains_to=drain,
        outflow=outflow,
    )
    return reactions, (vascular, tissue)


def _perfusion(frame: _Frame, name: str) -> tuple[Reaction, ...]:
    """Return flow through an organ's vessels alone."""
    rate, vascular = frame.flow(name), _vascular(name)
    inward = rate * frame.arterial / frame.arterial_volume
    outward = rate * vascular / frame.vascular(name)
    return (
        flow(f"{name}_inflow", frame.arterial, vascular, inward),
        flow(f"{name}_outflow", vascular, frame.venous, outward),
    )


def _kidneys(frame: _Frame) -> tuple[tuple[Reaction, ...], tuple[Amount, ...]]:
    vascular, tissue = _vascular(KIDNEYS), _interstitium(KIDNEYS)
    tubule = Amount(f"{KIDNEYS}_tubule", "nmol")
    spaces = frame.vascular(KIDNEYS), frame.interstitial(KIDNEYS)
    tubular = _TUBULAR_SHARE * (frame.volume(KIDNEYS) - spaces[0] - spaces[1])
    rate = Parameter("filtration_rate", "L/h") * Parameter("sieving_coefficient", "1")
    excreted = Parameter("excreted_fraction", "1")
    filtered, passed = rate * vascular / spaces[0], rate * tissue / spaces[1]
    back = (1 - excreted) * rate * tubule / tubular
    reactions = (
        *_perfusion(frame, KIDNEYS),
        flow("kidneys_filtration", vascular, tissue, filtered),
        flow("kidneys_excretion", tissue, None, excreted * passed),
        flow("kidneys_reabsorption", tissue, tubule, (1 - excreted) * passed),
        flow("kidneys_return", tubule, vascular, back),
    )
    return reactions, (vascular, tissue, tubule)


def _binding(
    frame: _Frame, name: str, sites: Sites
) -> tuple[tuple[Reaction, ...], tuple[Amount, ...], dict[Amount, sympy.Expr]]:
    bound = Amount(f"{name}_bound", "nmol")
    inside = Amount(f"{name}_internalized", "nmol")
    free = Amount(f"{name}_receptor", "nmol", ligand="")
    reactions = (
        *binding(
            name,
            _interstitium(name),
            free,
            bound,
            volume=frame.interstitial(name),
            k_on=Parameter("k_on", "L/(nmol h)"),
            k_off=Parameter("k_off", "1/h"),
        ),
        *internalization_and_release(
            name,
            bound,
            inside,
            internalization=sites.internalization,
            release=sites.release,
            receptor=free,
            released=None,
        ),
    )
    start: dict[Amount, sympy.Expr] = {free: sites.density * frame.volume(name)}
    return reactions, (bound, inside), start
