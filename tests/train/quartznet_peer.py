#!/usr/bin/env python3
"""One training step of a small QuartzNet in PyTorch 2.13.0 (CPU, float64): quartznet_peer.json.

  python3 -m venv V && V/bin/pip install torch==2.13.0 numpy
  V/bin/python tests/train/quartznet_peer.py > tests/train/quartznet_peer.json

Written from the definition (masked separable convolutions, batch norm with eps 1e-3, skips that are
1x1 convolutions with batch norm); the tensors have tailor's names. quartznet_test.cc says the same
network as a configuration and compares.
"""
import json

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)

CLASSES, BLANK = 6, 5
BLOCKS = [("stage1.block0", 4, 4, 5), ("stage2.block0", 4, 8, 7)]  # id, in, out, kernel
REPEAT = 2
LENGTHS = [23, 16, 9]
TARGETS = [[1, 2, 2], [0, 3], [4]]
# Of the size of a small gradient: the first step of AdamW is not then its sign alone.
LEARNING_RATE, WEIGHT_DECAY, EPSILON = 0.01, 0.1, 1e-3


def shapes():
    """Name -> shape of every tensor of the unaltered network."""
    s = {"stem.conv1.weight": (3, 1, 1, 5), "stem.conv1b.weight": (4, 3, 1, 1)}

    def norm(name, n):
        for what in ("weight", "bias", "running_mean", "running_var"):
            s[f"{name}.{what}"] = (n,)

    norm("stem.bn1", 4)
    for block, n_in, n_out, kernel in BLOCKS:
        for r in range(1, REPEAT + 1):
            c = n_in if r == 1 else n_out
            s[f"{block}.conv{r}.weight"] = (c, 1, 1, kernel)
            s[f"{block}.conv{r}b.weight"] = (n_out, c, 1, 1)
            norm(f"{block}.bn{r}", n_out)
        s[f"{block}.skip.conv.weight"] = (n_out, n_in, 1, 1)
        norm(f"{block}.skip.bn", n_out)
    s["context.conv1.weight"] = (8, 1, 1, 9)
    s["context.conv1b.weight"] = (8, 8, 1, 1)
    norm("context.bn1", 8)
    s["top.conv1.weight"] = (12, 8, 1, 1)
    norm("top.bn1", 12)
    s["head.conv.weight"] = (CLASSES, 12, 1, 1)
    s["head.conv.bias"] = (CLASSES,)
    return s


def pattern(shape, a, b):
    """((a i + b) mod 19 - 9) / 8, which float32 has exactly."""
    n = int(torch.tensor(shape).prod())
    return (((a * torch.arange(n) + b) % 19 - 9).double() / 8).reshape(shape)


def tensors():
    """By the tensor's place among the sorted names."""
    values = {}
    for k, (name, shape) in enumerate(sorted(shapes().items())):
        p = pattern(shape, 7 + 2 * k, 3 + 5 * k)
        if name.endswith("running_mean"):
            p = torch.zeros(shape)
        elif name.endswith("running_var"):
            p = torch.ones(shape)
        elif ".bn" in name and name.endswith("weight"):
            p = 1 + p / 4
        elif name.endswith("bias"):
            p = p / 4
        else:
            p = p / 2
        values[name] = p
    return values


