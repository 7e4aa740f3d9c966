"""Faster R-CNN (Ren et al. 2015): what Fast R-CNN looked at came from outside; here the network proposes it itself.

The region proposal network and the box head share the features, and one step trains both. Nothing new has to be built
for it here: its proposer stands in rpn.py, its head in heads/box.py, and mask_rcnn.py puts them together. A Mask R-CNN
without its mask head is a Faster R-CNN on a feature pyramid (Lin et al. 2017).
"""

SETTINGS = {"model.heads": ("box",)}
