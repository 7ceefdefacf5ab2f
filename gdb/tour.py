"""A guided tour of ./alloc in gdb. After each step of the program it shows the lines of src/main.rs that were run, the
system call with its result, and the memory as it is now.

    gdb -q -x gdb/tour.py ./alloc        (what `make gdb` does)
"""

import os
import sys

import gdb

sys.dont_write_bytecode = True  # no __pycache__ beside the scripts
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from process import STEPS, Memory, Process, c_characters, pid, size, source  # beside this file

ADDR_NO_RANDOMIZE = 0x40000  # <sys/personality.h>

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


def before_write():
    """Puts a heading above what the program prints, if that appears among what gdb prints."""
    output = f"/proc/{pid()}/fd/1"
    if PROCESS.is_touring and os.path.samefile(output, "/proc/self/fd/1"):
        os.write(1, b"The program prints:\n")


def bold(line):
    in_colour = os.isatty(1) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return f"\033[1m{line}\033[m" if in_colour else line


class Picture:
    """The article's picture, with high addresses on top, in the columns of `layout`. It marks what has changed since
    the last one."""

    def __init__(self):
        self.pid = 0  # of the process in the last picture
        self.edges = {}  # in that picture: each address by its name, or by itself

    def draw(self, heap_note=""):
        """Returns the lines, with a note beside the heap."""
        memory, lines = Memory(PROCESS), []
        self.last = self.edges if self.pid == PROCESS.pid else {}
        self.pid, self.edges = PROCESS.pid, {}
        self.names = {"program break": memory.program_break, "heap start": memory.heap_start}
        above = 0
        for start, end, rights, name in memory.regions:
            for low, high, name, side in [(end, above, "", "┆"), (start, end, name, "│")]:
                while low < high:
                    at = max([low] + [mark for mark in self.names.values() if mark < high])
                    label = name
                    if side == "┆" and start < (memory.program_break or memory.program[1]) <= at:
                        label = "the gap"  # of the empty regions, only this one has a line
                    elif name == "heap" and memory.program_break <= at:
                        self.names["end of the page"], label = high, "not asked for"
                    lines.append(self.edge(high))
                    if label:
                        row = f"{'':18} {side} {label:22.22}{size(high - at):>14}  {rights * (side == '│'):3} {side}"
                        lines.append(marked(row, heap_note * (label == "heap")))
                    high = at
            above = start
        lines.append(self.edge(above))
        gone = [name for name in self.last if isinstance(name, str) and name not in self.edges]
        return lines + [marked(" " * 18, f"gone: {', '.join(gone)}")] * bool(gone)

    def edge(self, address):
        """A line at an address, marked if it is new or has moved."""
        names, notes = [name for name, at in self.names.items() if at == address], []
        for name in names or [address]:
            self.edges[name] = address
            before = self.last.get(name)
            if self.last and before != address:
                notes.append("new" if before is None else f"moved by {address - before:+}")
        ruler = "".join(f"── {name} " for name in names)
        return marked(f"{address:#18x} {ruler:─<45}", "".join(notes[:1]))


def marked(line, note):
    return bold(f"{line} ◄ {note}") if note else line


def heap_bytes(before=None):
    """The bytes of the heap, as hexadecimal and as text, and what was there before: a list of lines."""
    data, lines = PROCESS.heap(), []
    for at in range(0, min(len(data), 16), 4):
        row, old = data[at : at + 4], (before or data)[at : at + 4]
        line = f"{PROCESS.heap_start + at:#18x}  {row.hex(' ')}  {' '.join(c_characters(row))}"
        lines.append(marked(line, f"before: {old.hex(' ')}" * (old != row)))
    return lines + ["..."] * (len(data) > 16)


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
        if start():
            write_lines("The program is before its first step again. To go on, press Enter or type tour.")
        return
    events = PROCESS.advance()
    if not events:
        if not PROCESS.is_running():
            write_lines("", bold("The end"), "The kernel takes back all that the program had.")
        return
    write_lines("")
    for event in events:
        write_lines(bold(title(event.step)), *[f"{line}\t{source(line)}" for line in event.lines])
        if event.call:
            write_lines(event.call)
    remark = REMARKS[event.step].format(page=os.sysconf("SC_PAGE_SIZE"), printed=" ".join(c_characters(event.printed)))
    write_lines("", *PICTURE.draw(NOTES.get(event.step, "")), "", *heap_bytes(event.before), remark)


@command
def memory():
    """Draw the memory of the process as it is now, and show the bytes of the heap."""
    if not PROCESS.is_running():
        raise gdb.GdbError("The program is not running. To start it, type: tour")
    edges = PICTURE.edges
    write_lines(*PICTURE.draw(), "", *heap_bytes())
    PICTURE.edges = edges  # so that the next stop marks what is new since the last one


def start():
    """Starts the program. Returns whether it is before its first step."""
    is_there = PROCESS.start()
    if is_there:
        PICTURE.draw()  # so that the next picture marks what is new
        with open(f"/proc/{pid()}/personality", encoding="ascii") as flags:
            is_random = not int(flags.read(), 16) & ADDR_NO_RANDOMIZE
        if is_random and gdb.parameter("disable-randomization"):
            gdb.execute("set disable-randomization off")  # so that gdb doesn't warn in each run
            write_lines("As in most containers, gdb can't fix the addresses here: they differ in each run.")
    return is_there


if os.environ.get("NO_COLOR"):
    gdb.execute("set style enabled off")
# `step` stays in this project: the source of core is not here.
gdb.execute("skip -rfu ^core::", to_string=True)
PROCESS = Process(before_write)
PICTURE = Picture()
start()
write_lines(
    "This is ./alloc, before its first step. To go on, type tour, and then Enter.",
    "In between, type memory or any other command of gdb. For help: help user-defined",
)
