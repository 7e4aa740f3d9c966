"""Backbones: pictures in, feature maps out."""
