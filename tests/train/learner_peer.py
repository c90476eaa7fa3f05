#!/usr/bin/env python3
"""Two steps of training under a teacher in PyTorch 2.13.0 (CPU, float64): learner_peer.json.

  V/bin/python tests/train/learner_peer.py > tests/train/learner_peer.json

The network is quartznet_peer.py's; the teacher is the unaltered one in eval mode. Bonito's recipe
(AdamW, clipped, smoothed loss by labels) and NeMo's (NovoGrad, the loss as it is), both with
0.35 of the mean squared distance of the log-probabilities of an example's own frames.
"""
import json

import torch
import torch.nn.functional as F

from quartznet_peer import BLANK, CLASSES, LENGTHS, TARGETS, Net, pattern, rounded

BETA = 0.35


class NovoGrad:
    """From the algorithm: a second moment a tensor, which begins as the squared norm."""

    def __init__(self, parameters, lr, betas, weight_decay, eps):
        self.parameters, self.lr, self.betas = list(parameters), lr, betas
        self.decay, self.eps, self.state = weight_decay, eps, {}

    @torch.no_grad()
    def step(self):
        for i, p in enumerate(self.parameters):
            norm = (p.grad ** 2).sum()
            m, v = self.state.get(i, (torch.zeros_like(p), norm))
            if i in self.state:
                v = self.betas[1] * v + (1 - self.betas[1]) * norm
            m = self.betas[0] * m + p.grad / (v.sqrt() + self.eps) + self.decay * p
            self.state[i] = (m, v)
            p -= self.lr * m


def own_mean(values, lens):
    return torch.cat([values[i, :n] for i, n in enumerate(lens)]).mean()


def ctc(log_p, lens, by_labels, smoothing):
    counts = torch.tensor([len(t) for t in TARGETS])
    losses = F.ctc_loss(log_p.permute(1, 0, 2), torch.tensor(sum(TARGETS, [])), torch.tensor(lens),
                        counts, BLANK, "none")
    loss = (losses / counts).mean() if by_labels else losses.mean()
    weights = torch.full((CLASSES,), smoothing * 0.25 / (CLASSES - 1))
    weights[BLANK] = smoothing
    return loss - own_mean(log_p * weights, lens)


def run(surgery, kind):
    net, teacher = Net(surgery, False), Net("none", False)
    parameters = list(net.parameters.values())
    bonito = kind == "adamw"
    if bonito:
        optimizer = torch.optim.AdamW(parameters, lr=0.01, weight_decay=0.01, eps=1e-3)
    else:
        optimizer = NovoGrad(parameters, 0.01, (0.8, 0.5), 0.001, 1e-8)
    x = pattern((3, 3, 23), 11, 5)
    result = {"surgery": surgery, "optimizer": kind, "steps": []}
    for _ in range(2):
        for p in parameters:
            p.grad = None
        logits, lens = net(x, LENGTHS)
        with torch.no_grad():
            target = F.log_softmax(teacher(x, LENGTHS, training=False)[0], 2)
        log_p = F.log_softmax(logits, 2)
        objective = ctc(log_p, lens, bonito, 0.4 if bonito else 0)
        distance = own_mean((log_p - target) ** 2, lens)
        loss = (1 - BETA) * objective + BETA * distance
        loss.backward()
        if bonito:
            torch.nn.utils.clip_grad_norm_(parameters, 2.0)
        optimizer.step()
        result["steps"].append([float(f"{v.item():.8g}") for v in (loss, objective, distance)])
    result["weights"] = {n: rounded(p) for n, p in net.parameters.items()}
    return result


if __name__ == "__main__":
    runs = [run(s, k) for k in ("adamw", "novograd") for s in ("none", "remove", "shorten")]
    print("[" + ",\n".join(json.dumps(r, separators=(",", ":")) for r in runs) + "]")
