"""The process in which the package runs with an exhibit laid over it: checks it, draws from it, measures it.

One request comes in on standard input, one answer leaves on standard output, both JSON. What the package or a student's
file prints goes nowhere.
"""

import importlib
import json
import os
import pkgutil
import signal
import sys
import time
import traceback
import types
import warnings

ROOMS = ("", "ops", "nn", "targets", "models", "models.backbones", "models.heads", "data.proposals", "evaluation")
ROOMS += ("testing",)
NEEDED = ("scipy.sparse", "numpy.testing")  # by RoI operators and by many a check
ALSO = ("train.optimizer", "train.schedule", "models.build")


def main():
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    request = json.loads(sys.stdin.read())
    if request["guard"]:
        from ..homework import guard

        guard.limit(**request["guard"], strict=False)
    from .plant import plant

    plant(request["sources"])
    warnings.simplefilter("ignore")
    package = opened()
    if request["guard"]:
        for name in NEEDED:
            importlib.import_module(name)  # later no module may be loaded that could start a process
        guard.close([], request["file"]["path"], strict=False)
    answers.write(json.dumps(answer(package, request)).encode())
    answers.flush()
    os._exit(0)  # whatever a student's file has left running


def opened():
    """The package with the rooms that a check may ask for."""
    package = importlib.import_module(__package__.partition(".")[0])
    for room in ROOMS:
        home = importlib.import_module(f"{package.__name__}.{room}".rstrip("."))
        for info in pkgutil.iter_modules(home.__path__, f"{home.__name__}."):
            if room or info.name.rpartition(".")[2] in ("backend", "config", "errors", "structures"):
                importlib.import_module(info.name)
    for module in ALSO:
        importlib.import_module(f"{package.__name__}.{module}")
    return package


def answer(package, request):
    """What the package says to a request, as data."""
    if request.get("file"):
        checks, trouble = student_checks(**request["file"])
        if trouble:
            return {"trouble": trouble}
    else:
        from .checks import CHECKS

        checks = CHECKS if request["checks"] is None else {name: CHECKS[name] for name in request["checks"]}
    found = {name: _checked(check, package, request) for name, check in checks.items()}
    told = {"checks": found, "views": _views(package, request), "gradients": _gradients(package, request)}
    return told | _training(package, request)


def student_checks(path, text):
    """({name: function} of a file's functions whose names begin with check, "" or what is wrong with the file)."""
    module = types.ModuleType("museum_check")
    module.__file__ = path
    try:
        exec(compile(text, path, "exec"), vars(module))
    except (Exception, SystemExit) as error:
        return {}, _said(error, path)
    found = {n: f for n, f in vars(module).items() if n.startswith("check") and isinstance(f, types.FunctionType)}
    missing = "the file defines no function check(package), nor any other whose name begins with check"
    return found, "" if found else missing


def _checked(check, package, request):
    """Whether a check finds something: it does when it raises, whatever it raises."""
    if request["seconds"]:
        signal.setitimer(signal.ITIMER_PROF, request["seconds"])
    began, said = time.process_time(), ""
    try:
        check(package)
    except (Exception, SystemExit) as error:
        said = _said(error, (request.get("file") or {}).get("path"))
    if request["seconds"]:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return {"found": bool(said), "said": said, "seconds": round(time.process_time() - began, 4)}


def _said(error, path=None):
    """The first line of an error; of one that no assert raised, its kind and the line of the student's file."""
    words = (str(error).splitlines() or [""])[0][:300].replace("not allowed in homework", "not allowed here")
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    where = f" (line {lines[-1]})" if lines else ""
    if isinstance(error, AssertionError):
        return (words or "an assert without words fails") + where
    return f"{type(error).__name__}: {words}{where}"


def _views(package, request):
    """{view: its numbers, or {"trouble": what went wrong}}"""
    if not request["views"]:
        return {}
    from .views import VIEWS

    told = {}
    for name in request["views"]:
        try:
            told[name] = VIEWS[name](package)
        except Exception as error:  # with a bug anything may fail, and that is what there is to see
            told[name] = {"trouble": _said(error)}
    return told


def _gradients(package, request):
    """{case of the gradient harness: the relative error of its gradient; None where it fails}"""
    if not request["gradients"]:
        return {}
    from .subjects import gradient_cases

    errors = {}
    for name, case in gradient_cases(package).items():
        try:
            errors[name] = package.testing.gradients.largest_error(case)
        except Exception:
            errors[name] = None
    return errors


def _training(package, request):
    """{"training": what a short training comes to}, where that was asked for."""
    if not request.get("training"):
        return {}
    from .training import train_briefly

    return {"training": train_briefly(package, **request["training"])}


if __name__ == "__main__":
    main()
