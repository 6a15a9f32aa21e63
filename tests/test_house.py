"""The house: exports, links, packages, locks and what no file may name."""

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import pkmodels

HEAVY = ("arviz", "jax", "numba", "numpy", "pydantic", "pymc", "scipy", "sympy")
LOCKS = tuple(
    f"requirements{extra}.lock" for extra in ("", "-dev", "-bench", "-cohort")
)

# Folders that differ from machine to machine, and hosts that serve packages.
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home|mnt|opt|root|srv|tmp|Users|work)/[\w.]")
REGISTRY = re.compile(
    r"\b(?:anaconda|artifactory|crates|jfrog|npmjs|pypi|pythonhosted|rubygems)"
    r"\.(?:com|io|net|org)\b"
)


def pins(repository: Path, lock: str) -> dict[str, str]:
    """Name and version of each package of a lock file."""
    lines = (repository / lock).read_text("utf-8").splitlines()
    found = (re.match(r"([a-z0-9.-]+)==(\S+) \\$", line) for line in lines)
    return {match[1]: match[2] for match in found if match}


@pytest.fixture(scope="module")
def project(repository: Path) -> dict:
    return tomllib.loads((repository / "pyproject.toml").read_text("utf-8"))


def test_importing_pkmodels_loads_nothing_heavy():
    code = (
        "import sys, pkmodels; dir(pkmodels); pkmodels.__version__; "
        f"print(*sorted(sys.modules.keys() & set({HEAVY})))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert run.stdout.split() == []


@pytest.mark.parametrize("name", pkmodels.__all__)
def test_each_public_name_resolves_and_hides_no_module(name: str):
    assert getattr(pkmodels, name).__name__ == name
    assert name in dir(pkmodels)
    assert importlib.util.find_spec(f"pkmodels.{name}") is None


def test_public_names_are_the_lazy_ones_in_order():
    assert pkmodels.__all__ == sorted(pkmodels._MODULE_OF)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'no_such_name'"):
        _ = pkmodels.no_such_name  # pyright: ignore[reportAttributeAccessIssue]


def test_one_sentence_opens_the_package_and_the_readme(repository: Path):
    documented = " ".join((pkmodels.__doc__ or "").split("\n\n")[1].split())
    readme = (repository / "README.md").read_text("utf-8").replace("*", "")
    assert documented.lower() in " ".join(readme.split()).lower()


@pytest.mark.parametrize("folder", ["models", "fitting"])
def test_links_are_relative(repository: Path, folder: str):
    link = repository / "pkmodels" / folder
    assert link.is_symlink()
    assert link.readlink() == Path("..") / folder


def test_every_folder_with_modules_is_packaged(
    repository: Path, project: dict, repository_files: tuple[Path, ...]
):
    roots = {"pkmodels": "pkmodels", "models": "pkmodels", "fitting": "pkmodels"}
    folders = {
        file.parent
        for file in repository_files
        if file.suffix == ".py" and file.parts[0] in roots
    }
    packages = {
        ".".join(
            folder.parts
            if folder.parts[0] == "pkmodels"
            else ("pkmodels", *folder.parts)
        )
        for folder in folders
    }
    assert packages == set(project["tool"]["setuptools"]["packages"])


def test_every_imported_package_is_a_declared_dependency(
    repository: Path, project: dict, repository_files: tuple[Path, ...]
):
    roots = {"pkmodels", "models", "fitting"}
    imported: dict[str, set[Path]] = {}
    for file in repository_files:
        if file.suffix == ".py" and file.parts[0] in roots:
            for node in ast.walk(ast.parse((repository / file).read_bytes())):
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom):
                    names = [str(node.module)]
                else:
                    continue
                for name in names:
                    imported.setdefault(name.split(".")[0], set()).add(file)
    metadata = project["project"]
    # What pydantic itself is made of, and pinned by it.
    known = {"pkmodels", "pydantic_core", *sys.stdlib_module_names}
    known |= {
        Requirement(line).name.replace("-", "_") for line in metadata["dependencies"]
    }
    rest = {name: files for name, files in imported.items() if name not in known}
    # An extra is imported by one file alone, which says how to get it.
    assert rest == {
        name: {Path("pkmodels/cohorts/clusters.py")} for name in ("dask", "distributed")
    }


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_are_pinned_hashed_and_name_no_address(repository: Path, lock: str):
    text = (repository / lock).read_text("utf-8")
    assert "://" not in text
    statements = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n?", "", text, flags=re.M))
    for statement in filter(None, map(str.strip, statements.splitlines())):
        assert re.fullmatch(
            r"[a-z0-9.-]+==\S+(\s+--hash=sha256:[0-9a-f]{64})+", statement
        ), statement


def test_locks_agree_with_each_other_and_with_pyproject(
    repository: Path, project: dict
):
    run, *others = (pins(repository, lock) for lock in LOCKS)
    development, benchmarks, cohort = others
    assert all(run.items() <= other.items() for other in others)
    assert cohort.items() <= development.items()
    metadata = project["project"]
    build = project["build-system"]["requires"]
    extras = metadata["optional-dependencies"]
    for locked, wanted in (
        (run, metadata["dependencies"] + build),
        (development, extras["dev"]),
        (cohort, extras["cohort"]),
        (benchmarks, extras["bench"]),
    ):
        for requirement in map(Requirement, wanted):
            assert requirement.specifier.contains(locked[requirement.name])


def test_no_file_names_a_machine_or_a_registry(
    repository: Path, repository_files: tuple[Path, ...]
):
    found = []
    for file in repository_files:
        path = repository / file
        if not path.is_file() or path.is_symlink():
            continue
        text = path.read_bytes().decode("utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(), start=1):
            if MACHINE_PATH.search(line) or REGISTRY.search(line):
                found.append(f"{file}:{number}: {line.strip()[:80]}")
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "see /" + "home/someone/x",
        "open('/" + "work/x')",
        "https://py" + "pi.org/simple",
    ],
)
def test_the_search_finds_what_no_file_may_name(line: str):
    assert MACHINE_PATH.search(line) or REGISTRY.search(line)
