#!/usr/bin/env python3
"""Times one image of a CIFAR ResNet in hls4ml's C simulation and in tailor's integer emulator.

On one CPU of one machine. Needs a Python environment with hls4ml and torch, g++, and a built
tailor_bench; tests/bench/README.md has the commands. Both sides run the same network (projection
shortcuts, join before the activation) with streams or weights of ap_fixed<16,6,AP_RND,AP_SAT> and
exact accumulators; the weights differ (each side draws its own), which changes no operation. Prints
a table and writes the same figures as JSON.
"""
import argparse
import contextlib
import datetime
import importlib.metadata
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PRECISION = "ap_fixed<16,6,AP_RND,AP_SAT>"
# 64 is valid for every 1x1 convolution and the dense layer; hls4ml moves the 3x3 convolutions to
# the nearest valid value. With 72 its own pointwise pass puts back a value that was not checked,
# and the project does not compile.
REUSE_FACTOR = 64
MIN_IMAGES = 8
REPETITIONS = 5
TARGET_RATIO = 25
TARGET_SECONDS = {20: 0.012}
# Root mean square of C simulation - float, relative to how far an image's logits are from the mean
# of all images: 0.1 when the conversion is right, above 1 when the channels are swapped.
MAX_RELATIVE_ERROR = 0.25
MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def die(message):
    sys.exit(f"compare_hls4ml: {message}")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tailor-bench", type=Path,
                        default=REPOSITORY / "build/bench/tailor_bench",
                        help="the benchmark program (default: build/bench/tailor_bench)")
    parser.add_argument("--output", type=Path,
                        help="where the JSON goes (default: compare_hls4ml_resnet<depth>.json "
                             "beside tailor_bench)")
    parser.add_argument("--depth", type=int, choices=(8, 20), default=20,
                        help="of the network (default: 20)")
    parser.add_argument("--images", type=int, default=MIN_IMAGES,
                        help=f"timed one by one after one warm-up, at least {MIN_IMAGES} (default: "
                             f"{MIN_IMAGES})")
    parser.add_argument("--cpu", type=int,
                        help="the CPU that everything is pinned to (default: the last one allowed)")
    parser.add_argument("--project", type=Path,
                        help="keep hls4ml's project in this folder (default: a temporary one)")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a target is missed")
    arguments = parser.parse_args()
    if arguments.images < MIN_IMAGES:
        parser.error(f"--images: expected at least {MIN_IMAGES}, got {arguments.images}")
    if arguments.output is None:
        name = f"compare_hls4ml_resnet{arguments.depth}.json"
        arguments.output = arguments.tailor_bench.parent / name
    return arguments


def pin(cpu):
    """Everything from here on, child processes included, on one CPU and one thread.

    Must come before torch is imported."""
    allowed = sorted(os.sched_getaffinity(0))
    cpu = allowed[-1] if cpu is None else cpu
    if cpu not in allowed:
        die(f"--cpu {cpu}: expected one of {', '.join(map(str, allowed))}")
    os.sched_setaffinity(0, {cpu})
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    return cpu


def check_prerequisites(arguments):
    if not arguments.tailor_bench.is_file():
        die(f"{arguments.tailor_bench} is not there; build it with\n  cmake --workflow --preset "
            f"bench\nor name another with --tailor-bench")
    if shutil.which("g++") is None:
        die("g++ is not there; hls4ml compiles its C simulation with it")
    for module in ("torch", "hls4ml"):
        try:
            __import__(module)
        except ImportError as error:
            die(f"{sys.executable} cannot import {module} ({error}); run this in an environment "
                f"that has it:\n  pip install hls4ml torch==2.13.0")


# ---- hls4ml --------------------------------------------------------------------------------------


