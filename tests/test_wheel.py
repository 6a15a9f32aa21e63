"""The wheel, built from what git tracks and used outside the source tree."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.wheel

IMPORT_ALL = """
import importlib, pkgutil, sys, pkmodels
assert pkmodels.__file__.startswith(sys.prefix), pkmodels.__file__
for module in pkgutil.walk_packages(pkmodels.__path__, "pkmodels."):
    importlib.import_module(module.name)
    print(module.name)
for name in pkmodels.__all__:
    getattr(pkmodels, name)
"""


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command without the source tree on Python's path; return what it prints."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(
    repository: Path,
    repository_files: tuple[Path, ...],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A wheel built from the source distribution of the tracked files."""
    source = tmp_path_factory.mktemp("source")
    for file in repository_files:
        (source / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(repository / file, source / file, follow_symlinks=False)
    built = tmp_path_factory.mktemp("built")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", built, cwd=source)
    assert len(list(built.glob("pkmodels-*.tar.gz"))) == 1
    [path] = built.glob("pkmodels-*.whl")
    return path


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the commands of a new environment with the wheel installed."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, symlinks=True)
    python = home / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    run(*pip, "--no-deps", "--no-index", wheel, cwd=home)
    # The locked packages are seen, not copied; the editable pkmodels stays unseen.
    packages = run(
        python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=home
    )
    seen = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (Path(packages.strip()) / "locked.pth").write_text("\n".join(sorted(seen)))
    return home / "bin"


def test_wheel_holds_the_tracked_files_and_no_others(
    wheel: Path, repository: Path, repository_files: tuple[Path, ...]
):
    tracked = set()
    for file in repository_files:
        if file.parts[0] in ("models", "fitting"):
            tracked.add(f"pkmodels/{file.as_posix()}")
        elif file.parts[0] == "pkmodels" and not (repository / file).is_symlink():
            tracked.add(file.as_posix())
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name for name in names if ".dist-info/" not in name} == tracked
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_every_module_imports(scripts: Path, tmp_path: Path):
    imported = run(scripts / "python", "-c", IMPORT_ALL, cwd=tmp_path).split()
    assert "pkmodels.models.organ_exchange" in imported
    assert "pkmodels.fitting.posterior" in imported


def test_commands_run(scripts: Path, tmp_path: Path, repository: Path):
    assert "safe-activity" in run(scripts / "pkmodels", "--help", cwd=tmp_path)
    run(scripts / "python", "-m", "pkmodels", "--version", cwd=tmp_path)
    study = tmp_path / "patient"
    shutil.copytree(
        repository / "studies" / "lu177_patient4",
        study,
        ignore=shutil.ignore_patterns("out"),
    )
    run(scripts / "pkmodels", "check", study, cwd=tmp_path)
    run(scripts / "pkmodels", "new", tmp_path / "template", cwd=tmp_path)
    run(scripts / "pkmodels", "check", tmp_path / "template", cwd=tmp_path)
