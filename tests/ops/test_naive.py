"""ops/naive.py: the definitions themselves, on cases that fit on paper."""

import math

import numpy as np

from tinymaskrcnn.ops import naive

RAMP = np.arange(1.0, 10).reshape(1, 3, 3, 1)  # 1 2 3 / 4 5 6 / 7 8 9


def image(y):
    return y[0, :, :, 0].tolist()


def test_linear():
    y = naive.linear(np.array([[1.0, 2]]), np.array([[1.0, 10], [100, 1000]]), np.array([5.0, 6]))
    assert y.tolist() == [[206, 2016]]


def test_conv2d():
    weight = np.array([[1.0, 0], [0, 10]]).reshape(2, 2, 1, 1)
    bias = np.array([0.5])
    assert image(naive.conv2d(RAMP, weight, bias)) == [[51.5, 62.5], [84.5, 95.5]]
    assert image(naive.conv2d(RAMP, weight, bias, stride=(2, 2), padding=(1, 1))) == [[10.5, 30.5], [70.5, 95.5]]
    assert image(naive.conv2d(RAMP, weight, bias, dilation=(2, 2))) == [[91.5]]
    two = np.concatenate([RAMP, -RAMP], axis=3)
    weight = np.array([2.0, 3.0]).reshape(1, 1, 1, 2)
    y = naive.conv2d(two, weight, np.zeros(2), groups=2)
    assert y[0, 0, 1].tolist() == [4, -6]


def test_conv_transpose2d():
    weight = np.array([[1.0, 2], [3, 4]]).reshape(2, 2, 1, 1)
    x = np.array([1.0, 10]).reshape(1, 1, 2, 1)
    assert image(naive.conv_transpose2d(x, weight, np.zeros(1))) == [[1, 12, 20], [3, 34, 40]]
    assert image(naive.conv_transpose2d(x, weight, np.ones(1), stride=(2, 2))) == [[2, 3, 11, 21], [4, 5, 31, 41]]
    assert image(naive.conv_transpose2d(x, weight, np.zeros(1), padding=(0, 1))) == [[12], [34]]
    standing = x.transpose(0, 2, 1, 3)
    assert image(naive.conv_transpose2d(standing, weight, np.zeros(1))) == [[1, 2], [13, 24], [30, 40]]
    assert image(naive.conv_transpose2d(standing, weight, np.zeros(1), padding=(1, 0))) == [[13, 24]]


def test_select_conv1x1():
    weight = np.array([[1.0, 10]]).reshape(1, 1, 1, 2)
    y = naive.select_conv1x1(np.full((2, 1, 1, 1), 3.0), weight, np.array([0.5, 0.25]), channel=np.array([1, 0]))
    assert y.ravel().tolist() == [30.25, 3.5]


def test_activations():
    assert naive.relu(np.array([-1.0, 0, 2])).tolist() == [0, 0, 2]
    np.testing.assert_allclose(naive.sigmoid(np.array([0, math.log(3)])), [0.5, 0.75])
    np.testing.assert_allclose(naive.softmax(np.log([[1.0, 2, 5]])), [[0.125, 0.25, 0.625]])


def test_normalisation():
    x = np.array([1.0, 3]).reshape(2, 1, 1, 1)  # mean 2, variance 1
    weight, bias = np.array([10.0]), np.array([5.0])
    assert naive.batch_norm2d(x, weight, bias, eps=0).ravel().tolist() == [-5, 15]
    y = naive.frozen_batch_norm2d(x, weight, bias, mean=np.array([1.0]), var=np.array([3.0]), eps=1.0)
    assert y.ravel().tolist() == [5, 15]
    x = np.array([1.0, 3, 5, 5, 10, 30, 7, 7]).reshape(2, 1, 1, 4)
    y = naive.group_norm(x, np.ones(4), np.zeros(4), groups=2, eps=1e-30)
    assert y.reshape(2, 4).tolist() == [[-1, 1, 0, 0], [-1, 1, 0, 0]]


def test_pooling():
    options = dict(kernel=(2, 2), stride=(1, 1))
    assert image(naive.max_pool2d(RAMP, **options)) == [[5, 6], [8, 9]]
    assert image(naive.avg_pool2d(RAMP, **options)) == [[3, 4], [6, 7]]
    padded = dict(kernel=(2, 2), stride=(2, 2), padding=(1, 1))
    assert image(naive.max_pool2d(-RAMP, **padded)) == [[-1, -2], [-4, -5]]
    assert image(naive.avg_pool2d(RAMP, **padded)) == [[0.25, 1.25], [2.75, 7]]
    np.testing.assert_allclose(naive.global_avg_pool2d(RAMP), [[5]])


