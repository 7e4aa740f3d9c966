"""Anchors and what they learn, proposals, and what becomes of them."""

from ..exhibit import Exhibit

MATCHER, RPN, RPN_TARGETS = "targets/matcher.py", "models/rpn.py", "targets/rpn.py"

EXHIBITS = (
    Exhibit(
        name="positive-from-0.3",
        title="An anchor is positive from an IoU of 0.3",
        edits=(
            (
                "config.py",
                "positive_iou: float = 0.7  # Faster R-CNN, section 3.1.2",
                "positive_iou: float = 0.3  # Faster R-CNN, section 3.1.2",
            ),
        ),
        origin="G. Schwalbe's handout on Mask R-CNN (2018, github.com/gesina/image_segmentation_talk) says 0.3, "
        "Faster R-CNN (section 3.1.2) 0.7.",
        seen="No anchor is neutral any more, and objectness has to call boxes objects that miss two thirds of one.",
        view="anchor_labels",
    ),
    Exhibit(
        name="lonely-object",
        title="An object that no anchor fits well has none at all",
        edits=((RPN_TARGETS, "**thresholds, low_quality=True)", "**thresholds, low_quality=False)"),),
        origin="Faster R-CNN, section 3.1.2, condition (i), which is easy to read over: the anchor with the "
        "highest IoU is positive whatever that IoU is.",
        seen="Long, thin and tiny objects are never found, and the loss does not say so.",
        view="anchor_labels",
    ),
    Exhibit(
        name="ties-lost",
        title="Of several anchors that fit equally well only the first counts",
        edits=(
            (
                MATCHER,
                "is_best = (iou == best_of_object) & (best_of_object > 0)",
                "first = xp.arange(iou.shape[1])[:, None] == iou.argmax(axis=1)[:, None]\n"
                "        is_best = first & (best_of_object > 0)",
            ),
        ),
        origin="The README of trzy's Faster R-CNN: IoUs compared in another precision were equal no more, and "
        "ties got lost. An argmax does the same.",
        seen="Between four cells an object has one positive anchor instead of four.",
        view="anchor_labels",
    ),
    Exhibit(
        name="neutral-as-background",
        title="What is neither object nor background is learned as background",
        edits=((MATCHER, "negatives = _top(label == NEGATIVE,", "negatives = _top(label <= NEUTRAL,"),),
        origin="Label 0 is neutral for the anchors of one code, background for those of another: matterport's labels "
        "are 1, -1 and 0 = neutral, those of py-faster-rcnn 1, 0 = background and -1 = neutral.",
        seen="Scores of good boxes are pressed down: every object is surrounded by anchors that overlap it by "
        "half and are told to say no.",
        view="sampled_anchors",
    ),
    Exhibit(
        name="relu-on-deltas",
        title="A ReLU behind the deltas of the RPN",
        edits=(
            (
                RPN,
                "        deltas, c_deltas = self.bbox_pred.forward(h)\n"
                "        return (logits, deltas), self.keep((c_conv, c_scores, c_logits, c_deltas))",
                "        deltas, c_deltas = self.bbox_pred.forward(h)\n"
                "        deltas, c_relu = activation.relu_forward(deltas)\n"
                "        return (logits, deltas), self.keep((c_conv, c_scores, c_logits, (c_deltas, c_relu)))",
            ),
            (
                RPN,
                "self.bbox_pred.backward(ddeltas, c_deltas)",
                "self.bbox_pred.backward(activation.relu_backward(ddeltas, c_deltas[1]), c_deltas[0])",
            ),
        ),
        origin="A public Mask R-CNN for generated MNIST scenes (2018): one activation too many in a list of layers.",
        seen="The loss falls, and stops early. Boxes move right and down and grow; left, up and smaller they "
        "never do. Every gradient is right.",
        view="delta_range",
    ),
    Exhibit(
        name="only-sure-proposals",
        title="Proposals that the RPN does not call objects are thrown away",
        edits=(
            (
                RPN,
                "valid = (proposals[..., 2:] - proposals[..., :2] >= self.config.min_size).all(axis=-1)",
                "valid = (proposals[..., 2:] - proposals[..., :2] >= self.config.min_size).all(axis=-1)\n"
                "        valid = valid & (scores > 0.5)",
            ),
        ),
        origin="The README of trzy's Faster R-CNN: proposals filtered by predicted objectness; it learned all "
        "the same, to an mAP of 30 to 40.",
        seen="In the first steps the heads see no proposals at all, later too few: the RPN's job is to rank.",
        view="proposals",
    ),
    Exhibit(
        name="best-of-the-batch",
        title="The best proposals of all pictures together, instead of each picture's own",
        edits=(
            (
                RPN,
                "best = nms.top_n(xp.where(keep, scores, -1), self._of_mode(self.config.post_nms_top_n))",
                "most = self._of_mode(self.config.post_nms_top_n)\n"
                "        ranked = -xp.sort(-xp.where(keep, scores, -1).reshape(-1))\n"
                "        keep = keep & (scores >= ranked[: most][-1])\n"
                "        best = nms.top_n(xp.where(keep, scores, -1), most)",
            ),
        ),
        origin="Detectron, issue 459: the top k over all images of a batch, so that AP depends on the batch size.",
        seen="A picture full of easy objects takes the proposals of the picture beside it. With one picture a "
        "batch, nothing.",
        view="proposals",
    ),
    Exhibit(
        name="no-object-among-proposals",
        title="The true boxes are not added to the proposals of a training step",
        edits=(
            (
                "targets/roi.py",
                "return together, xp.concatenate([valid, targets.valid], axis=1)",
                "return proposals, valid",
            ),
        ),
        origin="A line of py-faster-rcnn's proposal_target_layer (`all_rois = np.vstack(...)`) that papers do "
        "not mention and ports leave out; Detectron2 has a setting for it, PROPOSAL_APPEND_GT.",
        seen="The losses of box and mask are 0 for a long time: an untrained RPN proposes nothing that is positive.",
        view="roi_sample",
    ),
    Exhibit(
        name="labels-from-zero",
        title="Detections count their classes without the background",
        edits=(("models/postprocess.py", "best % classes + 1,", "best % classes,"),),
        origin="Class 0 is background in the losses and is cut off before NMS; who forgets to add it again, or "
        "adds it twice, is off by one. COCO's category ids, with their gaps, hide it.",
        seen="Every 3 is called a 2, with a score of 0.99. Boxes are perfect and AP is 0.",
        view="detections",
    ),
    Exhibit(
        name="one-class-silences-another",
        title="NMS over all classes at once",
        edits=(
            (
                "models/postprocess.py",
                "group=rows // (p * classes) * classes + rows % classes,",
                "group=rows // (p * classes),",
            ),
        ),
        origin="The reason for torchvision's batched_nms, which moves each class to a place of its own before one NMS.",
        seen="A rider suppresses the horse. On digits, which seldom overlap, hardly anything.",
        view="detections",
    ),
    Exhibit(
        name="box-resized-twice",
        title="For its mask, a box is brought to the picture's size twice",
        edits=(
            (
                "models/heads/mask.py",
                "boxes, config = resize_boxes(found.boxes, old=old, new=new), self.config",
                "boxes = resize_boxes(resize_boxes(found.boxes, old=old, new=new), old=old, new=new)\n"
                "        config = self.config",
            ),
        ),
        origin="Scaled once by the head and once by the caller: a class of mistakes of every pipeline that "
        "resizes its pictures, found by whoever first shows it a picture of another size.",
        seen="Nothing as long as pictures have the size that the network sees. Else masks lie beside their boxes.",
        view="resized_mask",
    ),
)
