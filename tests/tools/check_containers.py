#!/usr/bin/env python3
"""The container recipes against the tree: check_containers.py SOURCE_DIR

No container engine runs here, so what can be checked without one is: every file that a recipe
copies exists, what it copies is all that the build reads, both recipes run the same steps, and
every script, preset and option that these name exists. `--copy FOLDER` copies what the Dockerfile
copies, to run the steps by hand (tests/tools/container_steps.sh does).
"""
import json
import os
import re
import shutil
import sys
from pathlib import Path

source = Path(sys.argv[1]).resolve()
docker = (source / "scripts/container/Dockerfile").read_text().replace("\\\n", " ")
apptainer = (source / "scripts/container/tailor.def").read_text()
cuda = (source / "scripts/container/tailor_cuda.def").read_text()

copied_docker = set()
for words in re.findall(r"^COPY (.+)$", docker, re.M):
    copied_docker |= set(words.split()[:-1])
SECTION = re.compile(r"^%(\w+)\n(.*?)(?=^%|\Z)", re.M | re.S)
section, cuda_section = dict(SECTION.findall(apptainer)), dict(SECTION.findall(cuda))
copied_apptainer = {line.split()[0] for line in section["files"].splitlines() if line.strip()}

failures = [f"{name} does not exist" for name in sorted(copied_docker | copied_apptainer)
            if not (source / name).exists()]
# setup.sh is copied first, alone, so that a changed source does not install the packages again.
if copied_docker - {"scripts/setup.sh"} != copied_apptainer:
    failures.append(f"the recipes copy different files: {sorted(copied_docker ^ copied_apptainer)}")
# The recipe for GPUs builds by scripts/cuda_check.sh, and is the other one but for that.
for name in section.keys() | cuda_section.keys():
    if name != "post" and section.get(name) != cuda_section.get(name):
        failures.append(f"tailor.def and tailor_cuda.def differ in %{name}")
# What the build reads: the folders that the build files name below the source folder.
named = set()
for file in [source / "CMakeLists.txt", source / "src/CMakeLists.txt",
             *(source / "scripts/cmake").glob("*.cmake")]:
    text = file.read_text()
    named |= set(re.findall(r"\$\{CMAKE_SOURCE_DIR\}/(\w+)", text))
    named |= set(re.findall(r"^\s*add_subdirectory\((\w+)\)", text, re.M))
for name in sorted(named - {"tests"}):
    if name not in copied_apptainer:
        failures.append(f"the build reads {name}/, which the recipes do not copy")


def steps(text):
    return [step.strip() for step in re.split(r"&&|\n", text)
            if re.match(r"\s*(scripts/|cmake )", step)]


docker_steps = [step for run in re.findall(r"^RUN (.+)$", docker, re.M) for step in steps(run)]
if docker_steps != steps(section["post"]):
    failures.append(f"the recipes build differently: {docker_steps} and {steps(section['post'])}")
if docker_steps[:1] != ["scripts/setup.sh"] or len(docker_steps) != 4:
    failures.append(f"expected set-up, configure, build and install, got {docker_steps}")
presets = json.loads((source / "CMakePresets.json").read_text())["configurePresets"]
presets = {preset["name"] for preset in presets}
options = set(re.findall(r"^option\((\w+)", (source / "CMakeLists.txt").read_text(), re.M))
for step in docker_steps + steps(cuda_section["post"]):
    script = step.split()[0]
    if script.startswith("scripts/"):
        if not os.access(source / script, os.X_OK):
            failures.append(f"{script} is not executable")
            continue
        help_text = (source / script).read_text().split("set -euo pipefail")[0]
        failures += [f"{step}: {script} does not speak of {flag}"
                     for flag in re.findall(r"--[a-z]+", step) if flag not in help_text]
    failures += [f"{step}: there is no preset {p}" for p in re.findall(r"--preset (\w+)", step)
                 if p not in presets]
    failures += [f"{step}: there is no option {o}" for o in re.findall(r"-D(\w+)=", step)
                 if o not in options]

if not failures and "--copy" in sys.argv:
    target = Path(sys.argv[sys.argv.index("--copy") + 1])
    for name in copied_apptainer:
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name)
        else:
            shutil.copy2(source / name, target / name)
print("\n".join(failures) if failures else
      f"{len(copied_apptainer)} files and folders, {len(docker_steps)} steps of two recipes exist")
sys.exit(bool(failures))
