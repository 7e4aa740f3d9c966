"""What a browser can say of any page: does it scroll sideways, are there names, alternative texts, contrast."""

from pathlib import Path

SCRIPT = Path(__file__).with_name("page_checks.js").read_text(encoding="utf-8")


def complaints(page, check, *arguments):
    """The sentences of one of the checks in page_checks.js about a page of playwright."""
    return page.evaluate(f"given => {SCRIPT}[given[0]](...given[1])", [check, list(arguments)])
