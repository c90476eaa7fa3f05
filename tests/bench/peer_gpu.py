#!/usr/bin/env python3
"""A distillation step of a CIFAR ResNet as users of PyTorch write it, on a GPU, in images a second.

usage: peer_gpu.py DEPTH naive|best     (best: channels-last, bfloat16, fused SGD)
The data is random and already on the GPU, without augmentation: it costs the peer nothing.
"""
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

IMAGES, BATCH, DEVICE = 20000, 128, "cuda"


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride, self.pad = stride, (outputs - inputs) // 2

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.pad:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.pad, self.pad))
        return F.relu(y + x)


class ResNet(nn.Module):
    def __init__(self, depth):
        super().__init__()
        blocks, inputs = [], 16
        for outputs, stride in ((16, 1), (32, 2), (64, 2)):
            for block in range((depth - 2) // 6):
                blocks.append(Block(inputs, outputs, stride if block == 0 else 1))
                inputs = outputs
        self.conv, self.bn = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        self.blocks, self.fc = nn.Sequential(*blocks), nn.Linear(64, 10)

    def forward(self, x):
        return self.fc(self.blocks(F.relu(self.bn(self.conv(x)))).mean((2, 3)))


def main():
    depth, best = int(sys.argv[1]), sys.argv[2] == "best"
    layout = torch.channels_last if best else torch.contiguous_format
    torch.backends.cudnn.benchmark = True
    images = torch.randn(IMAGES, 3, 32, 32, device=DEVICE).to(memory_format=layout)
    labels = torch.randint(10, (IMAGES,), device=DEVICE)
    student = ResNet(depth).to(DEVICE, memory_format=layout)
    teacher = ResNet(depth).to(DEVICE, memory_format=layout).eval()
    options = {"fused": True} if best else {}
    optimizer = torch.optim.SGD(student.parameters(), lr=0.05, momentum=0.9, nesterov=True,
                                weight_decay=1e-4, **options)

    def epoch():
        order = torch.randperm(IMAGES, device=DEVICE)
        for first in range(0, IMAGES - BATCH + 1, BATCH):
            chosen = order[first : first + BATCH]
            x, y = images[chosen].contiguous(memory_format=layout), labels[chosen]
            with torch.autocast("cuda", torch.bfloat16, enabled=best):
                with torch.no_grad():
                    wanted = teacher(x)
                got = student(x)
            got, wanted = got.float(), wanted.float()
            loss = 0.65 * F.cross_entropy(got, y) + 0.35 * F.mse_loss(got, wanted)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

    seconds = []
    for _ in range(3):
        begin = time.time()
        epoch()
        torch.cuda.synchronize()
        seconds.append(time.time() - begin)
    rate = IMAGES // BATCH * BATCH / min(seconds[1:])
    print(f"ResNet-{depth}, {sys.argv[2]}: {rate:.0f} images/s, {50000 / rate:.2f} s for 50,000")


if __name__ == "__main__":
    main()
