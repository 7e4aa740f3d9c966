"""How the learning rate changes over a run."""

import math


def learning_rate(step, config):
    """The rate for step 0, 1, ... of a TrainConfig: a linear warm-up, then constant, in steps, or along a cosine."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    return config.learning_rate * _share(step, config)


def _share(step, config):
    if config.schedule == "constant":
        return 1.0
    if config.schedule == "step":
        passed = sum(step >= milestone * config.steps for milestone in config.step_milestones)
        return 0.1**passed
    # cosine: SGDR (Loshchilov and Hutter 2017), equation 5, without restarts
    progress = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
