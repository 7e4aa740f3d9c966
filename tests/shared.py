"""What many tests need and one process pays for: the workers of a test run share what the first of them has made."""

import shutil
import time

PATIENCE = 1200  # seconds; whoever makes something longer than that has been killed


def made_once(folder, make):
    """The folder that make(folder) has filled. Who comes meanwhile waits; where make failed, the next one tries."""
    lock, done = folder.with_name(f"{folder.name}.lock"), folder.with_name(f"{folder.name}.done")
    began = time.monotonic()
    while not done.exists():
        try:
            lock.mkdir()
        except FileExistsError:
            if time.monotonic() - began > PATIENCE:
                raise TimeoutError(f"{folder.name} is still being made by another process") from None
            time.sleep(0.05)
            continue
        try:
            if not done.exists():  # it was finished between the question and the lock
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
                make(folder)
                done.touch()
        finally:
            lock.rmdir()
    return folder
