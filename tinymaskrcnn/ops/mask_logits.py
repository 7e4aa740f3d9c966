"""What the mask head ends in: upscale by two, rectify, and the one mask that was asked for."""

from ..backend import has_kernel
from ..contract import checked
from .activation import relu_backward, relu_forward
from .conv import (
    conv_transpose2d_backward,
    conv_transpose2d_forward,
    select_conv1x1_backward,
    select_conv1x1_forward,
)


@checked
@has_kernel
def mask_logits_forward(x, deconv_weight, deconv_bias, weight, bias, *, channel):
    """Transposed convolution with stride 2, ReLU, and a 1x1 convolution of one output channel per map.

    x (Q, S, T, C), deconv_weight (2, 2, C, D), deconv_bias (D,), weight (1, 1, D, O), bias (O,), channel (Q,) int
    ->  logits (Q, 2S, 2T)

    Three steps under one name, because between them lies the largest array of a training step: a kernel that takes a
    few maps through all three never lets it out of the processor's cache (Mask R-CNN, figure 4 right).
    """
    h, c_deconv = conv_transpose2d_forward(x, deconv_weight, deconv_bias, stride=2)  # (Q, 2S, 2T, D)
    h, c_relu = relu_forward(h)
    logits, c_select = select_conv1x1_forward(h, weight, bias, channel=channel)
    return logits, (c_deconv, c_relu, c_select)


@checked
@has_kernel
def mask_logits_backward(dlogits, cache):
    """Mirror of mask_logits_forward.

    dlogits (Q, M, N)  ->  dx (Q, M/2, N/2, C), ddeconv_weight (2, 2, C, D), ddeconv_bias (D,), dweight (1, 1, D, O),
    dbias (O,)
    """
    c_deconv, c_relu, c_select = cache
    dh, dweight, dbias = select_conv1x1_backward(dlogits, c_select)
    dh = relu_backward(dh, c_relu)
    dx, ddeconv_weight, ddeconv_bias = conv_transpose2d_backward(dh, c_deconv)
    return dx, ddeconv_weight, ddeconv_bias, dweight, dbias
