#!/usr/bin/env python3
"""Fails for a function in src/ or include/ that is longer than a screen.

    check_functions.py REPOSITORY

As clang-format leaves it, a function ends with a '}' in the column of its first line; what lies
between them is counted. Of classes and namespaces the members are looked at. A table of data has
no parameters, so it is none. What exported projects carry is left out: it is HLS code.
"""
import pathlib
import re
import sys

SCREEN = 60
EXPORTED = ("src/target/hls/library/", "src/target/hls/native/", "src/target/hls/skeleton/")
NO_FUNCTION = re.compile(
    r"(class|struct|union|enum|namespace|extern|public:|private:|protected:|"
    r"if|else|for|while|do|switch|case|default|try)\b")


def functions(lines):
    """(number of the first line, lines, the first line) of each."""
    for end, line in enumerate(lines):
        if not re.fullmatch(r" *}", line):
            continue
        column = len(line) - 1
        begin = end - 1
        while begin >= 0 and (lines[begin][:column].strip() or
                              lines[begin][column:column + 1] in ("", " ", "}", "#", ")", "/") or
                              lines[begin].strip() in ("public:", "private:", "protected:")):
            begin -= 1
        head = lines[begin].strip() if begin >= 0 else ""
        if "(" in " ".join(lines[begin:end]) and not NO_FUNCTION.match(head):
            yield begin + 1, end - begin + 1, head


def sources(root):
    for folder in ("src", "include"):
        for path in sorted((root / folder).rglob("*")):
            name = path.relative_to(root).as_posix()
            if path.suffix in (".cc", ".h") and not name.startswith(EXPORTED):
                yield name, path.read_text(encoding="utf-8").splitlines()


def main():
    root = pathlib.Path(sys.argv[1])
    # A checker that sees nothing would never complain.
    probe = ["void f() {"] + ["  g();"] * SCREEN + ["}"]
    inside = ["class C {", *("  " + line for line in probe), "};"]
    for text in (probe, inside):
        assert [size for _, size, _ in functions(text)] == [SCREEN + 2], "the checker is broken"
    seen, long = 0, []
    for name, lines in sources(root):
        for number, size, head in functions(lines):
            seen += 1
            if size > SCREEN:
                long.append(f"{name}:{number}: {size} lines, expected at most {SCREEN}: {head}")
    print("\n".join(long))
    print(f"functions: {seen} looked at, {len(long)} too long")
    sys.exit(1 if long or seen < 1000 else 0)


main()
