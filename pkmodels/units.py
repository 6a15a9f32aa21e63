"""The one unit system inside pkmodels (h, nmol, L, MBq, g, Gy) and its constants.

Other units are converted where they enter or leave, in `pkmodels.clinic`.
"""

SECONDS_PER_HOUR = 3600.0

# Exact in the SI since 2019 (BIPM, SI Brochure, 9th edition, 2019, section 2.2).
AVOGADRO_PER_MOL = 6.02214076e23
JOULE_PER_MEV = 1.602176634e-13

# 1 MeV in 1 g is 1.602176634e-10 Gy; 1 MBq h is 3.6e9 decays.
GY_G_PER_MEV_MBQ_H = JOULE_PER_MEV * 1e3 * 1e6 * SECONDS_PER_HOUR

# 1 mGy/(MBq s), the unit of published S-values, in Gy/(MBq h).
GY_PER_MBQ_H_PER_MGY_PER_MBQ_S = 1e-3 * SECONDS_PER_HOUR
