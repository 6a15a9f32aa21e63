"""CXCR4: how its ligands bind, internalize and are released; all priors are wide.

No association or dissociation rate of pentixafor or pentixather has been published:
the medians below are judgements from affinities and from how long tumours keep the
label. Every model of these ligands reads them from here, so that a dish, a mouse and a
patient share one receptor. K_D is the equilibrium dissociation constant, and the
association rate constant is k_on = k_off / K_D.
"""

from pkmodels.units import MINUTES_PER_HOUR
from pkmodels.values import Certainty, Value, log_normal

_SUGGESTED = "the project's wide suggestion for CXCR4 peptides"

# ---- pentixather and pentixafor ----
PENTIXATHER_DISSOCIATION_CONSTANT = log_normal(
    10.0,
    0.8,
    "nmol/L",
    f"not published as K_D; {_SUGGESTED}, within a factor of 5 either way",
    Certainty.JUDGEMENT,
)
PENTIXAFOR_DISSOCIATION_CONSTANT = log_normal(
    10.0,
    0.8,
    "nmol/L",
    "between '5 nM' (background of Poschenrieder et al., EJNMMI Res 2016;6:36) and an "
    "IC50 of 24.8 nM against [125I]FC131 (recalled); IC50 is no K_D",
    Certainty.JUDGEMENT,
)
# K_D of pentixafor over that of pentixather, where one patient gets both.
PENTIXAFOR_DISSOCIATION_RATIO = log_normal(
    1.0,
    0.7,
    "1",
    "not published; the same scaffold, and ratios of two tracers of one receptor that "
    "were published (somatostatin) run from 0.3 to 1.4",
    Certainty.JUDGEMENT,
)
PEPTIDE_DISSOCIATION = log_normal(
    0.05 * MINUTES_PER_HOUR,
    1.0,
    "1/h",
    f"k_off 0.05 /min, not published; {_SUGGESTED}",
    Certainty.JUDGEMENT,
)
PEPTIDE_INTERNALIZATION = log_normal(
    0.002 * MINUTES_PER_HOUR,
    0.7,
    "1/h",
    f"0.002 /min, not published; {_SUGGESTED}",
    Certainty.JUDGEMENT,
)
PEPTIDE_RELEASE = log_normal(
    2e-4 * MINUTES_PER_HOUR,
    0.7,
    "1/h",
    f"2e-4 /min, not published; {_SUGGESTED}",
    Certainty.JUDGEMENT,
)

# ---- AMD3100 (plerixafor), an antagonist that stays at the surface ----
AMD3100_DISSOCIATION_CONSTANT = log_normal(
    300.0,
    0.8,
    "nmol/L",
    "inhibition constants by assay run from some 0.06 to 0.65 umol/L, the highest "
    "against [125I]CXCL12 (Fricker et al., Biochem Pharmacol 2006;72:588-596); "
    "recalled, not read again",
    Certainty.JUDGEMENT,
)
AMD3100_DISSOCIATION = log_normal(
    0.05 * MINUTES_PER_HOUR,
    1.0,
    "1/h",
    "k_off 0.05 /min, half-time 14 min, as the peptides': no value at hand",
    Certainty.JUDGEMENT,
)
AMD3100_MOLAR_MASS = Value(
    502.8, "g/mol", "sum formula C28H54N8, free base", Certainty.DERIVED
)

# ---- CXCL12, the endogenous agonist ----
CXCL12_DISSOCIATION_CONSTANT = log_normal(
    4.0,
    0.7,
    "nmol/L",
    "3.6 nM on CEM cells (Crump et al., EMBO J 1997;16:6996-7007); recalled, not read "
    "again",
    Certainty.JUDGEMENT,
)
CXCL12_CONCENTRATION = log_normal(
    0.5,
    1.0,
    "nmol/L",
    "free in interstitium: plasma holds some 0.2-0.4 nM (recalled), tissue is unknown",
    Certainty.JUDGEMENT,
)
