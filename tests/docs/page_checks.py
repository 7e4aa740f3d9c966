"""What a browser can say of any page: does it scroll sideways, are there names, alternative texts, contrast."""

from pathlib import Path

SCRIPT = Path(__file__).with_name("page_checks.js").read_text(encoding="utf-8")
PATIENCE = 300, 1500  # milliseconds


def complaints(page, check, *arguments):
    """The sentences of one of the checks in page_checks.js about a page of playwright.

    On a busy machine a page may still be on its way to its new width or its other colours. What stays is a fault.
    """
    for wait in (0, *PATIENCE):
        page.wait_for_timeout(wait)
        found = page.evaluate(f"given => {SCRIPT}[given[0]](...given[1])", [check, list(arguments)])
        if not found:
            break
    return found
