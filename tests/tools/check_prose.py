#!/usr/bin/env python3
"""Prose and sources fit a window of 100 columns: check_prose.py SOURCE_DIR [--wrap]

A line of a page ends at 100 columns or after a sentence. Tables, headings and what cannot be broken
(a link, a short code span) are as long as they are; so is what a program prints, but not what is
typed (```sh, ```json), of at most 120. --wrap breaks the paragraphs of the pages that are too wide
and leaves the others alone; sources are only looked at.
"""
import re
import sys
from pathlib import Path

WIDTH = 100
TYPED_WIDTH = 120
PAGES = ["*.md", "docs/**/*.md", "tests/**/README.md"]
SOURCES = ["CMakeLists.txt", ".ci/run", "include/**/*", "src/**/*", "scripts/**/*", "tests/**/*",
           "docs/example/*"]
CODE = re.compile(r"(\.(h|cc|cpp|cmake|sh|py|def)|/run|CMakeLists\.txt|Dockerfile)$")
# Copied into exported projects, which are golden byte for byte, or golden themselves.
GOLDEN = re.compile(r"/(library|skeleton|golden|v1)/")
# Texts that a test holds whole, and addresses.
UNBROKEN = re.compile(r'R"|https?://')

BLOCK = re.compile(r"\s*([-*+] |\d+\. |\||#|>|```|<|$)")  # what ends the paragraph before it
PREFIX = re.compile(r"\s*(?:[-*+] +|\d+\. +)?")
VERBATIM = re.compile(r"\s*(\||#|>|<|$)|    (?!\s*([-*+] |\d+\. ))")
SENTENCE_END = re.compile(r"[.:!?][)*_`\"]*$")
ATOM = re.compile(r"(?:`[^`]*`|\[[^\]]*\]\([^)]*\)|\S)+")
MARKUP = re.compile(r"([-+*]|\d+[.)])$|[#>|]")  # would begin a block at the start of a line


def atoms(text):
    """What a line may be broken between."""
    found = []
    for atom in ATOM.findall(text):
        for part in [atom] if len(atom) <= 60 else atom.split():
            if found and MARKUP.match(part):
                found[-1] += " " + part
            else:
                found.append(part)
    return found


def fill(paragraph):
    prefix = PREFIX.match(paragraph[0]).group()
    sentences, open_line = [], False  # a line that ends with a sentence stays one
    for line in paragraph:
        line = line[len(prefix):].strip() if line is paragraph[0] else line.strip()
        if open_line:
            sentences[-1] += " " + line
        else:
            sentences.append(line)
        open_line = not SENTENCE_END.search(line)
    lines, indent = [], " " * len(prefix)
    for sentence in sentences:
        words = atoms(sentence)
        line = (indent if lines else prefix) + words[0]
        for word in words[1:]:
            if len(line) + 1 + len(word) <= WIDTH:
                line += " " + word
            else:
                lines.append(line)
                line = indent + word
        lines.append(line)
    return lines


def wrap(text):
    out, fenced = [], False
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        line = lines[at]
        fence = line.lstrip().startswith("```")
        fenced ^= fence
        at += 1
        if fence or fenced or VERBATIM.match(line):
            out.append(line)
            continue
        paragraph = [line]
        while at < len(lines) and not BLOCK.match(lines[at]):
            paragraph.append(lines[at])
            at += 1
        wide = any(len(line) > WIDTH for line in paragraph)
        out += fill(paragraph) if wide else paragraph
    return "\n".join(out)


def wide_commands(text):
    """Numbers of the lines of ```sh and ```json blocks that are too wide."""
    typed = False
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("```"):
            typed = line.startswith(("```sh", "```json"))
        elif typed and len(line) > TYPED_WIDTH:
            yield number, len(line)


def files(source, patterns):
    found = {path for pattern in patterns for path in source.glob(pattern) if path.is_file()}
    return sorted(path for path in found if not GOLDEN.search(path.as_posix()))


def main():
    source = Path(sys.argv[1])
    findings, pages, sources = [], files(source, PAGES), files(source, SOURCES)
    for page in pages:
        text = page.read_text()
        findings += [f"{page.relative_to(source)}:{number}: {columns} columns, at most "
                     f"{TYPED_WIDTH} are typed" for number, columns in wide_commands(text)]
        wrapped = wrap(text)
        if wrapped == text:
            continue
        if "--wrap" in sys.argv:
            page.write_text(wrapped)
        else:
            kept = set(wrapped.split("\n"))
            for number, line in enumerate(text.split("\n"), 1):
                if len(line) > WIDTH and line not in kept:
                    findings.append(f"{page.relative_to(source)}:{number}: {len(line)} columns")
    sources = [path for path in sources if CODE.search(path.as_posix())]
    for path in sources:
        for number, line in enumerate(path.read_text().split("\n"), 1):
            if len(line) > WIDTH and not UNBROKEN.search(line):
                findings.append(f"{path.relative_to(source)}:{number}: {len(line)} columns")
    if findings:
        print("\n".join(findings))
        print(f"expected lines of at most {WIDTH} columns; pages: {sys.argv[0]} {source} --wrap")
    else:
        print(f"{len(pages)} pages and {len(sources)} sources fit {WIDTH} columns")
    return bool(findings)


if __name__ == "__main__":
    sys.exit(main())
