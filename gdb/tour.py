"""A guided tour of ./alloc in gdb. After each step of the program it shows the lines of src/main.rs that were run, the
system call with its result, and the memory as it is now.

    gdb -q -x gdb/tour.py ./alloc        (what `make gdb` does)
"""

import os
import sys

import gdb

sys.dont_write_bytecode = True  # no __pycache__ beside the scripts
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from process import STEPS, Process, c_characters, pid, regions, size, source  # beside this file

REMARKS = {
    "find": "This is where the heap ends. It is still empty, so it starts here, too.",
    "up": f"These bytes are ours. The kernel maps memory in whole pages of {os.sysconf('SC_PAGE_SIZE'):,} bytes.",
    "store": "This takes no system call: the memory is ours, and a mov is enough.",
    "print": "The kernel has read the first three of these bytes, and printed them.",
    "down": "The page is gone, too. Using it now would cause a segmentation fault.",
}


def draw(old_break):
    """Shows the article's picture, with high addresses on top, in the columns of `layout`, and then the bytes of the
    heap. It marks what has changed since the program break was at `old_break`."""
    mapped, program_break = regions(), PROCESS.program_break
    names = {"program break": program_break, "heap start": PROCESS.heap_start}
    names.update({"end of the page": end for _, end, _, name in mapped if name == "heap"})
    edges = sorted({*names.values(), *(edge for region in mapped for edge in region[:2])} - {0}, reverse=True)

    def region_at(address):
        return next(((rights, name) for start, end, rights, name in mapped if start <= address < end), None)

    # Of the empty ranges, only the one above the heap gets a line with its size.
    gap = min(edge for edge in edges if edge >= program_break and not region_at(edge))
    lines = []
    for high, low in zip(edges, edges[1:] + [0]):
        here = [name for name, address in names.items() if address == high]
        note = ""
        if here and program_break != old_break:
            is_new = not old_break or "end of the page" in here
            note = " ◄ new" if is_new else f" ◄ moved by {high - old_break:+}" * ("program break" in here)
        ruler = "".join(f"── {name} " for name in here)
        lines.append(f"{high:#18x} {ruler:─<45}{note}")
        side = "│" if region_at(low) else "┆"
        rights, name = region_at(low) or ("", "the gap" * (low == gap))
        if name == "heap" and low >= program_break:
            name = "not asked for"
        if name:
            lines.append(f"{'':18} {side} {name:22.22}{size(high - low):>14}  {rights:3} {side}")
    print(*lines, "", sep="\n")
    if data := PROCESS.heap():
        print(f"{PROCESS.heap_start:#18x}  {data.hex(' ')}  {' '.join(c_characters(data))}")


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
and the memory. In between, you can type any other command of gdb, and then
tour to go on. After the end, the tour starts again."""
    events = PROCESS.advance()
    if not pid():
        print("\nThe end\nThe kernel takes back all that the program had.")
    if not events:
        return
    for event in events:
        number = list(STEPS).index(event.step) + 1
        print(f"\nStep {number} of {len(STEPS)}: {STEPS[event.step]}")
        for line in event.lines:
            print(f"{line}\t{source(line)}")
        if event.call:
            print(event.call)
    print()
    draw(events[0].old_break)
    print(REMARKS[event.step])


@command
def memory():
    """Draw the memory of the process as it is now, and show the bytes of the heap."""
    if not pid():
        raise gdb.GdbError("The program is not running. To start it, type: tour")
    draw(PROCESS.program_break)


# `step` stays in this project: the source of core is not here.
gdb.execute("skip -rfu ^core::", to_string=True)
PROCESS = Process()
print("To see the first step of ./alloc, type tour. For each further step, press Enter.")
print("After memory, or any other command, type tour again. For help: help user-defined")
