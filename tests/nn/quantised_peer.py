#!/usr/bin/env python3
"""Writes quantised_peer.json: a small quantised network by PyTorch alone, for quantised_test.cc.

Shares nothing with tailor but the definition (docs/design/0017): batch norm folded, skips folded
into kernels, every weight and map rounded, gradients straight through and clipped.
    python3 quantised_peer.py > quantised_peer.json
"""
import json
import math

import torch
import torch.nn.functional as F

torch.manual_seed(7)
torch.set_default_dtype(torch.float64)
WEIGHTS, ACTIVATIONS = (6, 2), (7, 3)


class Round(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, width, integer):
        step, low, high = 2.0 ** (integer - width), -2.0 ** (width - 1), 2.0 ** (width - 1) - 1
        whole = torch.floor(x / step + 0.5)
        ctx.save_for_backward((whole >= low) & (whole <= high))
        return whole.clamp(low, high) * step

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.saved_tensors[0], None, None


def bias_type():
    """As exact as products: never saturates here."""
    return 40, 40 - (WEIGHTS[0] - WEIGHTS[1]) - (ACTIVATIONS[0] - ACTIVATIONS[1])


tensors = {}


def tensor(name, *shape, scale=1.0, offset=0.0):
    tensors[name] = (torch.randn(*shape) * scale + offset).float().double().requires_grad_(True)
    return tensors[name]


def norm(prefix, channels):
    tensor(prefix + ".weight", channels, scale=0.3, offset=1)
    tensor(prefix + ".bias", channels, scale=0.3)
    tensor(prefix + ".running_mean", channels, scale=0.3)
    variance = tensor(prefix + ".running_var", channels, scale=0.2)
    tensors[prefix + ".running_var"] = (variance.detach().abs() + 0.5).float().double()


def folded(conv, bn):
    scale = tensors[bn + ".weight"] / torch.sqrt(tensors[bn + ".running_var"].detach() + 1e-5)
    weight = tensors[conv + ".weight"] * scale.reshape(-1, 1, 1, 1)
    return weight, tensors[bn + ".bias"] - tensors[bn + ".running_mean"].detach() * scale


def stage(x, weight, bias, stride):
    y = F.conv2d(x, Round.apply(weight, *WEIGHTS), Round.apply(bias, *bias_type()), stride, 1)
    return Round.apply(F.relu(y), *ACTIVATIONS)


tensor("stem.conv1.weight", 3, 2, 3, 3, scale=0.4)
norm("stem.bn1", 3)
tensor("b.conv1.weight", 3, 3, 3, 3, scale=0.5)
norm("b.bn1", 3)
tensor("c.conv1.weight", 4, 3, 3, 3, scale=0.5)
norm("c.bn1", 4)
tensor("c.skip.conv.weight", 4, 3, 1, 1, scale=0.7)
norm("c.skip.bn", 4)
tensor("fc.weight", 3, 4, scale=0.9)
tensor("fc.bias", 3, scale=0.5)
inputs = torch.randn(2, 2, 4, 8).float().double()

x = Round.apply(inputs, 7, 3)  # covers 2.1
x = stage(x, *folded("stem.conv1", "stem.bn1"), 1)
weight, bias = folded("b.conv1", "b.bn1")
identity = torch.zeros_like(weight)
for channel in range(3):
    identity[channel, channel, 1, 1] = 1
x = stage(x, weight + identity, bias, 1)
weight, bias = folded("c.conv1", "c.bn1")
short, short_bias = folded("c.skip.conv", "c.skip.bn")
x = stage(x, weight + F.pad(short, (1, 1, 1, 1)), bias + short_bias, 2)
x = Round.apply(x.mean((2, 3)), *ACTIVATIONS)
logits = F.linear(x, Round.apply(tensors["fc.weight"], *WEIGHTS),
                  Round.apply(tensors["fc.bias"], *bias_type()))
F.cross_entropy(logits, torch.tensor([2, 0])).backward()
assert all(math.isfinite(v) for v in logits.flatten().tolist())



def numbers(t):
    """Nine digits bring a float32 back."""
    return [float(f"{v:.9g}") for v in t.flatten().tolist()]


print(json.dumps({
    "inputs": numbers(inputs),
    "logits": numbers(logits),
    "tensors": {n: numbers(t) for n, t in tensors.items()},
    "gradients": {n: numbers(t.grad) for n, t in tensors.items() if t.grad is not None}},
    separators=(",", ":")))
