"""metrics.jsonl: one line of JSON per training step, appended as the run goes."""

import json
import os
import sys
from pathlib import Path

from ..files import write_whole


def append_row(path, row):
    """Add one row; a row is a single write, so that a killed run loses at most its last line."""
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    except OSError as error:  # a failed write does not say which file
        raise OSError(error.errno, error.strerror, str(path)) from error


def read_rows(path):
    """All whole rows of a metrics file; a last line that was cut off is left out."""
    path = Path(path)
    if not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


def truncate_rows(path, step):
    """Keep only the rows up to `step`: what came after a checkpoint is computed again when a run resumes."""
    path = Path(path)
    kept = [row for row in read_rows(path) if row["step"] <= step]
    write_whole(path, "".join(json.dumps(row) + "\n" for row in kept))
    return kept


def resident_megabytes():
    """Memory that this process holds right now, or the most it ever held where the system says only that; in MB."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)
    except (OSError, ValueError, AttributeError):
        pass
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / 1e6 if sys.platform == "darwin" else peak / 1e3, 1)
