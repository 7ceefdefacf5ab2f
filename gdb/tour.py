"""A guided tour of ./alloc in gdb. After each step of the program it shows the lines of src/main.rs that were run, the
system call with its result, and the memory as it is now.

    gdb -q -x gdb/tour.py ./alloc        (what `make gdb` does)
"""

import os
import sys

import gdb

sys.dont_write_bytecode = True  # no __pycache__ beside the scripts
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from process import STEPS, Memory, Process, c_characters, size, source  # beside this file

REMARKS = {
    "find": "This is where the heap ends. It is still empty, so it starts here, too.",
    "up": "These bytes are ours. The kernel maps memory in whole pages of {page:,} bytes.",
    "store": "This takes no system call: the memory is ours, and a mov is enough.",
    "print": "The kernel has read these bytes from the heap and printed them: {printed}",
    "down": "The page is gone, too. Using it now would cause a segmentation fault.",
    "failure": "The program reports this on standard error before it exits.",
}
NOTES = {"store": "changed", "print": "printed"}  # beside the heap


def title(step):
    if step not in STEPS:
        return "Not in the article: the kernel refused"
    return f"Step {list(STEPS).index(step) + 1} of {len(STEPS)}: {STEPS[step]}"


def write_lines(*lines):
    gdb.write("".join(f"{line}\n" for line in lines))
    gdb.flush()  # before the program writes to the same place


def marked(line, note):
    return f"{line} ◄ {note}" if note else line


def draw(before, heap_note=""):
    """The article's picture as a list of lines, with high addresses on top, in the columns of `layout`. It marks what
    has changed since the program break was at `before`, and has a note beside the heap."""
    memory, lines, above = Memory(PROCESS), [], 0
    names = {"program break": memory.program_break, "heap start": memory.heap_start}

    def edge(address):
        here = [name for name, at in names.items() if at == address]
        note = ""
        if memory.program_break != before and here:
            is_new = not before or "end of the page" in here
            note = "new" if is_new else f"moved by {address - before:+}" * ("program break" in here)
        ruler = "".join(f"── {name} " for name in here)
        lines.append(marked(f"{address:#18x} {ruler:─<45}", note))

    for start, end, rights, name in memory.regions:
        for low, high, name, side in [(end, above, "", "┆"), (start, end, name, "│")]:
            while low < high:
                at = max([low] + [mark for mark in names.values() if mark < high])
                label = name
                if side == "┆" and start < (memory.program_break or memory.program[1]) <= at:
                    label = "the gap"  # of what is empty, this alone has a line
                elif name == "heap" and memory.program_break <= at:
                    names["end of the page"], label = high, "not asked for"
                edge(high)
                if label:
                    row = f"{'':18} {side} {label:22.22}{size(high - at):>14}  {rights * (side == '│'):3} {side}"
                    lines.append(marked(row, heap_note * (label == "heap")))
                high = at
        above = start
    edge(above)
    return lines


def heap_bytes(before=b""):
    """The bytes of the heap, as hexadecimal and as text, and what was there before."""
    data = PROCESS.heap()
    line = f"{PROCESS.heap_start:#18x}  {data.hex(' ')}  {' '.join(c_characters(data))}"
    return [marked(line, before and f"before: {before.hex(' ')}")] if data else []


def command(function):
    """Makes a function a command of gdb's, with its docstring as the help. The pager doesn't stop the output, since it
    would take the Enter that is meant for the next step."""

    class Command(gdb.Command):
        __doc__ = function.__doc__

        def invoke(self, argument, from_tty):
            with gdb.with_parameter("pagination", False):
                function()

    Command(function.__name__, gdb.COMMAND_USER)


@command
def tour():
    """Go on to the next step of the program, and draw the memory then.

Type tour once, and then press Enter alone for each further step. Each stop
shows the lines of src/main.rs that were run, the system call with its result,
and the memory. You can type any other command of gdb in between. After the
end, the tour starts again."""
    if not PROCESS.is_running():
        if PROCESS.start():
            write_lines("The program is before its first step again. To go on, press Enter or type tour.")
        return
    events = PROCESS.advance()
    if not events:
        if not PROCESS.is_running():
            write_lines("", "The end", "The kernel takes back all that the program had.")
        return
    write_lines("")
    for event in events:
        write_lines(title(event.step), *[f"{line}\t{source(line)}" for line in event.lines])
        if event.call:
            write_lines(event.call)
    remark = REMARKS[event.step].format(page=os.sysconf("SC_PAGE_SIZE"), printed=" ".join(c_characters(event.printed)))
    write_lines("", *draw(PROCESS.shown_break, NOTES.get(event.step, "")), "", *heap_bytes(event.before), remark)
    PROCESS.shown_break = PROCESS.program_break


@command
def memory():
    """Draw the memory of the process as it is now, and show the bytes of the heap."""
    if not PROCESS.is_running():
        raise gdb.GdbError("The program is not running. To start it, type: tour")
    write_lines(*draw(PROCESS.shown_break), "", *heap_bytes())


# `step` stays in this project: the source of core is not here.
gdb.execute("skip -rfu ^core::", to_string=True)
PROCESS = Process()
try:
    PROCESS.start()
    write_lines(
        "This is ./alloc, before its first step. To go on, type tour, and then Enter.",
        "In between, type memory or any other command of gdb. For help: help user-defined",
    )
except gdb.GdbError as error:  # which gdb would show with a traceback
    write_lines(str(error))
