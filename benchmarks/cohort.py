"""A cohort on this machine: time and memory of many simulated patients.

    python benchmarks/cohort.py --patients 1000 --workers 2 --out /some/folder

Patients of tests/simulators.py, three scans each; every tenth of them prints a line.
Each patient's report and draws take 9 MB of the folder. Stop it at will: it goes on.
At the end the answers are held against the truths that the scans were drawn from.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from pkmodels.clinic.cohort import PATIENTS, TASKS, run_cohort
from pkmodels.cohorts.outcomes import peak_memory_MB
from pkmodels.cohorts.runs import Progress

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import simulators  # pyright: ignore[reportMissingImports]

PROTOCOL = simulators.Protocol("pentixather", 200.0, (4.0, 24.0, 96.0))
# Of absorbed dose in the kidneys, as `simulators.write_patient` states it.
LIMIT_GY = 23.0


def write_people(folder: Path, count: int) -> None:
    for seed in range(count):
        own = folder / f"P{seed:04d}"
        own.mkdir(parents=True, exist_ok=True)
        simulators.write_patient(own, simulators.simulate(seed, PROTOCOL), PROTOCOL)
        described = own / "patient.toml"
        text = described.read_text("utf-8")
        text = text.replace('id = "simulated"', f'id = "{own.name}"')
        described.write_text(text, "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--patients", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    people = chosen.out / "people"
    write_people(people, chosen.patients)
    began = time.perf_counter()

    def tell(now: Progress) -> None:
        if now.done % max(1, now.total // 10) == 0:
            seconds = time.perf_counter() - began
            print(
                f"{now.done} of {now.total} after {seconds:.0f} s; this process "
                f"{peak_memory_MB():.0f} MB",
                flush=True,
            )

    out = chosen.out / "results"
    found = run_cohort(people, out, 0, workers=chosen.workers, progress=tell)
    report(out / TASKS, len(found.rows))
    judge(out, chosen.patients)


def report(folder: Path, total: int) -> None:
    kept = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    outcomes = [json.loads(path.read_text("utf-8")) for path in kept]
    seconds = np.array([each["cpu_seconds"] for each in outcomes])
    memory = np.array([each["memory_MB"] for each in outcomes])
    print("tenth of the patients | CPU s a patient | largest memory of a worker, MB")
    for part in np.array_split(np.arange(total), min(10, total)):
        print(f"{part[0] + 1:5d} to {part[-1] + 1:5d} | {seconds[part].mean():6.2f} | "
              f"{memory[part].max():7.0f}")  # fmt: skip
    statuses = [each["value"]["status"] for each in outcomes if each["value"]]
    print({status: statuses.count(status) for status in set(statuses)})


def judge(out: Path, count: int) -> None:
    """Print how often activities hold, of which the true doses are known."""
    held, shares, doses = [], [], []
    for seed in range(count):
        result = out / PATIENTS / f"P{seed:04d}" / "result.json"
        table = json.loads(result.read_text("utf-8")) if result.exists() else {}
        said = table.get("safe_activity", {}).get("Y-90", {})
        if said.get("activity_GBq") is None:
            print(f"P{seed:04d} has no activity, and is left out of what follows")
            continue
        truth = simulators.simulate(seed, PROTOCOL).kidney_dose_Gy_per_GBq
        before = PROTOCOL.activity_MBq / 1000.0 * truth["Lu-177"]
        largest = (LIMIT_GY - before) / truth["Y-90"]
        low, high = said["activity_at_limit_GBq"]["interval_95"]
        held.append(low <= largest <= high)
        shares.append(said["activity_GBq"] / largest)
        doses.append(before + said["activity_GBq"] * truth["Y-90"])
    above = np.array(doses) > LIMIT_GY
    for what, seen, expected in (
        ("95 % intervals that hold the largest activity", held, 0.95),
        (f"safe activities that would give above {LIMIT_GY:g} Gy", above, 0.05),
    ):
        p = binomtest(int(np.sum(seen)), len(seen), expected).pvalue
        print(f"{what}: {np.sum(seen)} of {len(seen)} (p = {p:.2g})")
    print(f"largest dose {max(doses):.1f} Gy; median of safe over largest activity "
          f"{np.median(shares):.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
