"""To and from other programs: weight files of several formats, and torchvision's detection models."""
