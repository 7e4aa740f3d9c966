"""What the page says of an answer in words, with numbers as they are read."""

from html import escape

RIGHT = ("right", "found")  # the verdicts of boxes that are as they should be


def named(digit):
    """A digit with its article: "8"  ->  "an 8" """
    return f"{'an' if str(digit) == '8' else 'a'} {digit}"


def size_of(box):
    """The width and height of a box (4,), in words."""
    return f"{box[2] - box[0]:.0f} × {box[3] - box[1]:.0f} px"


def summary(verdicts, visible):
    """How many of the digits that can be seen are found, by the verdicts of all boxes that are shown."""
    right = sum(verdict in RIGHT for verdict in verdicts)
    wrong = len(verdicts) - right
    boxes = "1 box is" if wrong == 1 else f"{wrong} boxes are"
    return f"{right} of {visible} digits found" + (f", {boxes} wrong." if wrong else ".")


def of_detection(name, score, verdict):
    """What is told of a detection: its label in the picture, its title, and what its button says (as HTML)."""
    beside = "" if verdict in RIGHT else f" {verdict}"
    on_button = label(name, f"{score:.2f}{beside}")
    return {"tag": f"{name}  {score:.2f}", "title": f"{named(name)} with {score:.2f}", "label": on_button}


def label(name, more):
    """What a button says, as HTML: a place for a colour, a name, and what more there is to say."""
    return f"<i></i>{escape(name)}<small>{escape(more)}</small>"


def of_anchor(box, objectness, rank, count):
    """What is told of an anchor (4,) that is number rank, from 0, among count of its map: [its size, its place]"""
    sure = f"{objectness:.3f}" if objectness >= 0.001 else f"{objectness:.0e}".replace("e-0", "e-")
    return [size_of(box), f"objectness {sure}, number {rank + 1} of {count}"]


def of_move(digit, probability, loss, iou):
    """How a box that is moved towards more of a digit stands."""
    with_it = f"IoU {iou:.2f} with the digit there."
    return f"As {named(digit)}: probability {probability:.3f}, loss {loss:.3f}; {with_it}"


def of_training(step, steps, judged=None):
    """How far a training is; at its end, what came of it: see `Training.judge`."""
    if not judged:
        return f"Step {step} of {steps}."
    found = f"It finds and names {judged['right']} of {judged['digits']} digits in scenes it has never seen"
    return f"{found}; {judged['wrong']} boxes are wrong."
