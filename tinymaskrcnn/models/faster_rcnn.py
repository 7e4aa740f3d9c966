"""Faster R-CNN (Ren et al. 2015): what Fast R-CNN looked at came from outside; here the network proposes it itself.

The region proposal network and the box head share the features, and one step trains both. Nothing new has to be built
for it here: its proposer stands in rpn.py, its head in heads/box.py, and mask_rcnn.py puts them together. A Mask R-CNN
without its mask head is a Faster R-CNN on a feature pyramid (Lin et al. 2017).
"""

SETTINGS = {"model.heads": ("box",)}

# As it was first: no pyramid. The proposals and the heads look at one map, C4 at stride 16, with nine anchors per cell;
# the box head is the last stage of the ResNet, run on each crop (heads/res5.py): most of the work, so there are fewer.
# A VGG or the plain network has two fully connected layers there.
C4 = SETTINGS | {
    "model.backbone.fpn": "c4",
    "model.rpn.anchor_sizes": ((16, 24, 36),),
    "model.roi.box_size": 7,  # the paper's: 14, which the stage halves
    "model.roi.box_norm": "batch",  # of the stage that is the head now
    "model.roi.samples_per_image": 32,
}
