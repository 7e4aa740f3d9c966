"""`tinymaskrcnn ablate`: questions of the papers, answered over paired seeds; finished rows are not run again."""

import json
import sys
from pathlib import Path

from .options import add_device, positive, threads_of

HELP = "answer a question of the papers by an ablation over paired seeds"
EXAMPLES = """examples:
  tinymaskrcnn ablate --list                       the questions, and how many rows of each are there
  tinymaskrcnn ablate mask_loss --quick            a look, in minutes: too short to decide anything
  tinymaskrcnn ablate mask_loss --plot masks.png   all seeds; Ctrl-C, and the same again, goes on where it was
  tinymaskrcnn ablate --all                        everything that has no row yet
  mpiexec -n 4 tinymaskrcnn ablate --all           the same, its rows shared by four processes
  tinymaskrcnn ablate mask_loss --run-nothing --json     the answer of the rows that are there"""
RESULTS = "docs/results"
QUICK_SEEDS = 2  # so that the largest question takes less than three minutes on two cores


def add_arguments(parser):
    parser.add_argument("names", metavar="NAME", nargs="*", default=[], help="questions of --list; they share rows")
    parser.add_argument("--list", action="store_true", help="the questions, with what is measured of each")
    parser.add_argument("--all", action="store_true", help="all questions, one after another")
    add_study_options(parser)
    parser.add_argument("--plot", metavar="FILE", help="draw values and intervals (.png, .svg, .pdf)")


def add_study_options(parser):
    """What `ablate` and `history` share."""
    parser.add_argument("--quick", action="store_true", help="a third of the steps, few scenes: rows of their own")
    parser.add_argument(
        "--seeds", type=positive, metavar="N", help="paired seeds (default: 3, 5 for small effects, few with --quick)"
    )
    parser.add_argument("--json", action="store_true", help="print nothing but JSON on stdout")
    parser.add_argument("--results", metavar="DIR", default=RESULTS, help=f"where rows are kept (default: {RESULTS})")
    parser.add_argument(
        "--work", metavar="DIR", default="runs/studies", help="where trainings lie (default: runs/studies)"
    )
    parser.add_argument(
        "--run-nothing", action="store_true", help="train nothing: say what the rows say that are there"
    )
    parser.add_argument("--again", action="store_true", help="run rows again that failed")
    add_device(parser)


def run(args):
    from ..train.ranks.launch import together

    with together(args.device) as ranks:
        return _run(args, ranks)


def _run(args, ranks):
    from ..errors import ArgumentError
    from ..studies.answer import answered
    from ..studies.catalogue import QUESTIONS, find

    if sum((bool(args.names), args.list, args.all)) != 1:
        raise ArgumentError("ablate needs the NAME of a question, or --list, or --all")
    questions = [find(name) for name in args.names] or list(QUESTIONS.values())
    if args.plot and len(args.names) != 1:
        raise ArgumentError("--plot draws one question; name it")
    check_plot(args.plot)
    rows = open_rows(args)
    if args.list:
        return _list(questions, rows, args)
    which = chosen_rows(args, quick_seeds=QUICK_SEEDS)
    run_rows(questions, rows, args, ranks, which)
    if ranks is None or ranks.first:
        tell([answered(question, rows, **which) for question in questions], args)
    return 0


def open_rows(args):
    """The Rows of --results; those of --quick lie in a folder of their own."""
    from ..studies.rows import Rows

    return Rows(Path(args.results) / ("quick" if args.quick else "rows"))


def chosen_rows(args, *, quick_seeds):
    """Which rows are asked for: {"seeds": a number, or None for those of the question, "quick": whether short ones}."""
    return {"seeds": args.seeds or (quick_seeds if args.quick else None), "quick": args.quick}


def run_rows(questions, rows, args, ranks, which):
    """Measure what is missing, alone or shared by ranks; what of another version lies there is told of first."""
    from ..studies.runner import missing, missing_together, run_together
    from ..studies.runner import run as run_plans

    if ranks is None:
        plans = missing(questions, rows, **which, again=args.again)
    else:
        plans = missing_together(questions, rows, ranks, **which, again=args.again)
    for warning in rows.warnings():
        say(f"warning: {warning}")
    rows.strange.clear()
    if args.run_nothing or not plans:
        return
    how = {"work": args.work, "device": args.device, "threads": threads_of(args, ranks), "say": say}
    try:
        if ranks is None:
            run_plans(plans, rows, **how)
        else:
            run_together(plans, rows, ranks, **how)
    except KeyboardInterrupt:
        say(f"stopped. Finished rows are kept in {rows.folder}; the same command goes on from here")
        raise


def tell(answers, args):
    """Print answers as Markdown or JSON, and draw them."""
    from ..studies.report import as_json, markdown

    if args.json:
        told = [as_json(answer) for answer in answers]
        print(json.dumps(told[0] if len(args.names) == 1 else told, indent=1))
    else:
        print("\n\n".join(markdown(answer) for answer in answers))
    if args.plot:
        from ..studies.pictures import answer_figure
        from ..visualize import save_figure

        save_figure(answer_figure(answers[0]), args.plot)
        say(f"wrote {args.plot}")


def _list(questions, rows, args):
    """A line for each question: its name, how many of its rows are there, and what it asks."""
    from ..studies.answer import answered
    from ..studies.report import as_json

    answers = [answered(question, rows, **chosen_rows(args, quick_seeds=QUICK_SEEDS)) for question in questions]
    for warning in rows.warnings():
        say(f"warning: {warning}")
    if args.json:
        print(json.dumps([as_json(answer) for answer in answers], indent=1))
        return 0
    for answer in answers:
        done = sum(len(answer.values[arm.name]) + len(answer.failures[arm.name]) for arm in answer.question.arms)
        count = f"{done}/{answer.wanted * len(answer.question.arms)}"
        print(f"{answer.question.name:<21} {count:>6} rows  {answer.question.title}")
    return 0


def check_plot(path):
    """Say before anything is trained that a picture of this name cannot be written."""
    from ..errors import ArgumentError

    if path is not None and Path(path).suffix not in (".png", ".svg", ".pdf"):
        raise ArgumentError(f"--plot must end in .png, .svg or .pdf; got {path!r}")


def say(text):
    """A line for a person, beside what the command prints."""
    print(text, file=sys.stderr, flush=True)
