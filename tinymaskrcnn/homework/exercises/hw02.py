"""Homework 2: windows that slide over a picture."""

from ._hw02_average import AVERAGE_BACK
from ._hw02_columns import COLUMNS, IMAGE
from ._hw02_conv import CONV, CONV_BACK
from ._hw02_maximum import MAXIMUM, MAXIMUM_BACK

TITLE = "windows that slide over a picture"

EXERCISES = (COLUMNS, IMAGE, CONV, CONV_BACK, MAXIMUM, MAXIMUM_BACK, AVERAGE_BACK)
