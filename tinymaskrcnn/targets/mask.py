"""The mask each positive RoI should predict: its object's mask, seen through the RoI (Mask R-CNN, section 3.1)."""

from ..ops import roi_align


def mask_targets(masks, rois, matched, *, size, aligned):
    """Cut the object's mask out by RoIAlign, so that the target lies on the same grid as the prediction.

    masks (N, M, H, W) 0/1, rois (Q, 4) in pixels, matched (Q,) row of the flattened (N*M) objects  ->  (Q, size, size)

    Adaptive sampling: each bin is the share of it that the mask covers, a value in 0..1, as in torchvision.
    """
    n, m, height, width = masks.shape
    features = masks.reshape(n * m, height, width, 1).astype(rois.dtype)
    crops, _ = roi_align.roi_align_forward(
        features, rois, image_index=matched, output_size=size, scale=1.0, samples=0, aligned=aligned
    )
    return crops[..., 0]