def test_anchors():
    found = naive.anchors([4, 8], [1.0], grid_size=(1, 2), stride=10)
    assert found.tolist() == [[-2, -2, 2, 2], [-4, -4, 4, 4], [8, -2, 12, 2], [6, -4, 14, 4]]
    assert found.dtype == np.float32


def test_boxes():
    assert naive.iou((0, 0, 4, 2), (2, 0, 6, 3)) == 4 / 16
    assert naive.iou((0, 0, 4, 2), (4, 0, 6, 2)) == naive.iou((0, 0, 0, 5), (0, 0, 0, 5)) == 0
    np.testing.assert_allclose(naive.encode((2, 1, 4, 9), (0, 0, 4, 4)), [0.25, 0.75, math.log(0.5), math.log(2)])
    row = np.array([[0.0, 0, 4, 1], [0, 0, 3, 1], [0, 0, 4, 1], [9, 0, 12, 1]])
    kept = naive.nms(row, np.array([0.5, 0.9, 0.4, 0.1]), iou_threshold=0.5, group=np.array([0, 0, 1, 0]))
    assert kept.tolist() == [False, True, True, True]
    assert naive.nms(row, np.ones(4), iou_threshold=0.75, group=np.zeros(4)).tolist() == [True, True, False, True]


def test_losses():
    options = dict(weight=np.array([1.0, 3.0]), normalizer=2.0)
    logits, labels = np.log([[1.0, 3], [2, 2]]), np.array([0, 1])
    loss = naive.softmax_cross_entropy(logits, labels=labels, **options)
    np.testing.assert_allclose(loss, (math.log(4) + 3 * math.log(2)) / 2)
    loss = naive.sigmoid_cross_entropy(np.log([3.0, 1.0]), targets=np.array([0.25, 1.0]), **options)
    np.testing.assert_allclose(loss, (-0.25 * math.log(0.75) - 0.75 * math.log(0.25) + 3 * math.log(2)) / 2)
    prediction, target = np.array([[1.0, 5.0], [3.0, 0.0]]), np.array([[2.0, 2.0], [3.0, 1.0]])
    np.testing.assert_allclose(naive.smooth_l1(prediction, target=target, beta=2.0, **options), (2.25 + 0.75) / 2)
    assert naive.squared_error(np.array([1.0, 5.0]), target=np.array([2.0, 2.0]), **options) == (1 + 3 * 9) / 2


def test_roi_operators():
    options = dict(image_index=np.array([1]), scale=0.5, output_size=(1, 2))
    features = np.concatenate([0 * RAMP, RAMP])
    crops = naive.roi_align(features, np.array([[2.0, 1, 6, 5]]), samples=2, aligned=True, **options)
    np.testing.assert_allclose(crops.reshape(-1), [5, 5.875])  # at 1.75 and, beyond the last centre, 2
    crops = naive.roi_align(features, np.array([[1.0, 2, 2, 3]]), samples=0, aligned=False, **options)
    np.testing.assert_allclose(crops.reshape(-1), [1 + 0.75 + 3 * 1.5, 1 + 1.25 + 3 * 1.5])  # held at one pixel
    crops = naive.roi_pool(features, np.array([[2.0, 0, 4, 2]]), **options)
    assert crops.reshape(-1).tolist() == [5, 6]
    crops = naive.roi_pool(features, np.array([[4.0, 0, 9, 2]]), **options)
    assert crops.reshape(-1).tolist() == [6, 0]  # a bin beyond the picture is empty


def test_max_pool2d_backward():
    dy = np.array([1.0, 2, 4, 8]).reshape(1, 2, 2, 1)
    dx = naive.max_pool2d_backward(dy, RAMP, kernel=(2, 2), stride=(1, 1))
    assert image(dx) == [[0, 0, 0], [0, 1, 2], [0, 4, 8]]
    dx = naive.max_pool2d_backward(dy, np.ones((1, 3, 3, 1)), kernel=(2, 2), stride=(1, 1))
    assert image(dx) == [[1, 2, 0], [4, 8, 0], [0, 0, 0]]


def test_resizing():
    x = np.array([0.0, 4]).reshape(1, 1, 2, 1)
    assert image(naive.upsample_nearest2d(x, size=(2, 3))) == [[0, 0, 4], [0, 0, 4]]
    assert image(naive.resize_bilinear(x, size=(1, 4))) == [[0, 1, 3, 4]]
    assert image(naive.resize_bilinear(x, size=(2, 1))) == [[2], [2]]
