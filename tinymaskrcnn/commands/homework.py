"""`tinymaskrcnn homework`: hand out exercises, check them, grade a class."""

import sys
from pathlib import Path

HELP = "release, check and grade exercises cut from the package's own source"
EXAMPLES = """examples:
  tinymaskrcnn homework list
  tinymaskrcnn homework release hw01 --out mine      # writes mine/hw01.py, never over a file
  tinymaskrcnn homework check mine/hw01.py           # exit status 0 when all is right, else 1
  tinymaskrcnn homework check mine/hw01.py --only hw01.linear_backward
  tinymaskrcnn homework grade submissions --homework hw01 --seed 2026 --out graded
"""


def add_arguments(parser):
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="all homeworks and their exercises")

    release = actions.add_parser("release", help="write the file that a student fills in")
    release.add_argument("homework", help="hw01, hw02, ...")
    release.add_argument("--out", default=".", metavar="DIR", help="the folder to write into (default: this one)")
    release.add_argument("--nbgrader", action="store_true", help="write an assignment for nbgrader instead")
    release.add_argument("--seed", type=int, default=0, help="with --nbgrader: of the hidden tests")

    check = actions.add_parser("check", help="say of each exercise whether it is right, and what is wrong")
    check.add_argument("file", help="a filled-in hw01.py")
    check.add_argument("--only", nargs="+", metavar="ID", help="these exercises alone")
    check.add_argument("--pictures", metavar="DIR", help="where pictures go (default: FILE's name with _pictures)")
    check.add_argument("--no-pictures", action="store_true", help="words and numbers only")
    check.add_argument("--seconds", type=float, default=10.0, help="time for each exercise (default: 10)")

    grade = actions.add_parser("grade", help="grade a folder of submissions")
    grade.add_argument("folder", help="a folder per student with hw01.py in it, or files like alice_hw01.py")
    grade.add_argument("--homework", metavar="HW", help="only this one; who has no file handed in nothing")
    grade.add_argument("--out", default="graded", metavar="DIR", help="grades.csv, grades.json, feedback/ (graded)")
    grade.add_argument("--seed", type=int, default=0, help="of the numbers in all cases: another year, another seed")
    grade.add_argument("--seconds", type=float, default=5.0, help="time for each exercise (default: 5)")
    grade.add_argument("--memory", type=int, default=2048, metavar="MB", help="for each process (default: 2048)")
    grade.add_argument("--processes", type=int, metavar="N", help="at the same time (default: one a core)")


def run(args):
    return {"list": _list, "release": _release, "check": _check, "grade": _grade}[args.action](args)


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

        path = release_nbgrader(args.homework, args.out, seed=args.seed)
        print(f"wrote {path}: an assignment with solutions for nbgrader, not for students")
        return 0
    path = release(args.homework, args.out)
    print(f"wrote {path}\nfill in its blanks, and check them:  tinymaskrcnn homework check {path}")
    return 0


def _check(args):
    from ..homework.audit import audit
    from ..homework.check import check_file, explanation, headline
    from ..homework.files import read_program

    folder = Path(args.pictures or f"{Path(args.file).with_suffix('')}_pictures")
    verdicts = []
    for line, words in audit(read_program(args.file)):
        print(f"note: line {line}: {words} is not needed here, and graded files may not hold it")
    for verdict in check_file(args.file, only=args.only, seconds=args.seconds):
        verdicts.append(verdict)
        print(headline(verdict), flush=True)
        for line in explanation(verdict):
            print(f"    {line}")
        if not args.no_pictures and (path := _picture(verdict, folder)) is not None:
            print(f"    picture: {path}")
    right = [v for v in verdicts if v.word == "right"]
    points, total = sum(v.points for v in verdicts), sum(v.exercise.points for v in verdicts)
    print(f"{len(right)} of {len(verdicts)} right, {points:g} of {total} points")
    todo = next((v.exercise for v in verdicts if v.word != "right"), None)
    if todo is not None and len(verdicts) > 1:
        print(f"next: {todo.id} ({todo.title}); lesson {todo.lesson} explains it")
    return 0 if len(right) == len(verdicts) else 1


def _picture(verdict, folder):
    """Save the picture of what is wrong, or take an old one away; returns its path or None."""
    from ..homework.feedback import picture_of
    from ..homework.files import write_bytes

    path = folder / f"{verdict.exercise.id}.png"
    image = picture_of(verdict)
    if image is None:
        path.unlink(missing_ok=True)
        return None
    return write_bytes(path, image)


def _grade(args):
    from ..homework.grade import grade

    options = {"homework": args.homework, "seed": args.seed, "seconds": args.seconds, "processes": args.processes}
    records = grade(args.folder, out=args.out, memory=args.memory << 20, **options)
    width = max(len(record["student"]) for record in records)
    for record in records:
        points = f"{record['points']:g} of {record['of']}"
        print(f"{record['student']:<{width}}  {record['homework']}  {points:>12}  {record['verdict']}")
    print(f"wrote {args.out}/grades.csv, grades.json and feedback/", file=sys.stderr)
    return 0
