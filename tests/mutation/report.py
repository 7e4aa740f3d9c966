"""What became of the mutants, for readers and for programs."""

from dataclasses import asdict, dataclass


@dataclass
class Row:
    """One function or exercise: how many mutants there were, and the names of those that nothing noticed.

    equivalent {key: reason}; survivors [(name, key)]; stale: reasons for mutants that there are no more, or that
    something notices.
    """

    where: str
    total: int
    killed: int
    equivalent: dict
    survivors: list
    stale: list


def sorted_out(where, total, unnoticed, known):
    """The Row of a place: its unnoticed mutants [(name, key)] are equivalent when a reason is known, else survivors."""
    keys = {key for _, key in unnoticed}
    equivalent = {key: reason for key, reason in known.items() if key in keys}
    survivors = [(name, key) for name, key in unnoticed if key not in known]
    stale = [key for key in known if key not in keys]
    return Row(where, total, total - len(unnoticed), equivalent, survivors, stale)


def table(rows):
    """The rows as text, survivors by name."""
    lines = [f"{'':<40}{'mutants':>8}{'killed':>8}{'equivalent':>12}{'survivors':>11}"]
    for row in [*rows, _sum(rows)]:
        same = row.total - row.killed - len(row.survivors)
        lines.append(f"{row.where:<40}{row.total:>8}{row.killed:>8}{same:>12}{len(row.survivors):>11}")
    for row in rows:
        lines += [f"\nsurvives {row.where}: {name}\n    {key}" for name, key in row.survivors]
        lines += [f"\nstale reason in {row.where}:\n    {key}" for key in row.stale]
    return "\n".join(lines)


def as_data(rows):
    """The rows as plain data."""
    return [asdict(row) for row in rows]


def _sum(rows):
    survivors = [s for row in rows for s in row.survivors]
    return Row("all", sum(r.total for r in rows), sum(r.killed for r in rows), {}, survivors, [])
