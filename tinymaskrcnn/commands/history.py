"""`tinymaskrcnn history`: each system of the family on the same scenes with the same budget, and what it costs."""

import json

from .ablate import add_study_options, check_plot, chosen_rows, open_rows, run_rows, say

HELP = "measure each system of the family on the same scenes with the same budget"
EXAMPLES = """examples:
  tinymaskrcnn history --quick                  a look, in minutes
  tinymaskrcnn history --plot history.png       three seeds; Ctrl-C, and the same again, goes on where it was
  tinymaskrcnn history --run-nothing --json     what the rows say that are there"""


def add_arguments(parser):
    add_study_options(parser)
    parser.add_argument("--plot", metavar="FILE", help="draw box AP against seconds per picture (.png, .svg, .pdf)")


def run(args):
    from ..train.ranks.launch import together

    with together(args.device) as ranks:
        return _run(args, ranks)


def _run(args, ranks):
    from ..studies.history import HISTORY, markdown, slowdown, told

    check_plot(args.plot)
    rows, which = open_rows(args), chosen_rows(args, quick_seeds=1)
    run_rows([HISTORY], rows, args, ranks, which)
    if ranks is not None and not ranks.first:
        return 0
    systems = told(rows, **which)
    if args.json:
        print(json.dumps({"systems": systems, "rcnn_times_fast_rcnn": slowdown(systems)}, indent=1))
    else:
        print(markdown(systems))
    if args.plot:
        from ..studies.pictures import history_figure
        from ..visualize import save_figure

        save_figure(history_figure(systems), args.plot)
        say(f"wrote {args.plot}")
    return 0
