"""`tinymaskrcnn homework`: hand out exercises, check them, grade a class."""

import contextlib
import os
import re
import shutil
import sys
from pathlib import Path

from ..errors import ArgumentError

HELP = "release, check and grade exercises cut from the package's own source"
EXAMPLES = """examples:
  tinymaskrcnn homework list
  tinymaskrcnn homework release hw01 --out mine      # writes mine/hw01.py, never over a file
  tinymaskrcnn homework check mine/hw01.py           # exit status 0 when all is right, else 1
  tinymaskrcnn homework check mine/hw01.py --only linear_backward
  tinymaskrcnn homework grade submissions --homework hw01 --seed 2026 --out graded
"""
NO_POINTS = "a file that holds it gets no points at all when it is graded, so take it out"


def add_arguments(parser):
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="all homeworks and their exercises")

    release = actions.add_parser("release", help="write the file that a student fills in")
    release.add_argument("homework", help="hw01, hw02, ...")
    release.add_argument("--out", default=".", metavar="DIR", help="the folder to write into (default: this one)")
    release.add_argument("--nbgrader", action="store_true", help="write an assignment for nbgrader instead")
    release.add_argument("--seed", type=int, help="with --nbgrader: of the hidden tests")

    check = actions.add_parser("check", help="say of each exercise whether it is right, and what is wrong")
    check.add_argument("file", help="a filled-in hw01.py, or your check(package) for `museum try`")
    check.add_argument("--only", nargs="+", metavar="ID", help="these exercises alone; the hw01. may be left out")
    check.add_argument("--pictures", metavar="DIR", help="where pictures go (default: FILE's name with _pictures)")
    check.add_argument("--no-pictures", action="store_true", help="words and numbers only")
    check.add_argument("--seconds", type=float, default=10.0, help="of computing for each exercise (default: 10)")

    grade = actions.add_parser("grade", help="grade a folder of submissions")
    grade.add_argument("folder", help="a folder per student with hw01.py in it, or files like alice_hw01.py")
    grade.add_argument("--homework", metavar="HW", help="only this one; who has no file handed in nothing")
    grade.add_argument("--out", default="graded", metavar="DIR", help="grades.csv, grades.json, feedback/ (graded)")
    grade.add_argument("--seed", type=int, help="of the numbers in all cases: another year, another seed")
    grade.add_argument("--seconds", type=float, default=5.0, help="of computing for each exercise (default: 5)")
    grade.add_argument("--memory", type=int, default=2048, metavar="MB", help="for each process (default: 2048)")
    grade.add_argument("--processes", type=int, metavar="N", help="at the same time (default and most: one a core)")
    grade.add_argument("--separator", default=",", choices=[",", ";"], help="of grades.csv; ; brings a decimal comma")


def run(args):
    if getattr(args, "seed", None) is not None and args.seed < 0:
        raise ArgumentError(f"--seed must be a whole number, 0 or more; got {args.seed}")
    return {"list": _list, "release": _release, "check": _check, "grade": _grade}[args.action](args)