class Net:
    def __init__(self, surgery, after_activation):
        self.surgery, self.after = surgery, after_activation
        self.t = tensors()
        self.parameters = {}
        for name, value in self.t.items():
            if "running" in name:
                continue
            keep = surgery == "none" or ".skip." not in name or (
                surgery == "shorten" and name.startswith("stage2"))
            if keep:
                self.parameters[name] = value.requires_grad_(True)

    def conv(self, x, lens, name, stride=1, pad=0, dilation=1, bias=None, masks=True):
        w = self.t[name + ".weight"].squeeze(2)
        if masks:
            mask = torch.arange(x.shape[2])[None, :] < torch.tensor(lens)[:, None]
            x = x * mask[:, None, :]
        y = F.conv1d(x, w, bias, stride, pad, dilation, 1 if w.shape[1] > 1 else w.shape[0])
        k = w.shape[2]
        return y, [(n + 2 * pad - dilation * (k - 1) - 1) // stride + 1 for n in lens]

    def norm(self, x, name, training=True):
        t = self.t
        return F.batch_norm(x, t[name + ".running_mean"], t[name + ".running_var"],
                            t[name + ".weight"], t[name + ".bias"], training, 0.1, 1e-3)

    def stage(self, x, lens, name, number, kernel, training, stride=1, dilation=1):
        x, lens = self.conv(x, lens, f"{name}.conv{number}", stride, dilation * (kernel // 2),
                            dilation)
        x, lens = self.conv(x, lens, f"{name}.conv{number}b")
        return self.norm(x, f"{name}.bn{number}", training), lens

    def skip(self, x, lens, name, training):
        return self.norm(self.conv(x, lens, name + ".skip.conv")[0], name + ".skip.bn", training)

    def joined(self, x, skip):
        if skip is None:
            return F.relu(x)
        return F.relu(x) + skip if self.after else F.relu(x + skip)

    def __call__(self, x, lens, training=True):
        x, lens = self.stage(x, lens, "stem", 1, 5, training, stride=2)
        x = F.relu(x)
        for block, n_in, n_out, kernel in BLOCKS:
            first = x
            for r in range(1, REPEAT + 1):
                before = x
                x, lens = self.stage(x, lens, block, r, kernel, training)
                skip = None
                if self.surgery == "none" and r == REPEAT:
                    skip = self.skip(first, lens, block, training)
                if self.surgery == "shorten":
                    same = before.shape == x.shape
                    skip = before if same else self.skip(before, lens, block, training)
                x = self.joined(x, skip)
        x, lens = self.stage(x, lens, "context", 1, 9, training, dilation=2)
        x = F.relu(x)
        x, lens = self.conv(x, lens, "top.conv1")
        x = F.relu(self.norm(x, "top.bn1", training))
        x, _ = self.conv(x, lens, "head.conv", bias=self.t["head.conv.bias"])
        return x.permute(0, 2, 1), lens


def rounded(t):
    return [float(f"{v:.6g}") for v in t.detach().flatten().tolist()]


def step(surgery, after):
    net = Net(surgery, after)
    x = pattern((3, 3, 23), 11, 5)
    optimizer = torch.optim.AdamW(net.parameters.values(), lr=LEARNING_RATE,
                                  weight_decay=WEIGHT_DECAY, eps=EPSILON)
    logits, lens = net(x, LENGTHS)
    log_p = F.log_softmax(logits, 2)
    loss = F.ctc_loss(log_p.permute(1, 0, 2), torch.tensor(sum(TARGETS, [])), torch.tensor(lens),
                      torch.tensor([len(t) for t in TARGETS]), BLANK, "none").mean()
    loss.backward()
    gradients = {n: rounded(p.grad) for n, p in net.parameters.items()}
    optimizer.step()
    result = {"surgery": surgery, "join": "after_activation" if after else "before_activation",
              "lengths": lens, "loss": float(f"{loss.item():.8g}"), "gradients": gradients,
              "updated": {n: rounded(p) for n, p in net.parameters.items()},
              "means": {n: rounded(v) for n, v in net.t.items() if n.endswith("running_mean")
                        and n[:-len("running_mean")] + "weight" in net.parameters}}
    logits, lens = net(x, LENGTHS, training=False)
    # What is beyond an example's length means nothing.
    result["evaluated"] = [rounded(F.log_softmax(logits[i, :n], 1)) for i, n in enumerate(lens)]
    return result


if __name__ == "__main__":
    steps = [step("none", False), step("remove", False), step("shorten", False),
             step("shorten", True)]
    print("[" + ",\n".join(json.dumps(s, separators=(",", ":")) for s in steps) + "]")
