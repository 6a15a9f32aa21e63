"""What one more scan would tell, in words: for the terminal and the report alike."""

from pkmodels.clinic.result_dosimetry import AnotherScan
from pkmodels.clinic.result_format import Result
from pkmodels.clinic.rounding import rounded_down

# An interval that is narrower by less is worth no scan.
WORTHLESS = 1.01


def when(each: AnotherScan) -> str:
    """Return at which hour a scan tells most, and at which nearly as much.

    Parameters
    ----------
    each : AnotherScan
        One that can still be made.

    Returns
    -------
    str
    """
    assert each.best_h is not None
    low, high = each.good_h or (each.best_h, each.best_h)
    nearly = "" if low == high else f" ({low:.0f} to {high:.0f})"
    return f"{each.best_h:.0f} h{nearly}"


def named(each: AnotherScan, result: Result) -> str:
    """Name a scan, with its occasion where there are several.

    Parameters
    ----------
    each : AnotherScan
        One of the result's.
    result : Result
        The result.

    Returns
    -------
    str
    """
    occasions = {
        offer.occasion
        for targets in result.another_scan.values()
        for offers in targets.values()
        for offer in offers
    }
    return (
        f"{each.modality} of {each.occasion}" if len(occasions) > 1 else each.modality
    )


def best_scan(result: Result) -> tuple[str, ...]:
    """Say of each planned label's binding dose which scan would tell most.

    Parameters
    ----------
    result : Result
        The result.

    Returns
    -------
    tuple of str
        One line for each label with a binding limit.
    """
    lines = []
    for label, safe in result.safe_activity.items():
        offers = result.another_scan.get(label, {}).get(safe.binding_limit or "", [])
        known = [each for each in offers if each.narrowing is not None]
        if not known:
            lines += [
                f"{safe.binding_limit} ({label}): {each.missing}"
                for each in offers[:1]
                if each.missing is not None
            ]
            continue
        best = max(known, key=lambda each: each.narrowing or 1.0)
        told = f"{safe.binding_limit} ({label}): {named(best, result)}"
        if (best.narrowing or 1.0) < WORTHLESS:
            lines.append(f"{told} at any hour that is left would tell nothing more")
            continue
        then = best.expected_safe_activity_GBq
        gain = (
            ""
            if then is None
            else f", the safe activity then {rounded_down(then)} GBq on average"
        )
        lines.append(
            f"{told} at {when(best)} would make the dose's interval "
            f"{best.narrowing:.2f} times narrower{gain}"
        )
    return tuple(lines)
