"""A guided tour of ./alloc in gdb. After each step of the program it shows the lines of src/main.rs that were run, the
system call with its result, and the memory as it is now.

    gdb -q -x gdb/tour.py ./alloc        (what `make gdb` does)
"""

import os
import sys

import gdb

sys.dont_write_bytecode = True  # no __pycache__ beside the scripts
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from process import STDOUT, STEPS, Memory, Process, c_characters, page_size, size, source  # beside this file

WIDTH = 44  # of the picture, from border to border

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
    charset = gdb.host_charset()
    text = "".join(f"{line.rstrip()}\n" for line in lines)
    gdb.write(text.encode(charset, "replace").decode(charset))
    gdb.flush()  # before the program writes to the same place


def before_write(fd, *_):
    """Puts a heading above what the program prints, if that appears between what gdb prints."""
    output = f"/proc/{gdb.selected_inferior().pid}/fd/{fd}"
    if PROCESS.is_touring and fd == STDOUT and os.path.samefile(output, "/proc/self/fd/1"):
        os.write(1, b"The program prints:\n")


def bold(line):
    in_colour = os.isatty(1) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return f"\033[1m{line}\033[m" if in_colour else line


class Picture:
    """The article's picture, with high addresses on top. It marks what has changed since the last one."""

    def __init__(self, process):
        utf8 = "UTF-8" in gdb.host_charset().upper()
        self.line, self.side, self.empty, self.left = "─│┆◄" if utf8 else "-|:<"
        self.edges = {}  # of the last picture: address by label, or by itself
        self.process = process

    def draw(self, heap_note=""):
        """Returns the lines, with a note beside the heap."""
        memory = Memory(self.process)
        self.last, self.edges, self.lines = self.edges, {}, []
        (bottom, top), stack, heap = memory.program, memory.stack, memory.heap
        start, program_break = memory.heap_start, memory.program_break

        self.edge(stack[1])
        self.region(f"stack, {size(stack[1] - stack[0])}; grows down")
        self.edge(stack[0])
        gap = stack[0] - (heap[1] if heap else program_break or top)
        self.region(f"the gap, {size(gap)}" + ", with " * bool(memory.kernels) + " ".join(memory.kernels), self.empty)
        if not start:
            self.region("somewhere here, the heap", self.empty)
        else:
            if heap and heap[1] != program_break:
                self.edge(heap[1], "end of the page")
                self.region(f"not asked for, {size(heap[1] - program_break)}")
            self.edge(program_break, "program break")
            if program_break > start:
                self.region(f"heap, {size(program_break - start)}", note=heap_note)
                self.edge(start, "heap start")
            if start > top:
                self.region(f"nothing, {size(start - top)}", self.empty)
        if start != top:
            self.edge(top)
        self.region(f"program, {size(top - bottom)}: code and constants")
        self.edge(bottom)
        gone = [label for label in self.last if isinstance(label, str) and label not in self.edges]
        if gone:
            self.lines.append(bold(f"{'':14} {self.left} gone: {', '.join(gone)}"))
        return self.lines

    def edge(self, address, label=""):
        """A line at an address, marked if it is new or has moved."""
        self.edges[label or address] = address
        before = self.last.get(label or address)
        note = "new" if before is None else f"moved by {address - before:+}" if before != address else ""
        ruler = f"{self.line * 2} {label} ".ljust(WIDTH, self.line) if label else self.line * WIDTH
        self.row(f"0x{address:012x} {ruler}", note if self.last else "")

    def region(self, label, border=None, note=""):
        border = border or self.side
        self.row(f"{'':14} {border} {label:<{WIDTH - 3}}{border}", note)

    def row(self, row, note):
        self.lines.append(bold(f"{row} {self.left} {note}") if note else row)


def heap_bytes(process, before=None):
    """The bytes of the heap, as hexadecimal and as text, and what was there before: a list of lines."""
    data, lines = process.heap(), []
    for at in range(0, min(len(data), 16), 4):
        row = data[at : at + 4]
        line = f"0x{process.heap_start + at:012x}  {row.hex(' ')}  {' '.join(c_characters(row))}"
        old = before[at : at + 4] if before else row
        lines.append(bold(f"{line}  {PICTURE.left} before: {old.hex(' ')}") if old != row else line)
    return lines + ["..."] * (len(data) > 16)


class Command(gdb.Command):
    """A command whose output isn't stopped by gdb's pager, which would take the Enter that is for the next step."""

    def __init__(self):
        super().__init__(self.NAME, gdb.COMMAND_USER)

    def invoke(self, argument, from_tty):
        with gdb.with_parameter("pagination", False):
            self.run()


class TourCommand(Command):
    """Go on to the next step of the program, and draw the memory then.

Type tour once, and then press Enter alone for each further step. Each stop
shows the lines of src/main.rs that were run, the system call with its result,
and the memory. You can type any other command of gdb in between. After the
end, the tour starts again."""

    NAME = "tour"

    def run(self):
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
            write_lines(bold(title(event.step)), *self.source(event), *([event.call] if event.call else []))
        PROCESS.lines = set()
        remark = REMARKS[event.step].format(page=page_size(), printed=" ".join(c_characters(event.printed)))
        write_lines("", *PICTURE.draw(NOTES.get(event.step, "")), "", *heap_bytes(PROCESS, event.before))
        write_lines(*[""] * bool(PROCESS.heap()), remark)

    def source(self, event):
        """The lines of main that were run for an event: those in the same paragraph as its own line."""
        lines = {event.line}
        for way in (-1, 1):
            line = event.line
            while source(line).strip():
                line += way
                if line in PROCESS.lines:
                    lines.add(line)
        return [f"{line}\t{source(line)}" for line in sorted(lines)]


class MemoryCommand(Command):
    """Draw the memory of the process as it is now."""

    NAME = "memory"

    def run(self):
        check_running()
        edges = PICTURE.edges
        write_lines(*PICTURE.draw())
        PICTURE.edges = edges  # so that the next stop marks what is new since the last one


class HeapCommand(Command):
    """Show the start of the heap, the program break, and the bytes between."""

    NAME = "heap"

    def run(self):
        check_running()
        start, program_break = PROCESS.heap_start, PROCESS.program_break
        if not start:
            raise gdb.GdbError("The program has not asked for the program break yet.")
        write_lines(f"heap start {start:#x}, program break {program_break:#x}: {size(program_break - start)}")
        write_lines(*heap_bytes(PROCESS))


def check_running():
    if not PROCESS.is_running():
        raise gdb.GdbError("The program is not running. To start it, type: tour")


def start():
    """Starts the program. Returns whether it is before its first step."""
    PICTURE.edges = {}
    is_there = PROCESS.start()
    if is_there:
        PICTURE.draw()  # so that the next picture marks what is new
    return is_there


if os.environ.get("NO_COLOR"):
    gdb.execute("set style enabled off")
# `step` stays in this project: it enters neither core, whose source is not here, nor other packages.
gdb.execute("skip -gfi /rustc/*", to_string=True)
gdb.execute("skip -gfi */registry/src/*", to_string=True)
TourCommand()
MemoryCommand()
HeapCommand()
PROCESS = Process(before_write)
PICTURE = Picture(PROCESS)
start()
write_lines(
    "This is ./alloc, before its first step. To go on, type tour, and then Enter.",
    "In between, type memory, heap or any gdb command. For help: help user-defined",
)
