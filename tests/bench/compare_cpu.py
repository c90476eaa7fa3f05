#!/usr/bin/env python3
"""`tailor bench train` beside the same step in Python (peer_cpu.py) on this CPU, taking turns.

    compare_cpu.py --tailor build/release/tailor [--threads 1,2] [--isas all,avx2] [--rounds 3]
                   [--seconds 3] [--variants a,b] [--quick] [--json FILE]

Run it with a Python that has PyTorch; on a busy machine with GOMP_SPINCOUNT=1000 for both. Prints
the medians of the rounds, and the speed by that of Python as written and, of tailor, by that of the
best Python in the same precision. --quick: one second each, two rounds, all threads only, without
torch.compile: about three minutes on an idle machine.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

import peer_cpu

PEER = peer_cpu.__file__
ISAS = {"all": {}, "avx2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "DNNL_MAX_CPU_ISA": "AVX2",
                            "ATEN_CPU_CAPABILITY": "avx2", "OPENBLAS_CORETYPE": "Haswell"}}


def rates_of(command, environment, key):
    answer = json.loads(subprocess.run(command, env={**os.environ, **environment}, check=True,
                                       text=True, stdout=subprocess.PIPE).stdout)
    return answer, {rate[key]: rate["images_per_s"] for rate in answer["rates"]}


def measure(args, isa, threads, rates):
    """One round of one setting: adds to `rates`. Returns what share of the peak an image a second
    is."""
    sizes = ["--threads", threads, "--seconds", str(args.seconds), "--json"]
    ours = [args.tailor, "bench", "train", "--network", f"resnet{args.depth}", "--batch-size",
            str(args.batch), *sizes, *(["--precision", "float32"] if isa == "avx2" else [])]
    theirs = [sys.executable, PEER, "--depth", str(args.depth), "--batch", str(args.batch), *sizes,
              "--variants", ",".join(v for v in args.variants.split(",")
                                     if isa != "avx2" or "bfloat16" not in v)]
    bench, mine = rates_of(ours, ISAS[isa], "precision")
    _, python = rates_of(theirs, ISAS[isa], "variant")
    for program, found in (("tailor", mine), ("python", python)):
        for name, rate in found.items():
            rates.setdefault((program, name), []).append(rate)
    return bench["flops_per_image"] / bench["peak_flops"]


def ratio(rates, others):
    return statistics.median(a / b for a, b in zip(rates, others))


def rows_of(rates, isa, threads, peak_share):
    """The table's rows of one setting; ratios are medians of those within a round."""
    medians = {key: statistics.median(values) for key, values in rates.items()}
    rows = []
    for (program, name), values in rates.items():
        row = {"isa": isa, "threads": int(threads), "program": program, "what": name,
               "images_per_s": medians[program, name], "lowest": min(values),
               "highest": max(values)}
        if ("python", "as_written") in rates:
            row["by_as_written"] = ratio(values, rates["python", "as_written"])
        rivals = [key for key in rates if key[0] == "python" and
                  (key[1].startswith(name) or (name, key[1]) == ("float32", "as_written"))]
        if program == "tailor":
            row["of_the_peak"] = row["images_per_s"] * peak_share
            if rivals:
                row["best_python"] = max(rivals, key=medians.get)[1]
                row["by_best_python"] = ratio(values, rates["python", row["best_python"]])
        rows.append(row)
    return rows


def show(rows):
    def number(row, key, form):
        return format(row[key], form) if key in row else ""

    print(f"{'isa':5}{'threads':>7}  {'program':8}{'what':27}{'images/s':>8}{'lowest':>8}"
          f"{'highest':>8}{'/as written':>12}{'of peak':>8}{'/best':>7}  which")
    for r in rows:
        print(f"{r['isa']:5}{r['threads']:7}  {r['program']:8}{r['what']:27}"
              f"{r['images_per_s']:8.0f}{r['lowest']:8.0f}{r['highest']:8.0f}"
              f"{number(r, 'by_as_written', '.2f'):>12}{number(r, 'of_the_peak', '.0%'):>8}"
              f"{number(r, 'by_best_python', '.2f'):>7}  {r.get('best_python', '')}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tailor", default="build/release/tailor")
    parser.add_argument("--depth", type=int, default=20)
    parser.add_argument("--batch", type=int, default=128)
    cpus = len(os.sched_getaffinity(0))
    parser.add_argument("--threads", help=f"default: {','.join(map(str, sorted({1, cpus})))}")
    parser.add_argument("--isas", default="all,avx2")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="for each precision or variant, once warm")
    parser.add_argument("--variants", help="of peer_cpu.py; default: all that this CPU can")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", help="a file for the rows of the table")
    args = parser.parse_args()
    args.threads = args.threads or (str(cpus) if args.quick
                                    else ",".join(map(str, sorted({1, cpus}))))
    args.rounds = args.rounds or (2 if args.quick else 3)
    args.seconds = args.seconds or (1 if args.quick else 3)
    args.variants = args.variants or ",".join(
        v for v in peer_cpu.possible_variants() if not args.quick or "compiled" not in v)
    settings = [(isa, threads) for isa in args.isas.split(",")
                for threads in args.threads.split(",")]
    for isa, _ in settings:
        if isa not in ISAS:
            sys.exit(f"compare_cpu.py: --isas {isa}: expected some of {', '.join(ISAS)}")
    rates, shares = {setting: {} for setting in settings}, {}
    for turn in range(args.rounds):
        for setting in settings:
            share = measure(args, *setting, rates[setting])
            shares[setting] = min(share, shares.get(setting, share))  # the peak is a ceiling
        print(f"round {turn + 1} of {args.rounds}", file=sys.stderr, flush=True)
    rows = [row for setting in settings
            for row in rows_of(rates[setting], *setting, shares[setting])]
    show(rows)
    if args.json:
        with open(args.json, "w", encoding="ascii") as out:
            json.dump(rows, out, indent=2)


if __name__ == "__main__":
    main()
