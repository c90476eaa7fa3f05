#!/usr/bin/env python3
"""A distillation step of a CIFAR ResNet in Python on a CPU, in images a second.

    peer_cpu.py [--depth 20] [--batch 128] [--threads 2] [--seconds 5] [--variants a,b] [--json]

The step is that of `tailor bench train`: pictures of noise, padded crop and flip, teacher and
student of one network, cross-entropy and the distance of logits, nesterov SGD. Variants:
  as_written          modules, NCHW, float32, a DataLoader with a transform an image, item() a step
  float32             channels-last, folded teacher, batched augmentation, fused SGD, glibc told to
                      keep its memory
  bfloat16            the same under autocast, the teacher's weights in bfloat16
  bfloat16_weights    the student's too, with float32 masters in the optimiser
  ..._compiled        those with torch.compile
Each runs in a process of its own; bfloat16 only where the CPU has it. ONEDNN_MAX_CPU_ISA=AVX2 keeps
all of them to AVX2.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import torch
from torch.utils.data import DataLoader, Dataset

from peer_model import OPTIMIZER, ResNet, distillation_loss, fold

BATCHES, WARM_UP, BLOCKS, PAD, SIDE = 16, 6, 10, 4, 32
MEAN, DEVIATION = 0.5, 0.25
PARAMETERS = {20: 272474}
FAST = ("float32", "bfloat16", "bfloat16_weights")
VARIANTS = ("as_written", *FAST, *(f"{name}_compiled" for name in FAST))
# What `tailor` tells its own allocator: activations stay in the process from step to step.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 62),
               "MALLOC_TOP_PAD_": str(64 << 20)}


def limited_to_avx2():
    return os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper().startswith("AVX2")


def has_bfloat16():
    with open("/proc/cpuinfo", encoding="ascii") as cpu:
        words = cpu.read().split()
    return not limited_to_avx2() and ("avx512_bf16" in words or "amx_bf16" in words)


def possible_variants():
    return [v for v in VARIANTS if "bfloat16" not in v or has_bfloat16()]


class Pictures(Dataset):
    """One at a time, as torchvision's transforms make them."""

    def __init__(self, pixels, labels):
        self.pixels, self.labels = pixels, labels

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        picture = torch.nn.functional.pad(self.pixels[index].permute(2, 0, 1), (PAD,) * 4)
        top, left = torch.randint(2 * PAD + 1, (2,)).tolist()
        picture = picture[:, top : top + SIDE, left : left + SIDE]
        if torch.rand(1) < 0.5:
            picture = picture.flip(2)
        return picture.float().div(255).sub_(MEAN).div_(DEVIATION), self.labels[index]


def pictures(batch):
    generator = torch.Generator().manual_seed(1)
    count = BATCHES * batch
    pixels = torch.randint(256, (count, SIDE, SIDE, 3), dtype=torch.uint8, generator=generator)
    return pixels, torch.arange(count) % 10


def one_at_a_time(batch):
    loader = DataLoader(Pictures(*pictures(batch)), batch_size=batch, shuffle=True)
    while True:
        yield from loader


def all_at_once(batch):
    """Windows of the padded pictures, gathered; float32, channels-last."""
    pixels, labels = pictures(batch)
    padded = torch.zeros(len(labels), SIDE + 2 * PAD, SIDE + 2 * PAD, 3, dtype=torch.uint8)
    padded[:, PAD:-PAD, PAD:-PAD] = pixels
    windows = padded.unfold(1, SIDE, 1).unfold(2, SIDE, 1).permute(0, 1, 2, 4, 5, 3)
    while True:
        for chosen in torch.randperm(len(labels)).split(batch):
            top, left = torch.randint(2 * PAD + 1, (2, batch))
            crops = windows[chosen, top, left]
            crops = torch.where(torch.rand(batch, 1, 1, 1) < 0.5, crops.flip(2), crops)
            crops = crops.float().mul_(1 / (255 * DEVIATION)).sub_(MEAN / DEVIATION)
            yield crops.permute(0, 3, 1, 2), labels[chosen]


