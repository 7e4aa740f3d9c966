"""`tinymaskrcnn doctor --run RUN`: what is wrong with a training, by its settings, data and last checkpoint."""

LOOKS = 3  # batches


def run(path):
    from ..errors import ArgumentError
    from ..experiment import Experiment
    from ..train.checkup import check_up
    from ..train.doctor import examine
    from ..train.metrics import read_rows

    experiment = Experiment.open(path)
    config, stream = experiment.config, experiment.stream("train")
    if config.model.system == "rcnn":
        raise ArgumentError("doctor --run: R-CNN learns in stages of crops; what learns jointly can be examined")
    step = experiment.run.load(part="model").step
    first = step * config.train.accumulate
    batches = [stream.batch(first + k) for k in range(LOOKS)]
    rows = read_rows(experiment.run.metrics_file)
    checkups = [check_up(experiment.model, batch, seed=k) for k, batch in enumerate(batches)]
    found = examine(checkups, config, rows)
    print(f"{path} after step {step}: {LOOKS} batches of {config.train.batch_size} looked at")
    for finding in found:
        print(f"!!  {finding}")
    print("nothing conspicuous" if not found else f"{len(found)} finding{'s' * (len(found) > 1)}, causes first")
    return 1 if found else 0
