"""All questions by name. What is expected, and how large an effect has to be to matter, was written down beforehand."""

from ...errors import ArgumentError, listed, meant, shown
from . import crops, masks, networks, proposals, rcnn, training

QUESTIONS = {
    question.name: question
    for room in (crops, masks, networks, proposals, rcnn, training)
    for question in room.QUESTIONS
}


def find(name):
    """The Question of a name; ArgumentError says which one is closest."""
    if name in QUESTIONS:
        return QUESTIONS[name]
    close = meant(name, QUESTIONS)
    hint = f"did you mean {close}?" if close else f"known are {listed(QUESTIONS, most=40, room=300)}"
    raise ArgumentError(f"there is no ablation {shown(name)}; {hint}")
