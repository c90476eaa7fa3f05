#!/usr/bin/env python3
"""Runs every command of the documentation: run_commands.py SOURCE_DIR TAILOR_BINARY [PAGE...]

All ```sh blocks of a page run in one fresh folder, line by line, in order, each with exit status 0;
a ```json NAME block is written to the file NAME there. `tailor train` gets overrides that make it
small (synthetic set, narrow ResNet-8, few epochs; of QuartzNets a narrow one and few examples) and
is otherwise as written. Pages with speech need flite and are left out without it. What needs a
network, a vendor tool or the whole build is not run here: the script must exist and parse, and
.ci/run runs it. Also: every relative link of a page leads to a file.
"""
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

source, binary = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
only = set(sys.argv[3:])  # pages as docs/speech.md; empty: all
SHORT = (
    "teacher.epochs=1 teacher.schedule={\"kind\":\"cosine\"} surgery.alpha=1 surgery.first_epoch=0 "
    "train.epochs=4 train.schedule={\"kind\":\"constant\"} runtime.threads=1 ")
SMALL = (
    SHORT + "network.depth=8 network.width=4 data.name=synthetic data.image_size=0 "
    "data.train_size=160 data.validation=32 data.test_size=40").split()
SMALL_SEQUENCES = (
    SHORT + "network.width=8 data.train_size=40 data.validation=8 data.test_size=8 "
    "teacher.batch_size=8 train.batch_size=8").split()
# At the start of a line: run elsewhere (.ci/run), or not on a machine without network or vendor
# tool.
ELSEWHERE = re.compile(
    r"((scripts|tests/tools)/[\w/]+\.sh|\.ci/run|cmake |apptainer |docker |git clone|sbatch |"
    r"vitis_hls|vivado|make -C \S+ (?!check))")
NEEDS_FLITE = {"docs/speech.md"}


def sets(assignments):
    return " ".join("--set " + shlex.quote(s) for s in assignments)


WRAPPER = f"""#!/usr/bin/env bash
# tailor, but a training is a small one
if [ "$1" = train ] && [[ " $* " == *" quickstart_"@(speech|dna)" "* ]]; then
  exec {shlex.quote(str(binary))} "$@" {sets(SMALL_SEQUENCES)}
fi
if [ "$1" = sweep ] || {{ [ "$1" = train ] && [[ " $* " != *" --resume "* ]]; }}; then
  exec {shlex.quote(str(binary))} "$@" {sets(SMALL)}
fi
exec {shlex.quote(str(binary))} "$@"
"""


def commands(text):
    for file, block in re.findall(r"^```(?:sh|json (\S+))\n(.*?)^```", text, re.S | re.M):
        if file:
            yield f"cat > {shlex.quote(file)} <<'END'\n{block}END"
            continue
        lines = [line for line in block.splitlines() if line.strip() and not line.startswith("#")]
        pending = ""
        for line in lines:  # a loop is one command, and so are lines joined by backslashes
            pending = f"{pending}\n{line}" if pending else line
            if line.endswith("\\") or (pending.startswith("for ") and not line.startswith("done")):
                continue
            yield pending
            pending = ""


def speaks():
    """Whether the program was built with flite, and finds it."""
    return subprocess.run([binary, "data", "check", "--name", "flite", "--set", "data.train_size=2",
                           "--set", "data.test_size=1", "--set", "data.validation=0"],
                          capture_output=True).returncode == 0


failures, ran, elsewhere, links = [], 0, 0, 0
pages = [source / "README.md", source / "CONTRIBUTING.md", *sorted((source / "docs").rglob("*.md"))]
with tempfile.TemporaryDirectory(prefix="tailor-docs") as scratch:
    tools = Path(scratch, "bin")
    tools.mkdir()
    (tools / "tailor").write_text(WRAPPER)
    (tools / "tailor").chmod(0o755)
    environment = dict(os.environ, PATH=f"{tools}:{os.environ['PATH']}", TAILOR_LOG="warn",
                       OMP_NUM_THREADS="1")
    environment.pop("TAILOR_DATA", None)
    for page in pages:
        if only and page.relative_to(source).as_posix() not in only:
            continue
        text = page.read_text()
        for target in re.findall(r"\]\(([^)#\s]+)\)", text):
            links += 1
            if not target.startswith("http") and not (page.parent / target).exists():
                failures.append(f"{page.relative_to(source)}: the link {target} leads nowhere")
        if page.relative_to(source).as_posix() in NEEDS_FLITE and not speaks():
            print(f"{page.relative_to(source)}: no flite, its commands are not run")
            continue
        folder = Path(scratch, page.relative_to(source).as_posix().replace("/", "_"))
        folder.mkdir()
        for command in commands(text):
            if ELSEWHERE.match(command):
                elsewhere += 1
                named = re.search(r"(scripts/[\w/]+\.sh|\.ci/run)", command)
                if named:
                    script = source / named.group(1)
                    check = subprocess.run(["bash", "-n", script], capture_output=True, text=True)
                    if check.returncode != 0 or not os.access(script, os.X_OK):
                        failures.append(f"{page.relative_to(source)}: {command}: "
                                        f"{check.stderr or 'not executable'}")
                continue
            ran += 1
            result = subprocess.run(["bash", "-c", command], cwd=folder, env=environment,
                                    capture_output=True, text=True)
            if result.returncode != 0:
                failures.append(
                    f"{page.relative_to(source)}: exit status {result.returncode} of: {command}\n"
                    f"{result.stdout[-800:]}{result.stderr[-800:]}")
print("\n".join(failures) if failures else f"{ran} commands ran, {elsewhere} belong to .ci/run or "
      f"another machine, {links} links lead somewhere")
sys.exit(bool(failures) or (not only and ran < 20))
