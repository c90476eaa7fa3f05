#!/usr/bin/env python3
"""A distillation step of a CIFAR ResNet as users of PyTorch write it, on a GPU, in images a second.

usage: peer_gpu.py DEPTH naive|best     (best: channels-last, bfloat16, fused SGD)
The data is random and already on the GPU, without augmentation: it costs the peer nothing.
"""
import sys
import time

import torch

from peer_model import OPTIMIZER, ResNet, distillation_loss

IMAGES, BATCH, DEVICE = 20000, 128, "cuda"


def main():
    depth, best = int(sys.argv[1]), sys.argv[2] == "best"
    layout = torch.channels_last if best else torch.contiguous_format
    torch.backends.cudnn.benchmark = True
    images = torch.randn(IMAGES, 3, 32, 32, device=DEVICE).to(memory_format=layout)
    labels = torch.randint(10, (IMAGES,), device=DEVICE)
    student = ResNet(depth, "pad").to(DEVICE, memory_format=layout)
    teacher = ResNet(depth, "pad").to(DEVICE, memory_format=layout).eval()
    options = {"fused": True} if best else {}
    optimizer = torch.optim.SGD(student.parameters(), **OPTIMIZER, **options)

    def epoch():
        order = torch.randperm(IMAGES, device=DEVICE)
        for first in range(0, IMAGES - BATCH + 1, BATCH):
            chosen = order[first : first + BATCH]
            x, y = images[chosen].contiguous(memory_format=layout), labels[chosen]
            with torch.autocast("cuda", torch.bfloat16, enabled=best):
                with torch.no_grad():
                    wanted = teacher(x)
                got = student(x)
            loss = distillation_loss(got, wanted, y)
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
