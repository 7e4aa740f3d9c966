"""A picture of any size explained as a detector would look at it: resized, as ink where it asks for that."""

from ..capacity import require
from ..data.proposals.stream import given_for
from ..data.resizing import resize_to_config
from ..errors import ArgumentError
from ..models.shapes import detect_bytes
from ..structures import collate
from .explanation import explain


class ExplainsPictures:
    """What finds objects by its `model` and can be asked why: a Detector, an Experiment."""

    def explain(self, image, target=None, *, min_score=0.5):
        """Why each detection of a picture is there, with all that `detect` does to it before the network sees it.

        image (H, W, C) in 0..1, the Target of a picture that keeps its size  ->  Explanation; the model is in eval mode
        from then on

        Raises ArgumentError where the memory does not suffice, or a picture with a Target has another size than the
        model wants.
        """
        model = self.model.eval()
        seen = resize_to_config(image, model.config)
        if target is not None and seen.shape[:2] != image.shape[:2]:
            (height, width), (high, wide) = image.shape[:2], seen.shape[:2]
            raise ArgumentError(
                f"explain: a picture with a Target must have the size that the network sees, {wide}x{high} pixels; "
                f"got {width}x{height}"
            )
        needed = detect_bytes(model.config, seen.shape[:2], pictures=1)
        require(needed, "explaining this picture", advice="; take a smaller one", error=ArgumentError)
        given = given_for([seen], collate([seen]).sizes, model.config)
        proposals = given["proposals"][0][given["proposals_valid"][0]] if given else None
        return explain(model, seen, target, proposals=proposals, min_score=min_score)
