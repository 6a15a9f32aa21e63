"""The posterior problem `onepatient` of the benchmark: pbpk12 and eight unknown rates.

Seven times, three observables, log-normal noise of 10 %, ln theta ~ Normal(ln true,
0.5). 8 of 100 nmol carry the label, so that each reading is that part of the ligand's,
less what decayed.
"""

import jax.numpy as jnp
import numpy as np
import pbpk12_model as pbpk12
import pymc as pm
from pytensor.link.jax.ops import wrap_jax

from pkmodels.administrations import Administration
from pkmodels.compiled import compile_system
from pkmodels.courses import course_of
from pkmodels.kernels.problem import Controls
from pkmodels.schedule import Schedule
from pkmodels.system import assemble

ESTIMATED = ("kon", "RT", "RK", "kintT", "krelT", "krelK", "GFR", "freab")
TRUE_LOG = np.log([pbpk12.TRUE_VALUES[name] for name in ESTIMATED])
TIMES_H = np.array([0.5, 1.0, 4.0, 24.0, 48.0, 96.0, 168.0])
PRIOR_SD, NOISE_SD = 0.5, 0.1
# Of the benchmark's definition.
DECAY_PER_H, LABELLED, LIGAND_NMOL = 0.004344987590266, 0.08, 100.0
OBSERVED = ("plasma", "tumour", "kidney")
CONTROLS = Controls(relative=1e-6, absolute=1e-8)


def predictor(times_h: np.ndarray = TIMES_H, controls: Controls = CONTROLS):
    """Return what turns 8 logs into ln of the readings, (n_times, 3)."""
    given = Schedule((Administration(0.0, 0.0, "x", ligand_nmol=LIGAND_NMOL),))
    system = assemble(pbpk12.model(), given.form)
    compiled = compile_system(system, controls=controls)
    course = course_of(system, given)
    names = [str(state) for state in system.states]
    rows = np.zeros((len(OBSERVED), len(names)))
    for row, held in enumerate(({"P": 1 / 3}, "ICN", {"K": 1.0, "L": 1.0, "P": 0.05})):
        shares = held if isinstance(held, dict) else dict.fromkeys(held, 1.0)
        for name, share in shares.items():
            rows[row, names.index(name)] = share
    fixed = {k: v for k, v in pbpk12.TRUE_VALUES.items() if k not in ESTIMATED}
    label = np.log(LABELLED) - DECAY_PER_H * times_h[:, None]

    def predict(log_values):
        own = dict(zip(ESTIMATED, jnp.exp(log_values), strict=True))
        states = compiled.solve({**fixed, **own}, course, times_h)
        return jnp.log(states @ rows.T) + label

    return predict


def benchmark_data(log_truth: np.ndarray) -> np.ndarray:
    """Return ln of the data by the benchmark's formula, from ln of true readings."""
    time, observable = np.indices(log_truth.shape)
    return log_truth + NOISE_SD * np.sin(1.7 * time + 2.3 * observable + 0.5)


def model(log_data: np.ndarray, predict=None) -> pm.Model:
    """Return the PyMC model; `log_data` (7, 3) is ``pm.Data``."""
    predict = predict or predictor()
    with pm.Model(coords={"parameter": ESTIMATED}) as built:
        values = pm.Normal("log_values", TRUE_LOG, PRIOR_SD, dims="parameter")
        data = pm.Data("log_data", log_data)
        pm.Normal("seen", wrap_jax(predict)(values), NOISE_SD, observed=data)
    return built
