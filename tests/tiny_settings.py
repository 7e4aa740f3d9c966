"""Settings of a run so small that a test can train it from end to end: {dotted setting: value}, for `override`."""

TINY_RUN = {
    "model.backbone.depths": (1, 1, 1, 1),
    "model.backbone.widths": (8, 8, 8, 8),
    "model.backbone.stem_width": 4,
    "model.backbone.fpn_channels": 8,
    "model.roi.head_width": 8,
    "model.roi.mask_widths": (4,),
    "model.roi.mask_deconv_width": 4,
    "scenes.image_size": 64,
    "train.batch_size": 2,
    "train.warmup_steps": 1,
}
TINY_PARTS = {  # few samples, proposals and cells, for every head and every proposer
    "model.rpn.samples_per_image": 16,
    "model.rpn.pre_nms_top_n": (40, 40),
    "model.rpn.post_nms_top_n": (16, 16),
    "model.roi.samples_per_image": 16,
    "model.roi.box_size": 3,
    "model.roi.mask_size": 4,
    "model.roi.keypoint_widths": (4,),
    "model.roi.keypoint_size": 4,
    "model.roi.score_threshold": 0.0,
    "model.roi.detections_per_image": 5,
}
