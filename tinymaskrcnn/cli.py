"""The command line: one sub-command per file of `commands/`, from train and evaluate to export and data."""

import argparse
import contextlib
import importlib
import os
import sys

from . import __version__
from .commands.options import check_threads
from .errors import TinyMaskRCNNError, meant, shown

COMMANDS = (
    *("train", "evaluate", "predict", "annotate", "convert", "export", "demo", "profile", "walk", "explain"),
    *("live", "history", "ablate", "doctor", "data", "homework", "museum"),
)
INTERRUPTED = 130  # what a shell reports after Ctrl-C
UNREAD = 141  # and of a program whose output nobody reads any more: `... | head`


def build_parser():
    """The parser, and the parsers of the sub-commands by name."""
    parser = argparse.ArgumentParser(
        prog="tinymaskrcnn",
        description="Mask R-CNN from scratch in NumPy: find, name and cut out handwritten digits.",
        epilog="New here? Try `tinymaskrcnn demo`, then `tinymaskrcnn train`.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"tinymaskrcnn {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    parsers = {}
    for name in COMMANDS:
        command = importlib.import_module(f".commands.{name}", __package__)
        parsers[name] = commands.add_parser(
            name,
            help=command.HELP,
            description=command.HELP[0].upper() + command.HELP[1:] + ".",
            epilog=command.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        command.add_arguments(parsers[name])
        parsers[name].set_defaults(execute=command.run)
    return parser, parsers


def parse(argv):
    """The arguments; an unknown option or command ends the program with the name of the closest one."""
    parser, parsers = build_parser()
    if argv and not argv[0].startswith("-") and argv[0] not in parsers:
        parser.error(f"unknown command {argv[0]!r}{_closest(argv[0], parsers)}")
    args, unknown = parser.parse_known_args(argv)
    if unknown:
        options = parsers[args.command]._option_string_actions
        parsers[args.command].error(f"unknown option {unknown[0]!r}{_closest(unknown[0].split('=')[0], options)}")
    return args


def _closest(word, known):
    close = meant(word, known)
    return f"; did you mean {close}?" if close else f"; known are {', '.join(known)}"


def _computing(args):
    """Holds --threads, and BLAS on one of them, for all that a command does; not every command computes."""
    if "threads" not in args:
        return contextlib.nullcontext()
    check_threads(args.threads)
    from .train.trainer import computing

    return computing(args.threads)


def main(argv=None):
    """Run a command; what went wrong on purpose, or with a file, is one line on stderr and exit status 2."""
    write_everything()
    argv = sys.argv[1:] if argv is None else list(argv)
    if not argv:  # somebody looks around
        build_parser()[0].print_help()
        return 0
    args = parse(argv)
    try:
        with _computing(args):
            status = args.execute(args)
            sys.stdout.flush()
            return status
    except TinyMaskRCNNError as error:
        message = str(error)
    except BrokenPipeError:  # the work is not done, or nobody knows whether it was
        _let_go_of_output()
        return UNREAD
    except FileExistsError as error:  # where a folder, or another file, was to be made
        message = f"{error.filename}: a file of that name is there already"
    except OSError as error:
        message = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    except KeyboardInterrupt:
        message = "interrupted"
        print(f"error: {message}", file=sys.stderr)
        return INTERRUPTED
    except UnicodeError as error:  # a name that this system's encoding cannot hold
        kind = "is no text" if isinstance(error, UnicodeDecodeError) else "cannot be written"
        message = f"{shown(error.object)} {kind} in {error.encoding}: {error.reason}"
    print(f"error: {message}", file=sys.stderr)
    return 2


def write_everything():
    """Let stdout and stderr take any text: what a console's encoding lacks is written as \\u732b, never an error."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):  # not a text file of Python's own, or closed
            stream.reconfigure(errors="backslashreplace")


def _let_go_of_output():
    """What is still to be written goes nowhere, so that the end of the program does not stumble over it."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