def _say(*lines, file=None):
    """Print lines; when nobody reads them any more (`... | head`), the work and its exit status stay what they are."""
    try:
        print(*lines, sep="\n", file=file, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _list(args):
    from ..homework.exercises import exercises_of, titles

    for homework, title in titles().items():
        exercises = exercises_of(homework)
        print(f"{homework}  {title} ({len(exercises)} exercises, {sum(e.points for e in exercises)} points)")
        for e in exercises:
            print(f"    {e.id:<40} {e.points} {'point ' if e.points == 1 else 'points'}  lesson {e.lesson}  {e.title}")
    return 0


def _release(args):
    from ..homework.release import release

    if args.nbgrader:
        from ..homework.nbgrader import release_nbgrader

        path = release_nbgrader(args.homework, args.out, seed=args.seed or 0)
        _tell_of_seed(args)
        print(f"wrote {path}: an assignment with solutions for nbgrader, not for students")
        return 0
    path = release(args.homework, args.out)
    print(f"wrote {path}\nfill in its blanks, and check them:  {_program()} homework check {path}")
    return 0


def _tell_of_seed(args):
    if args.seed is None:
        print("note: seed 0, which students can guess; give --seed", file=sys.stderr)


def _program():
    """How this program was called: another `python -m` may not be on the path."""
    words = sys.orig_argv
    if "-m" in words and words[words.index("-m") + 1 :][:1] == ["tinymaskrcnn"]:
        return " ".join(words[: words.index("-m") + 2])
    here = sys.argv[0]
    return here if Path(here).name == "tinymaskrcnn" and shutil.which("tinymaskrcnn") != here else "tinymaskrcnn"


def _check(args):
    from ..homework.audit import audit
    from ..homework.check import check_file, homework_of
    from ..homework.files import read_program
    from ..homework.remarks import sentences

    if not 0 < args.seconds < 1e6:
        raise ArgumentError(f"--seconds must be a time above 0; got {args.seconds:g}")
    if _holds_checks(args.file):
        return _check_checks(args)
    pictures = _Pictures(None if args.no_pictures else args.pictures or f"{Path(args.file).with_suffix('')}_pictures")
    homework, text = homework_of(args.file), read_program(args.file)
    for line, words in audit(text):
        _say(f"note: line {line}: {words} is not needed here; {NO_POINTS}")
    verdicts, said = [], set()
    for verdict in check_file(args.file, only=args.only, seconds=args.seconds):
        _tell(verdict, said)
        verdicts.append(verdict)
        pictures.of(verdict)
    for words in sentences(verdicts):
        _say(f"note: {words}")
    right = [v for v in verdicts if v.word == "right"]
    points, total = sum(v.points for v in verdicts), sum(v.exercise.points for v in verdicts)
    _say(f"{len(right)} of {len(verdicts)} right, {points:g} of {total} points")
    if words := _next(homework, verdicts, text):
        _say(words)
    return 0 if len(right) == len(verdicts) else 1


def _holds_checks(path):
    """Whether a file is no filled-in homework by its name, and defines a function check(package) for the museum."""
    from ..homework.check import homework_of
    from ..homework.files import read_program

    try:
        homework_of(path)
    except ArgumentError:
        return re.search(r"^def check\w*\(", read_program(path), re.MULTILINE) is not None
    return False


def _check_checks(args):
    """What a student's checks find of the museum's bugs: the answer is their column of the kill matrix."""
    from . import museum

    args.action, args.json, args.processes = "try", False, None
    return museum.run(args)


def _tell(verdict, said):
    """Print a verdict; what concerns the whole file, and was `said` already, is not said again."""
    from ..homework.explain import explanation, headline, of_the_file

    lines = explanation(verdict)
    if not of_the_file(verdict):
        _say(headline(verdict), *(f"    {line}" for line in lines))
        return
    if tuple(lines) not in said:
        _say("the file cannot be run, so none of its exercises can be checked:", *(f"    {line}" for line in lines))
    said.add(tuple(lines))
    _say(headline(verdict))


def _next(homework, verdicts, text):
    """What to do now, in one line; "" when that has been said."""
    from ..homework.check import looks_like
    from ..homework.exercises import exercises_of, titles
    from ..homework.explain import of_the_file

    if all(verdict.word == "missing" for verdict in verdicts):
        other = looks_like(text)
        seems = f"this looks like {other}: " if other not in (None, homework) else ""
        return f"hint: {seems}the file's name says which homework it is, and this one is taken for {homework}"
    if any(of_the_file(verdict) for verdict in verdicts):
        return ""
    todo = next((v.exercise for v in verdicts if v.word != "right"), None)
    exercises = list(exercises_of(homework))
    if todo is None and len(verdicts) < len(exercises):
        todo = next(iter(exercises[exercises.index(verdicts[-1].exercise) + 1 :]), None)
    elif todo is not None and len(verdicts) == 1:
        return ""
    if todo is not None:
        return f"next: {todo.id} ({todo.title}); lesson {todo.lesson} explains it"
    if len(verdicts) < len(exercises):
        return f"that was the last exercise of {homework}; check all of it without --only"
    later = [name for name in titles() if name > homework]
    if not later:
        return "that was the last homework"
    lesson, name = exercises_of(later[0])[0].lesson, f"{later[0]} ({titles()[later[0]]})"
    return f"next: lesson {lesson}, and then {name}: {_program()} homework release {later[0]}"


class _Pictures:
    """Pictures of what is wrong in a folder; where they cannot be saved, that is said once, and the words stand."""

    def __init__(self, folder):
        self.folder = None if folder is None else Path(folder)

    def of(self, verdict):
        """Save the picture of a verdict, or take away an old one of what is right by now."""
        if self.folder is None:
            return
        try:
            if (path := _picture(verdict, self.folder)) is not None:
                _say(f"    picture: {path}")
        except OSError as error:
            _say(f"note: no pictures: {self.folder}: {error.strerror or error}; --pictures names another folder")
            self.folder = None


def _picture(verdict, folder):
    """Save the picture of what is wrong, or take an old one away; returns its path or None."""
    from ..homework.feedback import picture_of
    from ..homework.files import write_file

    path = folder / f"{verdict.exercise.id}.png"
    image = picture_of(verdict)
    if image is not None:
        return write_file(path, image)
    if path.is_file():
        path.unlink()
        with contextlib.suppress(OSError):  # it still holds something
            folder.rmdir()
    return None


def _grade(args):
    from ..homework.grade import grade

    options = {"homework": args.homework, "seed": args.seed or 0, "seconds": args.seconds, "processes": args.processes}
    options |= {"separator": args.separator, "memory": args.memory << 20}
    report = grade(args.folder, out=args.out, tell=lambda words: print(f"note: {words}", file=sys.stderr), **options)
    records = report["submissions"]
    width = max(len(record["student"]) for record in records)
    for record in records:
        points = f"{record['points']:g} of {record['of']}"
        _say(f"{record['student']:<{width}}  {record['homework']}  {points:>12}  {record['verdict']}")
        if record["verdict"].startswith(("tampered", "not graded")) and record["note"]:
            _say(*(f"{'':<{width}}  {line}" for line in record["note"].splitlines()[-3:]))
    _tell_of_seed(args)
    if "unwritten" not in report:
        print(f"wrote {args.out}/grades.csv, grades.json and feedback/", file=sys.stderr)
    _say(*report["remarks"], *report["summary"])
    if "unwritten" in report:
        print(f"error: {report['unwritten']}; the results above are all there is", file=sys.stderr)
        return 2
    return 0
