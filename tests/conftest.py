"""The settings that every test runs under, and what several tests share."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# As environment variables, so that a test without JAX does not wait for its import.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["JAX_ENABLE_X64"] = "1"
os.environ["JAX_NUMPY_RANK_PROMOTION"] = "raise"

# The same examples in every run, however slow the machine.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture
def strict_dtypes() -> Iterator[None]:
    """No dtype is promoted; for our own numerics, since NumPyro mixes dtypes itself."""
    import jax

    with jax.numpy_dtype_promotion("strict"):
        yield


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repository_files(repository: Path) -> tuple[Path, ...]:
    """The files that git tracks, or would after `git add`, relative to the root."""
    if not (repository / ".git").exists():
        pytest.skip("needs a git checkout, to know which files belong to the project")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(
        command, cwd=repository, check=True, capture_output=True, encoding="utf-8"
    ).stdout
    names = sorted(set(filter(None, listing.split("\0"))))
    return tuple(Path(name) for name in names if os.path.lexists(repository / name))
