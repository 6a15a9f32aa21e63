"""The certificate: each of its parts refuses the case that is made for it."""

from dataclasses import replace

import numpy as np
import pytest

from pkmodels.fitting.certificate import (
    LIMITS,
    ONE_MODE,
    SEVERAL_MODES,
    Evidence,
    certify,
    claimed_efficiency,
    forward_efficiency,
)

EVEN = np.zeros(1000)
SOUND = Evidence(
    k_hat=0.1,
    moment_k_hats=np.array([0.2, 0.3]),
    tail_sizes=np.array([900.0, 800.0]),
    variance_errors=np.array([0.02, 0.03]),
    log_weights=EVEN,
    n_draws=1000,
    particle_log_weights=EVEN,
    trajectory_log_weights=EVEN,
    particle_log_evidence=-3.0,
    log_evidence=-3.0 + 3.0,
    energy_errors=EVEN,
    mode_log_weights=np.zeros(1),
    modes=1,
)
FAR = np.append(EVEN, 3.0)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("Pareto shape of the weights", {"k_hat": 0.71}),
        ("Pareto shape of the weights", {"k_hat": np.nan}),
        ("Pareto shape of squared deviations", {"moment_k_hats": np.array([0.1, 0.9])}),
        ("effective size of the tails", {"tail_sizes": np.array([900.0, 399.0])}),
        ("weight outside the importance draws", {"particle_log_weights": FAR}),
        ("weight outside the importance draws", {"trajectory_log_weights": FAR}),
        ("claimed over forward efficiency", {"particle_log_weights": EVEN + 1.2}),
        ("log evidence missed", {"particle_log_evidence": 0.6}),
        ("diverging trajectories", {"energy_errors": np.repeat([0.0, 11.0], [85, 15])}),
        ("weight of a mode", {"mode_log_weights": np.array([0.0, 5.1])}),
        ("weight of a mode", {"mode_log_weights": np.empty(0)}),
        ("relative error of a variance", {"variance_errors": np.array([0.02, 0.11])}),
    ],
)
def test_each_part_alone_refuses_and_says_why(name: str, changes: dict) -> None:
    found = certify(replace(SOUND, **changes))
    assert not found.accepted
    failed = [part.name for part in found.parts if not part.passed]
    assert failed == [name]
    (reason,) = found.reasons
    assert reason.startswith(name)
    assert f"{LIMITS[name]:g}" in reason


def test_a_sound_sample_is_accepted_without_a_reason() -> None:
    found = certify(SOUND)
    assert found.accepted
    assert found.reasons == ()
    assert found.fallback is None
    assert len(found.parts) == len(LIMITS) == 9


def test_what_to_do_next_hangs_on_the_modes_and_the_divergences() -> None:
    narrow = {"k_hat": 0.9}
    assert certify(replace(SOUND, **narrow)).fallback == ONE_MODE
    assert certify(replace(SOUND, **narrow, modes=2)).fallback == SEVERAL_MODES
    rough = np.full(10, np.inf)
    assert certify(replace(SOUND, energy_errors=rough)).fallback == SEVERAL_MODES


def test_no_importance_draw_of_any_weight_is_refused() -> None:
    nothing = replace(SOUND, log_weights=np.empty(0), log_evidence=-np.inf)
    with np.errstate(all="ignore"):
        assert not certify(nothing).accepted


def test_a_proposal_that_covers_the_posterior_claims_what_the_particles_confirm() -> (
    None
):
    """Normals of sd 1 and 1.5: the effective share is sqrt(2 r - 1) / r, r = 2.25."""
    z = np.random.default_rng(0).standard_normal(400_000)

    def log_weight(x: np.ndarray) -> np.ndarray:
        return -0.5 * x**2 + 0.5 * (x / 1.5) ** 2 + np.log(1.5)

    exact = np.sqrt(2 * 2.25 - 1) / 2.25
    claimed = claimed_efficiency(log_weight(1.5 * z), z.size, 0.0)
    forward = forward_efficiency(log_weight(z), 0.0)
    assert claimed == pytest.approx(exact, rel=0.01)
    assert forward == pytest.approx(exact, rel=0.01)
