#!/usr/bin/env python3
"""A flag that a message names is one that the command has: check_advice.py SOURCE_DIR TAILOR_BINARY

The flags are those of `tailor COMMAND --help`. In a text, "tailor export ... --precision" speaks of
export; elsewhere a file of one command speaks of that command, and any other file of some command;
a bracket or semicolon ends what is said of another command. Texts are the string literals of
src/**.cc, adjacent ones joined.
"""
import re
import subprocess
import sys
from pathlib import Path

source, binary = Path(sys.argv[1]), sys.argv[2]
OWNER = {"cli/check.cc": "check", "cli/config.cc": "config", "cli/data.cc": "data",
         "cli/evaluate.cc": "evaluate", "cli/export.cc": "export",
         "cli/export_weights.cc": "export", "cli/import.cc": "import",
         "cli/import_reports.cc": "import-reports", "cli/inspect.cc": "inspect",
         "cli/torch/evaluate.cc": "evaluate",
         "cli/torch/train.cc": "train"}
# Flags of other programs: of the compiled project (check), of the vendor's tools and a project's
# host program, and of scripts/ named in the same text.
FOREIGN = {"target/hls/project.cc": {"--mode", "--tcl"}, "target/hls/readme.cc": {"--inputs"},
           "target/hls/run.cc": {"--results", "--first", "--count", "--iterations"},
           "cli/app.cc": {"--version"},
           "cli/completion.cc": {"--version", "--flag"}}


def flags_of(*command):
    text = subprocess.run([binary, *command, "--help"], capture_output=True, text=True,
                          check=True).stdout
    return set(re.findall(r"^\s+(?:-\w,)?(--[a-z][a-z-]*)", text, re.M)) | {"--help"}


top = subprocess.run([binary, "--help"], capture_output=True, text=True, check=True).stdout
commands = re.findall(r"^  ([\w-]+) ", top[top.index("Subcommands:"):], re.M)
flags = {command: flags_of(command) for command in commands}
every = set().union(*flags.values())
LITERAL = re.compile(r'"((?:[^"\\\n]|\\.)*)"')


def texts(code):
    """String literals; those with nothing but blanks between them are one."""
    joined, end = "", None
    for match in LITERAL.finditer(code):
        if end is not None and code[end:match.start()].strip() == "":
            joined += match.group(1)
        else:
            if joined:
                yield joined
            joined = match.group(1)
        end = match.end()
    if joined:
        yield joined


failures, seen = [], 0
for file in sorted((source / "src").rglob("*.cc")):
    name = file.relative_to(source / "src").as_posix()
    if name.startswith(("target/hls/library", "target/hls/native", "target/hls/skeleton")):
        continue
    code = file.read_text()
    if '"//' not in code:
        code = re.sub(r"//[^\n]*", "", code)
    for text in texts(code):
        # A text that begins with a blank and a flag goes on with another one.
        owner = speaks_of = None if text.startswith(" --") else OWNER.get(name)
        for word in re.finditer(
                r"(?<![\w-])(?:tailor ([\w-]+)|scripts/\w+\.sh|(--[a-z][a-z-]*))|[;()]", text):
            if word.group() in ";()":
                speaks_of = owner
            elif word.group(1):
                speaks_of = word.group(1) if word.group(1) in flags else speaks_of
            elif not word.group(2):
                break  # a script's own flags
            elif word.group(2) not in FOREIGN.get(name, ()):
                seen += 1
                if word.group(2) not in (flags[speaks_of] if speaks_of else every):
                    failures.append(f"src/{name}: {speaks_of or 'no command'} has no "
                                    f"{word.group(2)}: \"{text}\"")
print("\n".join(failures) if failures else f"{seen} flags in messages are flags of their commands")
sys.exit(bool(failures) or seen < 60)