def make_resnet(depth):
    """He et al. 2015, section 4.2, as tailor's `resnet<depth>`.

    Modules are flat and of the kinds hls4ml's PyTorch reader knows: no adaptive pooling, no
    nn.Identity, no functional call with a computed size, one ReLU module each."""
    import torch
    from torch import nn

    class ResNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = []  # (name, has a projection)
            self.conv_bn("stem", 3, 16, 3, 1)
            self.stem_relu = nn.ReLU()
            channels = 16
            for stage, out in enumerate((16, 32, 64), 1):
                for block in range((depth - 2) // 6):
                    name = f"stage{stage}_block{block}"
                    stride = 2 if stage > 1 and block == 0 else 1
                    self.conv_bn(f"{name}_1", channels, out, 3, stride)
                    setattr(self, f"{name}_1_relu", nn.ReLU())
                    self.conv_bn(f"{name}_2", out, out, 3, 1)
                    if channels != out:
                        self.conv_bn(f"{name}_skip", channels, out, 1, stride)
                    setattr(self, f"{name}_relu", nn.ReLU())
                    self.blocks.append((name, channels != out))
                    channels = out
            self.pool = nn.AvgPool2d(8)
            self.flatten = nn.Flatten()
            self.fc = nn.Linear(64, 10)
            for module in self.modules():
                if isinstance(module, nn.Conv2d):
                    nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

        def conv_bn(self, name, channels, out, kernel, stride):
            convolution = nn.Conv2d(channels, out, kernel, stride, kernel // 2, bias=False)
            setattr(self, f"{name}_conv", convolution)
            setattr(self, f"{name}_bn", nn.BatchNorm2d(out))

        def run_conv_bn(self, name, x):
            return getattr(self, f"{name}_bn")(getattr(self, f"{name}_conv")(x))

        def forward(self, x):
            x = self.stem_relu(self.run_conv_bn("stem", x))
            for name, projection in self.blocks:
                y = getattr(self, f"{name}_1_relu")(self.run_conv_bn(f"{name}_1", x))
                y = self.run_conv_bn(f"{name}_2", y)
                skip = self.run_conv_bn(f"{name}_skip", x) if projection else x
                x = getattr(self, f"{name}_relu")(y + skip)
            return self.fc(self.flatten(self.pool(x)))

    torch.manual_seed(1)
    return ResNet()


def noise_images(count, seed):
    import torch

    pixels = torch.randint(0, 256, (count, 3, 32, 32),
                           generator=torch.Generator().manual_seed(seed)) / 255.0
    return (pixels - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(DEVIATION).view(1, 3, 1, 1)


def calibrate_batch_norm(model):
    """Running statistics from four noise images: activations of an untrained network are then of
    ordinary size."""
    import torch

    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    model.train()
    with torch.no_grad():
        model(noise_images(4, 1000))
    for norm in norms:
        norm.momentum = 0.1
    model.eval()


@contextlib.contextmanager
def quiet(log):
    """hls4ml and the compiler print hundreds of lines to the file descriptors; they go to a log."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    with open(log, "a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for descriptor, copy in enumerate(saved, 1):
                os.dup2(copy, descriptor)
                os.close(copy)


def timed(function):
    """Result, wall seconds, CPU seconds; those of child processes (the compiler) count."""
    wall, cpu = time.perf_counter(), os.times()
    result = function()
    after = os.times()
    return result, time.perf_counter() - wall, sum(after[:4]) - sum(cpu[:4])


def run_hls4ml(arguments, folder, log):
    import hls4ml
    import numpy
    import torch

    torch.set_num_threads(1)
    model = make_resnet(arguments.depth)
    calibrate_batch_norm(model)
    images = noise_images(arguments.images, 0)
    with torch.no_grad():
        expected = model(images).numpy()

    def convert():
        # Granularity "name" leaves result and accumulator types to be inferred; with "model", or
        # with an explicit result type, batch norms do not fold.
        # "internal": the default "full" adds a stage that holds the whole image in registers to
        # transpose it.
        config = hls4ml.utils.config_from_pytorch_model(
            model, (3, 32, 32), granularity="name", backend="Vitis", default_precision=PRECISION,
            default_reuse_factor=REUSE_FACTOR, channels_last_conversion="internal"
        )
        config["Model"]["Strategy"] = "Resource"
        for layer in config["LayerName"].values():
            layer["Strategy"] = "Resource"
        return hls4ml.converters.convert_from_pytorch_model(
            model, output_dir=str(folder), project_name="resnet", backend="Vitis",
            io_type="io_stream", part="xcu200-fsgd2104-2-e", clock_period=5, hls_config=config
        )

    try:
        with quiet(log):
            project, convert_wall, convert_cpu = timed(convert)
            _, compile_wall, compile_cpu = timed(project.compile)
            # compile() has written the project already.
            _, write_wall, write_cpu = timed(project.write)
    except Exception as error:
        die(f"hls4ml failed: {type(error).__name__}: {error}\n"
            + "\n".join(log.read_text().splitlines()[-20:]))
    batch_norms = sum(layer.class_name == "BatchNormalization" for layer in project.get_layers())
    if batch_norms:
        die(f"hls4ml left {batch_norms} batch norms unfolded, so that the two sides would not run "
            f"the same operations")

    nhwc = numpy.ascontiguousarray(images.numpy().transpose(0, 2, 3, 1))
    project.predict(nhwc[:1])
    outputs, wall, cpu = [], [], []
    for image in nhwc:
        before = time.perf_counter(), time.process_time()
        outputs.append(project.predict(image[None]))
        wall.append(time.perf_counter() - before[0])
        cpu.append(time.process_time() - before[1])
    error = numpy.array(outputs).reshape(expected.shape) - expected
    spread = expected - expected.mean(axis=0)
    relative_error = float(numpy.sqrt((error**2).mean()) / numpy.sqrt((spread**2).mean()))
    if not relative_error < MAX_RELATIVE_ERROR:
        die(f"hls4ml's logits have a relative error of {relative_error:.3g}, expected below "
            f"{MAX_RELATIVE_ERROR}: it does not simulate this network")
    return {
        "precision": PRECISION,
        "granularity": "name",
        "io_type": "io_stream",
        "strategy": "Resource",
        "reuse_factors": sorted({int(layer.get_attr("reuse_factor"))
                                 for layer in project.get_layers()
                                 if layer.get_attr("n_filt") or layer.get_attr("n_out")}),
        "layers": len(list(project.get_layers())),
        "convert_seconds": {"wall": convert_wall, "cpu": convert_cpu},
        "write_seconds": {"wall": write_wall, "cpu": write_cpu},
        "compile_seconds": {"wall": compile_wall, "cpu": compile_cpu},
        "images": len(wall),
        "seconds_per_image": {"wall": statistics.median(wall), "cpu": statistics.median(cpu)},
        "seconds_per_image_all": {"wall": wall, "cpu": cpu},
        "error": {"max": float(numpy.abs(error).max()), "relative_rms": relative_error},
    }


# ---- tailor --------------------------------------------------------------------------------------


def run_tailor(arguments):
    pattern = f"BM_EmulateResnet{arguments.depth}/(fused|stock)_16_6$"
    command = [str(arguments.tailor_bench), f"--benchmark_filter={pattern}",
               "--benchmark_format=json", f"--benchmark_repetitions={REPETITIONS}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        die(f"{' '.join(command)} ended with "
            f"{done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    answer = json.loads(done.stdout)
    context = answer["context"]
    if context["tailor_build_type"] != "Release":
        die(f"{arguments.tailor_bench} is a {context['tailor_build_type']} build, expected "
            f"Release; build it with\n  cmake --workflow --preset bench")
    result = {"command": command, "context": {key: value for key, value in context.items()
                                              if key.startswith("tailor_")}}
    for layout in ("fused", "stock"):
        name = f"BM_EmulateResnet{arguments.depth}/{layout}_16_6"
        runs = [run for run in answer["benchmarks"]
                if run["name"] == name and run["run_type"] == "iteration"]
        if len(runs) != REPETITIONS or any(run["time_unit"] != "ms" for run in runs):
            die(f"{' '.join(command)}: expected {REPETITIONS} runs of {name} in ms, got "
                f"{len(runs)}")
        result[layout] = {
            "seconds_per_image": {"wall": statistics.median(r["real_time"] for r in runs) / 1e3,
                                  "cpu": statistics.median(r["cpu_time"] for r in runs) / 1e3},
            "seconds_per_image_all": {"wall": [r["real_time"] / 1e3 for r in runs],
                                      "cpu": [r["cpu_time"] / 1e3 for r in runs]},
        }
    return result


# ---- both ----------------------------------------------------------------------------------------


def describe_machine(cpu):
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", info)
    return {
        "cpu": model.group(1).strip() if model else platform.processor(),
        "cpus": os.cpu_count(),
        "pinned_to_cpu": cpu,
        "system": platform.platform(),
        "load_average_at_start": os.getloadavg(),
    }


def describe_versions():
    compiler = subprocess.run(["g++", "-dumpfullversion"], capture_output=True, text=True,
                              check=True).stdout.strip()
    packages = {name: importlib.metadata.version(name) for name in ("hls4ml", "torch", "numpy")}
    return {"python": platform.python_version(), "g++": compiler, **packages}


def print_table(record):
    theirs, ours = record["hls4ml"], record["tailor"]
    rows = [("hls4ml C simulation", theirs["seconds_per_image"], 1.0)]
    rows += [(f"tailor emulator, {layout}", ours[layout]["seconds_per_image"],
              theirs["seconds_per_image"]["cpu"] / ours[layout]["seconds_per_image"]["cpu"])
             for layout in ("fused", "stock")]
    print(f"{record['network']}, {PRECISION}, one thread of {record['machine']['cpu']}, load "
          f"{record['machine']['load_average_at_start'][0]:.1f} at the start")
    print(f"\n{'':26}{'CPU ms/image':>14}{'wall ms/image':>15}{'times faster':>14}")
    for name, seconds, ratio in rows:
        print(f"{name:26}{1e3 * seconds['cpu']:14.2f}{1e3 * seconds['wall']:15.2f}{ratio:14.1f}")
    preparation = ", ".join(f"{what} {theirs[what + '_seconds']['cpu']:.1f}"
                            for what in ("convert", "write", "compile"))
    print(f"\nhls4ml before the first image, CPU s: {preparation} (writing included); |C "
          f"simulation - float| at most {theirs['error']['max']:.4f}")
    for name, check in record["targets"].items():
        print(f"{name}: {check['value']:.4g}, target {check['target']:.4g}: "
              f"{'met' if check['met'] else 'MISSED'}")


def main():
    arguments = parse_arguments()
    machine = describe_machine(pin(arguments.cpu))
    check_prerequisites(arguments)
    with tempfile.TemporaryDirectory(prefix="compare_hls4ml_") as temporary:
        folder = arguments.project.resolve() if arguments.project else Path(temporary) / "project"
        folder.mkdir(parents=True, exist_ok=True)
        print("hls4ml: convert, write, compile, simulate (about a minute) ...", file=sys.stderr,
              flush=True)
        theirs = run_hls4ml(arguments, folder, Path(temporary) / "log")
    print("tailor: tailor_bench ...", file=sys.stderr, flush=True)
    ours = run_tailor(arguments)

    seconds = ours["fused"]["seconds_per_image"]["cpu"]
    ratio = theirs["seconds_per_image"]["cpu"] / seconds
    targets = {"ratio": {"value": ratio, "target": TARGET_RATIO, "met": ratio >= TARGET_RATIO}}
    if arguments.depth in TARGET_SECONDS:
        limit = TARGET_SECONDS[arguments.depth]
        targets["emulator seconds per image"] = {"value": seconds, "target": limit,
                                                 "met": seconds <= limit}
    record = {
        "network": f"resnet{arguments.depth}",
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": machine,
        "versions": describe_versions(),
        "hls4ml": theirs,
        "tailor": ours,
        "ratio": ratio,
        "targets": targets,
    }
    print_table(record)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(record, indent=2) + "\n")
    print(f"written to {arguments.output}")
    if arguments.check and not all(check["met"] for check in targets.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
