"""`mpiexec -n 2 tinymaskrcnn train`: one folder, one voice, one error, and a run that goes on with another number."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import with_mpi
from tiny_settings import TINY_PARTS, TINY_RUN

from tinymaskrcnn import Experiment, cli
from tinymaskrcnn.commands.options import override
from tinymaskrcnn.config import Config, to_dict
from tinymaskrcnn.errors import ArgumentError, BackendError, ConfigError, RankError
from tinymaskrcnn.train.metrics import read_rows
from tinymaskrcnn.train.ranks import launch, mpi
from tinymaskrcnn.train.ranks.communicator import Communicator
from tinymaskrcnn.train.run import FollowedRun, RunFolder

CONFIG = Config()
FAULTY = with_mpi.ROOT / "tests/train/ranks/faulty_train.py"
SETTINGS = TINY_RUN | TINY_PARTS | {"train.steps": 4, "train.eval_scenes": 2, "train.checkpoint_every": 1}


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    path = tmp_path_factory.mktemp("ranks") / "tiny.json"
    path.write_text(json.dumps(to_dict(override(CONFIG, SETTINGS))))
    return path


def losses_of(path):
    names = ("loss", "rpn_objectness", "box_class", "mask", "gradient_norm")
    return np.array([[row[name] for name in names] for row in read_rows(path / "metrics.jsonl")])


def test_two_ranks_go_on_from_one_process_and_compute_and_judge_what_it_would(settings, tmp_path, capsys):
    """The same losses, but for rounding; of the same weights the same figures, to the bit."""
    one, two = tmp_path / "one", tmp_path / "two"
    for run, steps in ((one, "4"), (two, "2")):
        constant = ("--set", "train.schedule=constant", "--set", "train.eval_scenes=7")
        assert cli.main(["train", "--config", str(settings), "--out", str(run), "--steps", steps, *constant]) == 0
    done = with_mpi.run_ranks(2, "-m", "tinymaskrcnn", "train", "--out", two, "--resume", "--steps", "4")
    assert done.returncode == 0, done.stderr
    assert "4 steps of 2 scenes, shared by 2 ranks" in done.stderr and done.stderr.count("continuing after step 2") == 1
    np.testing.assert_array_equal(losses_of(one)[:2], losses_of(two)[:2])
    np.testing.assert_allclose(losses_of(one), losses_of(two), rtol=1e-4)
    figures = json.loads((two / "evaluation.json").read_text())
    again = json.loads(json.dumps(Experiment.open(two).evaluate()))
    assert {kind: figures[kind] for kind in again} == again and done.stdout.count("on 7 held-out scenes") == 1
    done = with_mpi.run_ranks(2, "-m", "tinymaskrcnn", "evaluate", two, "--json")
    assert done.returncode == 0 and json.loads(done.stdout) == again, done.stderr


@pytest.mark.parametrize(
    "fault, status, step, said",
    [
        ("term", 130, 3, "stopped and saved. Continue with:"),
        ("raise", 2, 2, "error: rank 1 of 2: a part of this machine"),
        pytest.param("kill", 137, 2, "exited on\nsignal 9", marks=pytest.mark.long),
        pytest.param("hang", 2, 2, "error: rank 0 of 2: rank 1 did not come to meeting ", marks=pytest.mark.long),
    ],
)
def test_what_happens_to_a_rank_ends_the_run_and_the_checkpoint_stays(settings, tmp_path, fault, status, step, said):
    run, began = tmp_path / "run", time.monotonic()
    given = ("train", "--config", settings, "--out", run)
    done = with_mpi.run_ranks(2, FAULTY, fault, 1, 2, *given, timeout=120, TINYMASKRCNN_PATIENCE="10")
    assert done.returncode == status and done.stderr.count(said) == 1, done.stderr
    assert time.monotonic() - began < 100
    if fault == "raise":
        assert "ZeroDivisionError" in done.stderr  # where it happened is shown too: nobody foresaw it
    assert RunFolder.open(run).load().step == step


def test_ctrl_c_saves_what_was_done_before_mpiexec_kills_the_ranks(settings, tmp_path):
    """Though no step can end any more. mpiexec leaves half a second, which a busy machine may not have: 3 tries."""
    given = ("train", "--config", settings, "--set", "train.checkpoint_every=5000", "--out")
    assert any(saved_at_ctrl_c(tmp_path / name, *given) == 3 for name in "abc")


def saved_at_ctrl_c(run, *given):
    """The step of the checkpoint of a training that Ctrl-C ends in its fourth step, where rank 1 hangs."""
    rows, began = run / "metrics.jsonl", time.monotonic()
    with with_mpi.started_ranks(2, FAULTY, "hang", 1, 3, *given, run) as started:
        while time.monotonic() - began < 60 and not (rows.exists() and rows.read_bytes().count(b"\n") == 3):
            time.sleep(0.02)
        started.send_signal(signal.SIGINT)
        assert started.wait(30) != 0
    return RunFolder.open(run).load().step


def test_alone_nothing_of_mpi_is_imported(monkeypatch):
    for name in mpi.STARTED:
        monkeypatch.delenv(name, raising=False)
    with launch.together() as ranks:
        assert ranks is None
    code = "import sys, tinymaskrcnn.experiment; print('mpi4py' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "False"


@pytest.mark.parametrize("rank", ["0", "1"])
def test_what_all_lack_is_said_by_the_first_one(monkeypatch, rank):
    def missing():
        raise BackendError("several ranks need mpi4py")

    monkeypatch.setattr(launch, "MpiCommunicator", missing)
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", rank)
    with pytest.raises(BackendError if rank == "0" else SystemExit), launch.together():
        pass


@pytest.mark.parametrize("first", [True, False])
def test_the_first_rank_alone_is_heard_and_all_end_together(monkeypatch, capsys, first):
    ended = []
    ranks = Communicator()
    ranks.rank = 0 if first else 1
    ranks.end_all = ended.append
    monkeypatch.setattr(launch, "MpiCommunicator", lambda: ranks)
    monkeypatch.setattr(launch, "check_same", lambda *_: None)
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    with launch.together():
        print("a word")
    assert capsys.readouterr().out == ("a word\n" if first else "") and not ended
    with launch.together():
        raise ConfigError("a setting")
    assert ended == [2]


def test_ranks_that_were_told_different_things_are_told_apart(threads):
    def work(ranks):
        train = dataclasses.replace(CONFIG.train, seed=ranks.rank // 2, steps=ranks.rank // 2 + 1)
        with pytest.raises(RankError) as raised:
            launch.check_together(dataclasses.replace(CONFIG, train=train), ranks)
        return str(raised.value)

    wanted = "the ranks have different configurations: train.seed is 0 on rank 0 and 1 on rank 2; and 1 more"
    assert threads.on_ranks(3, work) == [wanted] * 3


@pytest.mark.parametrize(
    "settings, wanted",
    [
        ({"train.batch_size": 9}, "train.batch_size must be a multiple of the 2 ranks, which share each batch; got 9"),
        ({"train.procedure": "alternating"}, "train.procedure must be 'joint' or 'pretrain' on several ranks"),
    ],
)
def test_what_cannot_be_shared_is_refused(threads, settings, wanted):
    def work(ranks):
        with pytest.raises(ConfigError, match=wanted):
            launch.check_together(override(CONFIG, settings), ranks)

    threads.on_ranks(2, work)


def test_an_evaluation_needs_the_run_on_one_rank_alone(threads, tmp_path):
    """The others, on other machines perhaps, see nothing of its folder, and judge with its weights."""
    path = tmp_path / "run"
    with pytest.raises(ArgumentError, match="not a run folder"):
        threads.on_ranks(2, lambda ranks: Experiment.open(path, ranks=ranks))
    settings = TINY_RUN | TINY_PARTS | {"train.batch_size": 3, "train.steps": 1, "train.eval_scenes": 7}
    Experiment.start(path, override(CONFIG, settings)).train()
    wanted = json.dumps(Experiment.open(path).evaluate())

    def judged(ranks):
        experiment = Experiment.open(path if ranks.first else tmp_path / "not here", ranks=ranks)
        return json.dumps(experiment.evaluate())

    assert threads.on_ranks(2, judged) == [wanted] * 2


@pytest.mark.parametrize("given", [["--save-results", "found.json"], ["--results", "a", "--annotations", "b"]])
def test_what_one_process_evaluates_is_refused_on_several(monkeypatch, capsys, given):
    ranks = Communicator()
    ranks.end_all = lambda status: None
    monkeypatch.setattr(launch, "MpiCommunicator", lambda: ranks)
    monkeypatch.setattr(sys, "__stderr__", sys.stderr)
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    run = [] if "--results" in given else ["run"]
    cli.main(["evaluate", *run, *given])
    assert f"{given[0]}: needs one process; leave out mpiexec" in capsys.readouterr().err


def test_the_run_of_the_first_is_that_of_all_and_one_writes(threads, tmp_path):
    made = RunFolder.create(tmp_path / "run", override(CONFIG, SETTINGS), data_dir=tmp_path)
    before = sorted(os.listdir(tmp_path / "run"))

    def work(ranks):
        run = launch.same_run(ranks, lambda: RunFolder.open(tmp_path / "run"))
        if not ranks.first:
            assert isinstance(run, FollowedRun) and run.last() is None
            run.save({}), run.append_row({"step": 1}), run.truncate_rows(0), run.clean(), run.write_config()
        return run.path, run.config, run.data_dir

    assert threads.on_ranks(2, work) == [(made.path, made.config, made.data_dir)] * 2
    assert sorted(os.listdir(tmp_path / "run")) == before


def test_a_rank_without_a_gpu_is_named(monkeypatch, capfd):
    def missing():
        raise BackendError("device 'cuda' needs CuPy")

    ended, ranks = [], Communicator()
    ranks.rank, ranks.size, ranks.end_all = 1, 2, ended.append
    monkeypatch.setattr(launch, "MpiCommunicator", lambda: ranks)
    monkeypatch.setattr(launch, "NcclCommunicator", missing)
    monkeypatch.setattr(sys, "__stderr__", sys.stderr)
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    with pytest.raises(RuntimeError), launch.together("cuda"):  # nobody is left to go on: the run has ended
        pass
    assert ended == [2] and "error: rank 1 of 2: device 'cuda' needs CuPy" in capfd.readouterr().err


@pytest.mark.parametrize("bound, wanted", [(range(8), 2), ({5}, 1), (range(4), 2)])
def test_the_ranks_of_a_machine_share_its_cores(monkeypatch, bound, wanted):
    """Three of four ranks are on this one, of 8 cores; mpiexec may have bound each to some of them."""
    ranks = Communicator()
    ranks.told = lambda name: [name, "another", name, name]
    monkeypatch.setattr(launch.os, "cpu_count", lambda: 8)
    monkeypatch.setattr(launch.os, "sched_getaffinity", lambda process: set(bound), raising=False)
    assert launch.fair_threads(ranks) == wanted
    monkeypatch.setattr(launch.os, "cpu_count", lambda: 2)
    assert launch.fair_threads(ranks) == 1
