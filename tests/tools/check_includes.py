#!/usr/bin/env python3
"""Fails on an #include that a room has not declared: check_includes.py SOURCE_DIR

A forbidden include compiles, so something has to look. The declarations are the tailor_room() lines
of src/CMakeLists.txt. Public headers are "tailor/<room>/x.h", private ones "<room>/x.h"; tests may
include every room. Also fails on a LibTorch, CLI11, spdlog, nlohmann or iostream header outside the
rooms or files that own it, on a target that includes another, and where the namespaces of
tailor/core/rooms.h see other rooms than those declared.
"""
import re
import sys
from pathlib import Path

source = Path(sys.argv[1])
declarations = (source / "src/CMakeLists.txt").read_text()
ROOM = re.compile(r"tailor_room\((\w+)(?: TORCH)?(?: DEPS ([\w\s]+))?\)")
rooms = {name: set((deps or "").split()) for name, deps in ROOM.findall(declarations)}
assert {"core", "cli", "nn", "train"} <= rooms.keys(), rooms.keys()
# src/cli/torch is the part of cli that may use the LibTorch rooms.
torch_commands = rooms["cli"] | {"cli", "nn", "train"}

owners = {  # third-party headers and the only files that may include them
    r"<(CLI/|CLI11)": ["src/cli/app.cc", "src/cli/flags.cc", "src/cli/flags_networks.cc"],
    r"<spdlog/": ["src/core/log.cc"],
    r"<nlohmann/": ["src/core/json.cc"],
    r"<torch/version.h>": ["include/tailor/nn/torch_compat.h"],
    r"<(torch/|ATen/|c10/)": ["src/nn/", "src/train/", "include/tailor/nn/",
                              "include/tailor/train/", "src/cli/torch/"],
    r"<torch/torch.h>": [],
    r"<iostream>": [],
}
findings = []
copied = re.compile("src/target/[a-z]+/(library|native|skeleton)/")  # for projects as it stands
for path in sorted([*source.glob("include/tailor/*/**/*.h"), *source.glob("src/*/**/*.cc"),
                    *source.glob("src/*/**/*.h")]):
    name = path.relative_to(source).as_posix()
    if copied.match(name):
        continue
    room = name.removeprefix("include/tailor/").removeprefix("src/").split("/")[0]
    if name.startswith("src/cli/torch/"):
        room = "cli/torch"
    if room not in rooms and room != "cli/torch":
        findings.append(f"{name}: '{room}' is not a room declared in src/CMakeLists.txt")
        continue
    allowed = torch_commands if room == "cli/torch" else rooms[room] | {room}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        include = re.match(r'\s*#\s*include\s+(["<][^">]+[">])', line)
        if not include:
            continue
        header = include.group(1)
        own = re.match(r'"(?:tailor/)?([a-z]+)/', header)
        target = re.match(r'"(?:tailor/)?target/([a-z]+)/', header)
        if target and re.search(r"/target/([a-z]+)/", name):
            if f"/target/{target.group(1)}/" not in name:
                findings.append(f"{name}:{number}: a target includes another's {header}")
        if own and own.group(1) not in allowed:
            findings.append(f"{name}:{number}: room {room} includes {header}, but declares only: "
                            f"{' '.join(sorted(allowed - {room})) or 'nothing'}")
        for pattern, files in owners.items():
            if re.match(pattern, header) and not any(name.startswith(f) for f in files):
                findings.append(f"{name}:{number}: {header} belongs to "
                                f"{', '.join(files) or 'no file'}")
ladder = (source / "include/tailor/core/rooms.h").read_text()
for room, deps in rooms.items():
    body = re.search(rf"^namespace {room} {{(.*?)}}", ladder, re.M | re.S)
    seen = set(re.findall(r"using namespace (\w+);", body.group(1))) if body else None
    if seen != deps:
        findings.append(f"include/tailor/core/rooms.h: namespace {room} sees {seen}, "
                        f"but the room declares {deps}")
print("\n".join(findings) if findings else f"{len(rooms)} rooms keep their declared dependencies")
sys.exit(bool(findings))
