"""Shows the machine code of the release build beside the article's program (benches/alloc.s), step by step: the
instructions that run when nothing fails, each group below the lines that it comes from. `make asm` runs this in gdb."""

import itertools
import linecache
import re
import sys

import gdb
from gdb.FrameIterator import FrameIterator


def run():
    """Runs the program instruction by instruction. Returns the text of each, and where it comes from: the line of
    main.rs, or else of start.rs, which calls main."""
    gdb.execute("set disable-randomization off")  # not allowed everywhere, and not needed
    gdb.execute("starti > /dev/null")
    instructions, place = [], "_start"
    while gdb.selected_inferior().pid:
        for frame in FrameIterator(gdb.newest_frame()):
            sal = frame.find_sal()
            if sal.symtab and sal.symtab.filename in ("src/main.rs", "src/start.rs"):
                line = linecache.getline(sal.symtab.filename, sal.line).strip()
                place = f"{sal.symtab.filename}:{sal.line}  {line}"
                break
            if (frame.name() or "").endswith("main"):
                break  # in main, but the compiler has lost the line
        frame = gdb.newest_frame()
        text = " ".join(frame.architecture().disassemble(frame.pc())[0]["asm"].split())
        instructions.append((place, re.sub(r"0x[0-9a-f]+ <(.*)>", r"\1", text)))
        gdb.execute("stepi", to_string=True)
    return instructions


def listing():
    # The instructions of alloc.s, by the text that identifies the lines of the Rust program that do the same.
    with open("benches/alloc.s", encoding="utf-8") as file:
        steps = re.findall(r"^# .*: (.*)\n((?: +.*\n)+)", file.read(), re.MULTILINE)
    theirs = {part: [" ".join(line.split()) for line in lines.splitlines()] for part, lines in steps}
    ours, parts = run(), list(theirs)
    yield f"{len(ours)} instructions, and {sum(map(len, theirs.values()))} in the article's program"
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
