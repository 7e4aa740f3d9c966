"""Values from the documents this project grew from, shared by the tests that check them."""

import numpy as np

# The 8x8 matrix with which many introductions to Mask R-CNN explain RoI pooling.
MATRIX = np.array(
    """
    .88 .44 .14 .16 .37 .77 .96 .27
    .19 .45 .57 .16 .63 .29 .71 .70
    .66 .26 .82 .64 .54 .73 .59 .26
    .85 .34 .76 .84 .29 .75 .62 .25
    .32 .74 .21 .39 .34 .03 .33 .48
    .20 .14 .16 .13 .73 .65 .96 .32
    .19 .69 .09 .86 .88 .07 .01 .48
    .83 .24 .97 .04 .24 .35 .50 .91
    """.split(),
    np.float64,
).reshape(1, 8, 8, 1)