def as_written(args):
    student, teacher = ResNet(args.depth), ResNet(args.depth).eval()
    optimizer = torch.optim.SGD(student.parameters(), **OPTIMIZER)
    data = one_at_a_time(args.batch)

    def run(steps):
        total = correct = 0
        for _ in range(steps):
            inputs, labels = next(data)
            with torch.no_grad():
                wanted = teacher(inputs)
            got = student(inputs)
            loss = distillation_loss(got, wanted, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
            correct += (got.argmax(1) == labels).sum().item()
        return total / steps, correct

    return run


def make_teacher(depth, compiled, half):
    """Folded, in bfloat16 if `half`, and as good as what it was folded from."""
    teacher = ResNet(depth).eval()
    probe = torch.randn(8, 3, SIDE, SIDE)
    with torch.no_grad():
        wanted = teacher(probe)
        teacher = fold(teacher).to(memory_format=torch.channels_last)
        if half:
            teacher = teacher.bfloat16()
        got = teacher(probe.to(torch.bfloat16 if half else torch.float32)).float()
    error = ((got - wanted).abs().max() / wanted.abs().max()).item()
    assert error < (0.1 if half else 1e-4), f"the folded teacher is off by {error}"
    if not compiled:
        return teacher
    import torch._inductor.config as inductor
    inductor.freezing = True
    if limited_to_avx2():
        inductor.cpp.simdlen = 256
    return torch.compile(teacher)


class MasterWeights:
    """SGD on float32 copies of the parameters that are bfloat16."""

    def __init__(self, parameters):
        self.parameters = list(parameters)
        self.masters = [p.detach().float().clone() for p in self.parameters]
        for master in self.masters:
            master.grad = torch.zeros_like(master)
        self.optimizer = torch.optim.SGD(self.masters, fused=True, **OPTIMIZER)

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None

    @torch.no_grad()
    def step(self):
        torch._foreach_copy_([m.grad for m in self.masters], [p.grad for p in self.parameters])
        self.optimizer.step()
        torch._foreach_copy_(self.parameters, self.masters)


def fast(args, precision, compiled):
    half = precision != "float32"
    teacher = make_teacher(args.depth, compiled, half)
    student = ResNet(args.depth).to(memory_format=torch.channels_last)
    if precision == "bfloat16_weights":
        for module in student.modules():
            if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
                module.bfloat16()
        optimizer = MasterWeights(student.parameters())
    else:
        optimizer = torch.optim.SGD(student.parameters(), fused=True, **OPTIMIZER)
    network = torch.compile(student) if compiled else student
    data = all_at_once(args.batch)

    def run(steps):
        total, correct = torch.zeros(()), torch.zeros((), dtype=torch.int64)
        for _ in range(steps):
            inputs, labels = next(data)
            inputs = inputs.to(torch.bfloat16 if half else torch.float32)
            with torch.no_grad() if compiled else torch.inference_mode():
                wanted = teacher(inputs)
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
                got = network(inputs)
            loss = distillation_loss(got, wanted.clone(), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach()
            correct += (got.argmax(1) == labels).sum()
        return total.item() / steps, correct.item()

    return run


def seconds_of(run, steps):
    begin = time.perf_counter()
    loss, _ = run(steps)
    assert loss == loss, "the loss is no number"
    return time.perf_counter() - begin


def measure(args, variant):
    """As `tailor bench` does: the median of ten blocks, and every other one against the rest."""
    torch.manual_seed(1)
    torch.set_num_threads(args.threads)
    count = sum(p.numel() for p in ResNet(args.depth).parameters())
    assert count == PARAMETERS.get(args.depth, count), f"{count} parameters: another network"
    compiled = variant.endswith("_compiled")
    run = (as_written(args) if variant == "as_written"
           else fast(args, variant.removesuffix("_compiled"), compiled))
    run(WARM_UP)
    steps = max(1, int(args.seconds / BLOCKS / (seconds_of(run, 2) / 2)))
    rates = [steps * args.batch / seconds_of(run, steps) for _ in range(BLOCKS)]
    return {"variant": variant, "images_per_s": statistics.median(rates),
            "control": statistics.median(rates[1::2]) / statistics.median(rates[::2])}


def measure_apart(args, variant):
    environment = dict(os.environ)
    if variant != "as_written":
        environment = {**KEEP_MEMORY, **environment}
    if limited_to_avx2():
        environment.setdefault("ATEN_CPU_CAPABILITY", "avx2")
    command = [sys.executable, __file__, "--worker", "--variants", variant,
               *(word for name in ("depth", "batch", "threads", "seconds")
                 for word in (f"--{name}", str(getattr(args, name))))]
    answer = subprocess.run(command, env=environment, check=True, text=True,
                            stdout=subprocess.PIPE).stdout
    return json.loads(answer)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--depth", type=int, default=20)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seconds", type=float, default=5, help="for each variant, once warm")
    parser.add_argument("--variants", help="with commas; default: all that this CPU can")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    possible = possible_variants()
    variants = args.variants.split(",") if args.variants else possible
    for variant in variants:
        if variant not in possible:
            sys.exit(f"peer_cpu.py: --variants {variant}: expected some of {', '.join(possible)}"
                     f"{' (no bfloat16 on this CPU)' if variant in VARIANTS else ''}")
    if args.worker:
        print(json.dumps(measure(args, variants[0])))
        return
    rates = []
    for variant in variants:
        rates.append(measure_apart(args, variant))
        if not args.json:
            print("{variant:27} {images_per_s:8.0f} images/s   control {control:.3f}"
                  .format(**rates[-1]), flush=True)
    if args.json:
        print(json.dumps({"torch": torch.__version__, "network": f"resnet{args.depth}",
                          "batch_size": args.batch, "threads": args.threads, "rates": rates},
                         indent=2))


if __name__ == "__main__":
    main()
