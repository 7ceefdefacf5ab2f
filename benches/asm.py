"""Shows the machine code of the release build beside the article's program (benches/alloc.s), step by step: the
instructions that run when nothing fails, each group below the lines that it comes from. `make asm` runs this in gdb."""

import itertools
import linecache
import re
import sys

import gdb
from gdb.FrameIterator import FrameIterator


def article():
    """The instructions of alloc.s, by the text that identifies the lines of the Rust program that do the same."""
    with open("benches/alloc.s", encoding="utf-8") as file:
        steps = re.findall(r"^# .*: (.*)\n((?: +.*\n)+)", file.read(), re.MULTILINE)
    return {part: [" ".join(line.split()) for line in lines.splitlines()] for part, lines in steps}


def source_line(last):
    """Where the next instruction comes from: the line of main.rs, or else of start.rs, which calls main."""
    for frame in FrameIterator(gdb.newest_frame()):
        sal = frame.find_sal()
        if sal.symtab and sal.symtab.filename in ("src/main.rs", "src/start.rs"):
            line = linecache.getline(sal.symtab.filename, sal.line).strip()
            return f"{sal.symtab.filename}:{sal.line}  {line}"
        if (frame.name() or "").endswith("main"):
            return last  # in main, but the compiler has lost the line
    return "_start"


def run():
    """Runs the program instruction by instruction. Returns the line and the text of each."""
    gdb.execute("set disable-randomization off")  # not allowed everywhere, and not needed
    gdb.execute("starti > /dev/null")
    instructions, at = [], ""
    while gdb.selected_inferior().pid:
        at = source_line(at)
        frame = gdb.newest_frame()
        text = " ".join(frame.architecture().disassemble(frame.pc())[0]["asm"].split())
        instructions.append((at, re.sub(r"0x[0-9a-f]+ <(.*)>", r"\1", text)))
        gdb.execute("stepi", to_string=True)
    return instructions


def listing():
    ours, theirs = run(), article()
    yield f"{len(ours)} instructions, and {sum(map(len, theirs.values()))} in the article's program"
    parts = list(theirs)
    for step, group in itertools.groupby(ours, lambda own: next((part for part in parts if part in own[0]), None)):
        places, texts = zip(*group)
        yield from ["", *dict.fromkeys(places)]
        for pair in itertools.zip_longest(texts, theirs.pop(step, []), fillvalue=""):
            yield "        {:32}{}".format(*pair).rstrip()
    if theirs:
        raise gdb.GdbError(f"no instruction of the program is from a line that contains: {', '.join(theirs)}")


try:
    # This isn't printed through gdb, which is silent.
    print("\n".join(listing()), file=sys.__stdout__, flush=True)
except Exception as error:
    # gdb goes on after an error in a script.
    print(f"asm: {error}", file=sys.stderr)
    gdb.execute("quit 1")
