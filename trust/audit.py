"""`make audit`: are there published holes in the versions that are tested? Asks PyPI by pip-audit.

Exit codes: 0 all pins were compared and none has a hole; 1 some have; 3 some could not be compared, as without a
network: pip-audit itself calls that "no known vulnerabilities". With --or-skip 3 is 0, and the line says so.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
HOLES, UNKNOWN = 1, 3
SHOWN = 5  # names of what was not compared


def applying(constraints: str) -> list[str]:
    """The pins that apply to this Python, without comments and conditions."""
    lines = (line.split("#")[0].strip() for line in constraints.splitlines())
    found = [Requirement(line) for line in lines if line]
    return [f"{each.name}{each.specifier}" for each in found if each.marker is None or each.marker.evaluate()]


def audit(pins: list[str], service: str) -> list[dict[str, Any]]:
    """What pip-audit says of each pin; empty if it says nothing."""
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "pins.txt"
        listed.write_text("\n".join(pins) + "\n", encoding="utf-8")
        command = [sys.executable, "-m", "pip_audit", "-r", str(listed), "--no-deps", "--disable-pip"]
        command += ["--progress-spinner", "off", "--format", "json", "--vulnerability-service", service]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return json.loads(done.stdout)["dependencies"]
    except (ValueError, LookupError, TypeError):
        return []


def report(pins: list[str], found: list[dict[str, Any]]) -> tuple[list[str], int]:
    """Lines and the exit code."""
    compared = {canonicalize_name(each["name"]) for each in found if "vulns" in each}
    missed = [pin for pin in pins if canonicalize_name(pin.split("==")[0]) not in compared]
    lines = [
        f"{each['name']} {each['version']}: {hole['id']}, mended in {', '.join(hole['fix_versions']) or 'no version'}"
        for each in found
        for hole in each.get("vulns", ())
    ]
    if not compared:
        return ["nothing was audited: the advisory service cannot be reached, or does not know these packages"], UNKNOWN
    if missed:
        names = ", ".join(missed[:SHOWN]) + (" ..." if len(missed) > SHOWN else "")
        lines.append(f"{len(missed)} of {len(pins)} pins were not audited: {names}")
    else:
        lines.append(f"all {len(pins)} pins were audited: {len(lines) or 'no'} known holes")
    return lines, HOLES if any(each.get("vulns") for each in found) else UNKNOWN if missed else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m trust.audit", description=__doc__)
    parser.add_argument("--constraints", type=Path, default=ROOT / "constraints.txt")
    parser.add_argument("--service", default="pypi", choices=["pypi", "osv"], help="whom to ask")
    parser.add_argument("--or-skip", action="store_true", help="what cannot be compared is no failure (CI)")
    args = parser.parse_args()
    pins = applying(args.constraints.read_text(encoding="utf-8"))
    lines, code = report(pins, audit(pins, args.service))
    if code == UNKNOWN and args.or_skip:
        lines[-1] += " (skipped)"
        code = 0
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main())
