"""`tinymaskrcnn doctor --run RUN`: what is conspicuous about a training, and the status that says so."""

from tinymaskrcnn import cli


def test_a_run_is_examined(run, train, tmp_path, capsys):
    assert cli.main(["doctor", "--run", str(run)]) in (0, 1)
    said = capsys.readouterr().out
    assert said.startswith(f"{run} after step 4: 3 batches of 2 looked at\n")
    assert train(tmp_path / "sick", train__weight_decay=1.0) == 0
    capsys.readouterr()
    assert cli.main(["doctor", "--run", str(tmp_path / "sick")]) == 1
    said = capsys.readouterr().out
    assert "!!  weight decay: all weights." in said and "causes first" in said


def test_what_is_no_run_cannot_be_examined(fails, tmp_path):
    assert "is not a run folder" in fails("doctor", "--run", tmp_path)
