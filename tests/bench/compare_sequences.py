#!/usr/bin/env python3
"""Training steps of QuartzNet in tailor beside PyTorch's modules, taking turns on the same threads.

    compare_sequences.py --bench build/release/tailor_sequence_bench [--network quartznet5x5_dna]
                         [--batch 4] [--length 3600] [--threads 2] [--rounds 3] [--steps 3]

The network in Python is what a user writes: nn.Conv1d, nn.BatchNorm1d, nn.ReLU, F.ctc_loss and
torch.optim.AdamW, float32, this Python's torch. Prints seconds and CPU seconds a step, medians of
all rounds, and their ratios; --check RATIO fails where tailor is not so many times as fast.
"""
import argparse
import os
import resource
import statistics
import subprocess
import sys
import time

BLOCKS = [(256, 33), (256, 39), (512, 51), (512, 63), (512, 75)]


def separable(torch, inputs, outputs, kernel, stride=1, dilation=1):
    pad = dilation * (kernel // 2)
    return [torch.nn.Conv1d(inputs, inputs, kernel, stride, pad, dilation, groups=inputs,
                            bias=False),
            torch.nn.Conv1d(inputs, outputs, 1, bias=False),
            torch.nn.BatchNorm1d(outputs, eps=1e-3)]


def make_model(torch, network):
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self, inputs, outputs, kernel):
            super().__init__()
            layers = []
            for i in range(5):
                layers += separable(torch, inputs if i == 0 else outputs, outputs, kernel)
                layers += [nn.ReLU()] if i < 4 else []
            self.main = nn.Sequential(*layers)
            self.skip = nn.Sequential(nn.Conv1d(inputs, outputs, 1, bias=False),
                                      nn.BatchNorm1d(outputs, eps=1e-3))

        def forward(self, x):
            return torch.relu(self.main(x) + self.skip(x))

    dna = network == "quartznet5x5_dna"
    copies = 1 if dna else int(network.removeprefix("quartznet").split("x")[0]) // 5
    if dna:
        layers = [nn.Conv1d(1, 256, 33, 3, 16, bias=False), nn.BatchNorm1d(256, eps=1e-3)]
    else:
        layers = separable(torch, 64, 256, 33, stride=2)
    layers.append(nn.ReLU())
    channels = 256
    for width, kernel in BLOCKS:
        for _ in range(copies):
            layers.append(Block(channels, width, kernel))
            channels = width
    layers += separable(torch, 512, 512, 87, dilation=1 if dna else 2) + [nn.ReLU()]
    layers += [nn.Conv1d(512, 1024, 1, bias=False), nn.BatchNorm1d(1024, eps=1e-3), nn.ReLU()]
    layers.append(nn.Conv1d(1024, 5 if dna else 29, 1))
    return nn.Sequential(*layers)


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def work(args):
    """One process of PyTorch: prints a line a step, as tailor_sequence_bench does."""
    import torch
    torch.set_num_threads(args.threads)
    model = make_model(torch, args.network)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    dna = args.network == "quartznet5x5_dna"
    inputs = torch.randn(args.batch, 1 if dna else 64, args.length)
    labels = None
    for i in range(args.steps + 1):
        cpu, start = cpu_seconds(), time.perf_counter()
        optimizer.zero_grad()
        log_p = torch.log_softmax(model(inputs).permute(2, 0, 1), 2)
        positions = log_p.shape[0]
        if labels is None:
            labels = torch.randint(1, log_p.shape[2], (args.batch, positions // 4))
        loss = torch.nn.functional.ctc_loss(log_p, labels, [positions] * args.batch,
                                            [positions // 4] * args.batch)
        loss.backward()
        optimizer.step()
        value = loss.item()
        if i > 0:
            print(f"{time.perf_counter() - start:.4f} {cpu_seconds() - cpu:.4f} {value:.4f}",
                  flush=True)


def steps_of(command, environment):
    output = subprocess.run(command, env={**os.environ, **environment}, check=True, text=True,
                            stdout=subprocess.PIPE).stdout
    return [[float(word) for word in line.split()] for line in output.splitlines()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bench", default="build/release/tailor_sequence_bench")
    parser.add_argument("--network", default="quartznet5x5_dna")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--length", type=int, default=3600)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--check", type=float, default=0)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        work(args)
        return
    numbers = [args.network, args.batch, args.length, args.threads, args.steps]
    # GOMP_SPINCOUNT for both: without it PyTorch's waiting threads take the CPUs of a busy machine.
    threads = {"OMP_NUM_THREADS": str(args.threads), "GOMP_SPINCOUNT": "1000"}
    # What `tailor train` sets for itself (src/cli/torch_loader.cc).
    ours = {**threads, "OPENBLAS_NUM_THREADS": str(args.threads)}
    with open("/proc/cpuinfo", encoding="ascii") as cpu:
        if "avx512bw" in cpu.read():
            ours["OPENBLAS_CORETYPE"] = "SkylakeX"
    python = [sys.executable, __file__, "--worker", "--network", args.network,
              *(word for name in ("batch", "length", "threads", "steps")
                for word in (f"--{name}", str(getattr(args, name))))]
    times = {"tailor": [], "PyTorch": []}
    for _ in range(args.rounds):
        for name, command, environment in (("tailor", [args.bench, *map(str, numbers)], ours),
                                           ("PyTorch", python, threads)):
            steps = steps_of(command, environment)
            print(f"{name:8}", *(f"{wall:8.3f} s {cpu:8.3f} CPU-s" for wall, cpu, _ in steps),
                  flush=True)
            times[name] += steps
    medians = {}
    for name, steps in times.items():
        medians[name] = wall, cpu = [statistics.median(s[i] for s in steps) for i in (0, 1)]
        print(f"{name:8} {wall:8.3f} s {cpu:8.3f} CPU-s a step, "
              f"{args.batch * args.length / wall:10.0f} inputs a second")
    wall, cpu = [medians["PyTorch"][i] / medians["tailor"][i] for i in (0, 1)]
    print(f"PyTorch / tailor: {wall:.2f} by the clock, {cpu:.2f} in CPU time")
    sys.exit(wall < args.check)


if __name__ == "__main__":
    main()
