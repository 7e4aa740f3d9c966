"""Homework 2 as students write it: right in other words, and wrong."""

from homework.mutants._hw02_conv import COLUMNS, CONV, CONV_BACK, IMAGE
from homework.mutants._hw02_pool import AVERAGE_BACK, MAXIMUM, MAXIMUM_BACK
from homework.mutants._hw02_right import RIGHT
from homework.mutants._hw02_subtle import SUBTLE

__all__ = ["MUTANTS", "RIGHT"]

OBVIOUS = {
    "hw02.image_to_columns": COLUMNS,
    "hw02.columns_to_image": IMAGE,
    "hw02.conv2d_forward": CONV,
    "hw02.conv2d_backward": CONV_BACK,
    "hw02.max_pool2d_forward": MAXIMUM,
    "hw02.max_pool2d_backward": MAXIMUM_BACK,
    "hw02.avg_pool2d_backward": AVERAGE_BACK,
}

MUTANTS = {name: [*OBVIOUS[name], *SUBTLE[name]] for name in OBVIOUS}
