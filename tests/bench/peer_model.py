"""CIFAR ResNets as users of PyTorch write them: what peer_gpu.py and peer_cpu.py train."""
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

BETA = 0.35
OPTIMIZER = {"lr": 1e-3, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-4}


class Block(nn.Module):
    """`shortcut`: "projection" (a strided 1x1 convolution, option B) or "pad" (option A)."""

    def __init__(self, inputs, outputs, stride, shortcut):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride, self.pad = stride, (outputs - inputs) // 2
        self.projects = shortcut == "projection" and inputs != outputs
        if self.projects:
            self.conv3 = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.bn3 = nn.BatchNorm2d(outputs)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.projects:
            x = self.bn3(self.conv3(x))
        elif self.pad:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.pad, self.pad))
        return F.relu(y + x)


class ResNet(nn.Module):
    def __init__(self, depth, shortcut="projection"):
        super().__init__()
        blocks, inputs = [], 16
        for outputs, stride in ((16, 1), (32, 2), (64, 2)):
            for block in range((depth - 2) // 6):
                blocks.append(Block(inputs, outputs, stride if block == 0 else 1, shortcut))
                inputs = outputs
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        self.blocks, self.fc = nn.Sequential(*blocks), nn.Linear(64, 10)

    def forward(self, x):
        return self.fc(self.blocks(F.relu(self.bn1(self.conv1(x)))).mean((2, 3)))


def fold(network):
    """In place: every batch norm goes into the convolution before it. Of a network in eval mode."""
    for module in network.modules():
        for number in (1, 2, 3):
            if hasattr(module, f"bn{number}"):
                conv, bn = getattr(module, f"conv{number}"), getattr(module, f"bn{number}")
                setattr(module, f"conv{number}", fuse_conv_bn_eval(conv, bn))
                setattr(module, f"bn{number}", nn.Identity())
    return network


def distillation_loss(got, wanted, labels):
    got, wanted = got.float(), wanted.float()
    return (1 - BETA) * F.cross_entropy(got, labels) + BETA * F.mse_loss(got, wanted)
