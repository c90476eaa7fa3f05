"""A PyTorch module with what a description can say, imported, computes the same in tailor, and its
weights go back: foreign_module.py TAILOR.

Needs torch and safetensors; the module's own logits on the imported checkpoint's witness are the
reference. Fails with the largest difference.
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

tailor = str(Path(sys.argv[1]).resolve())


class Theirs(nn.Module):
    """A stem with a pool, groups under a skip over three convolutions with one inside it, a strided
    projection, two linear layers on the flattened map."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)  # with a bias, in front of a batch norm
        self.norm = nn.BatchNorm2d(6)
        self.a = nn.ModuleList(nn.Sequential(nn.Conv2d(6, 6, 3, padding=1, groups=g, bias=False),
                                             nn.BatchNorm2d(6, affine=g != 3)) for g in (1, 3, 2))
        self.b = nn.Sequential(nn.Conv2d(6, 9, 3, 2, 1, bias=False), nn.BatchNorm2d(9))
        self.down = nn.Sequential(nn.Conv2d(6, 9, 1, 2, bias=False), nn.BatchNorm2d(9))
        self.hidden = nn.Linear(9 * 4 * 4, 11)
        self.out = nn.Linear(11, 7, bias=False)

    def forward(self, x):
        x = nn.functional.max_pool2d(torch.relu(self.norm(self.stem(x))), 3, 2, 1)
        one = torch.relu(self.a[0](x))
        two = torch.relu(self.a[1](one) + one)
        x = torch.relu(self.a[2](two) + x)
        x = torch.relu(self.b(x) + self.down(x))
        return self.out(torch.relu(self.hidden(x.flatten(1))))


description = {
    "name": "theirs",
    "input": {"channels": 3, "height": 15, "width": 15},
    "classes": 7,
    "blocks": [
        {"id": "stem", "stages": [{"out_channels": 6},
                                  {"kind": "max_pool", "stride": 2, "pad": 1}]},
        {"id": "a", "stages": [{"out_channels": 6}, {"out_channels": 6, "groups": 3},
                               {"out_channels": 6, "groups": 2}],
         "skips": [{"from": 0, "to": 3}, {"from": 1, "to": 2}]},
        {"id": "b", "stages": [{"out_channels": 9, "stride": 2}],
         "skips": [{"id": "b.down", "from": 0, "to": 1, "kind": "projection"}]},
        {"id": "hidden", "stages": [{"out_channels": 11, "kernel": 4, "pad": 0,
                                     "batch_norm": False}]},
    ],
}
rules = {
    "rules": [
        {"from": "{*}num_batches_tracked", "to": ""},
        {"from": "stem.{*}", "to": "stem.conv1.{*}"},
        {"from": "norm.{*}", "to": "stem.bn1.{*}"},
        {"from": "a.{i}.0.weight", "to": "a.conv{i+1}.weight"},
        {"from": "a.{i}.1.{*}", "to": "a.bn{i+1}.{*}"},
        {"from": "b.0.weight", "to": "b.conv1.weight"},
        {"from": "b.1.{*}", "to": "b.bn1.{*}"},
        {"from": "down.0.weight", "to": "b.down.conv.weight"},
        {"from": "down.1.{*}", "to": "b.down.bn.{*}"},
        {"from": "hidden.weight", "to": "hidden.conv1.weight", "linear": True},
        {"from": "hidden.bias", "to": "hidden.conv1.bias"},
        {"from": "out.{*}", "to": "fc.{*}"},
    ],
    "mean": [0.5, 0.4, 0.3],
    "deviation": [0.25, 0.2, 0.3],
}


def run(*arguments):
    done = subprocess.run([tailor, *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"tailor {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout


def largest_difference(one, two):
    return ((one - two).abs().max() / two.abs().max()).item()


torch.manual_seed(1)
module = Theirs().eval()
for layer in module.modules():
    if isinstance(layer, nn.BatchNorm2d):
        layer.running_mean.normal_(0, 0.3)
        layer.running_var.uniform_(0.5, 2)
        if layer.affine:
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, 0, 0.3)
with tempfile.TemporaryDirectory() as folder, torch.no_grad():
    file = Path(folder)
    (file / "theirs.json").write_text(json.dumps(description))
    (file / "rules.json").write_text(json.dumps(rules))
    state = {"module." + name: tensor for name, tensor in module.state_dict().items()}
    wrapped = {"epoch": 3, "state_dict": state}
    for name, old in (("new.pt", False), ("old.pt", True)):
        torch.save(wrapped, file / name, _use_new_zipfile_serialization=not old)
        report = run("import", str(file / name), "--network", str(file / "theirs.json"), "--rules",
                     str(file / "rules.json"), "--output", str(file / "in"), "--force")
        with safe_open(file / "in" / "model.ckpt", "pt") as checkpoint:
            images = checkpoint.get_tensor("witness.inputs")
            logits = checkpoint.get_tensor("witness.outputs")
        difference = largest_difference(logits, module(images.permute(0, 3, 1, 2)))
        print(f"{name}: largest relative difference of the logits {difference:.1e}")
        if not difference < 1e-5:
            sys.exit(report + "tailor and PyTorch differ")
    run("export", "--checkpoint", str(file / "in"), "--precision", "16,6", "--vectors", "2",
        "--output", str(file / "project"))
    run("check", str(file / "project"))
    run("export", "--checkpoint", str(file / "in"), "--format", "safetensors", "--rules",
        str(file / "rules.json"), "--zero-biases", "--output", str(file / "back.safetensors"))
    again = Theirs().eval()
    weights = load_file(file / "back.safetensors")
    # What their module has no place for: the scale of one batch norm, and the last bias, both
    # neutral until they are trained.
    extra = again.load_state_dict(weights, strict=False).unexpected_keys
    neutral = {name: float(name == "a.1.1.weight") for name in extra}
    if extra != ["a.1.1.bias", "a.1.1.weight", "out.bias"] or any(
            weights[name].ne(neutral[name]).any() for name in extra):
        sys.exit(f"back.safetensors: unexpected {extra}")
    images = torch.randn(4, 3, 15, 15)
    difference = largest_difference(again(images), module(images))
    print(f"back again: {difference:.1e}")
    if not difference < 1e-5:
        sys.exit("the weights that came back differ")
