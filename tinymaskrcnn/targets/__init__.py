"""What to learn from: matching boxes with objects, drawing a balanced sample, and the values to be predicted.

Nothing here has a gradient, and no shape depends on the data: a sample has a fixed number of rows per image, and a row
that stands for nothing has weight 0.
"""
