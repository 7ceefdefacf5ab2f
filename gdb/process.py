"""The process that gdb runs: what it has done, and what its memory looks like.

This is the model. tour.py shows it as text, and picture.py as a picture. It only reads: the arguments and results of
the system calls at breakpoints, the bytes of the heap in memory, and the mappings in /proc/PID/maps. It needs gdb 12 or
later, with Python.
"""

import linecache
import os
from dataclasses import dataclass
from functools import partial

import gdb

MAIN = "alloc::main"
MAIN_RS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "src", "main.rs")
# The steps of the program. Whatever else happens is a failure.
STEPS = {
    "find": "find the program break",
    "up": "move the program break up",
    "store": "store something in the new memory",
    "print": "print it from there",
    "down": "free, move the program break back down",
}
STDOUT = 1


def pid():
    """The number of the process, or 0 if there is none."""
    return gdb.selected_inferior().pid


def read(start, length):
    # In gdb 14 and later, it is an error to read no bytes.
    return gdb.selected_inferior().read_memory(start, length).tobytes() if length else b""


def lines_of_main():
    """The address where each line of main starts."""
    symbol = gdb.lookup_global_symbol(MAIN) or gdb.lookup_static_symbol(MAIN)
    block = gdb.current_progspace().block_for_pc(int(symbol.value().address))
    lines = {}
    for entry in symbol.symtab.linetable():
        if block.start < entry.pc < block.end:
            lines.setdefault(entry.line, entry.pc)
    return lines


def source(line):
    """A line of src/main.rs."""
    return linecache.getline(MAIN_RS, line).rstrip()


def size(length):
    """A number of bytes, for people, as `layout` shows it."""
    units = iter(["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"])
    unit = next(units)
    while length >= 16 * 1024:
        length, unit = (length + 512) // 1024, next(units)
    return f"{length} {unit}"


def c_characters(data):
    """Each byte as C writes it."""
    escapes = {0: "\\0", 10: "\\n"}
    return [escapes.get(byte) or (chr(byte) if 32 < byte < 127 else ".") for byte in data]


@dataclass
class Event:
    """A step of the program: a system call that has returned, or bytes that were stored on the heap."""

    step: str  # of STEPS, or failure
    lines: list  # of src/main.rs that were run since the last event
    call: str = ""  # as strace shows it
    before: bytes = b""  # the bytes of the heap, before others were stored
    printed: bytes = b""


class Place(gdb.Breakpoint):
    """A breakpoint that calls a function. The process stops there, without a message, if the function returns True."""

    def __init__(self, place, function):
        super().__init__(place, internal=True)
        self.silent = True
        self.function = function

    def stop(self):
        return bool(self.function())


class Return(gdb.FinishBreakpoint):
    """A breakpoint where the function that has just been entered returns. It calls `function` with the result."""

    def __init__(self, function):
        super().__init__(gdb.newest_frame(), internal=True)
        self.silent = True
        self.function = function

    def stop(self):
        result = int(self.return_value)
        # An error is a number from -4095 to -1, also where an address is returned.
        self.function(result - 2**64 if result >= 2**63 else result)
        return False


def argument(name):
    """An argument of the function that has just been entered."""
    return int(gdb.newest_frame().read_var(name))


class Process:
    """What has been seen of the process so far."""

    def __init__(self):
        self.forget()
        Place("program_break::arch::brk", self.on_brk)
        Place("program_break::arch::write", self.on_write)
        for line, address in lines_of_main().items():
            Place(f"*{address:#x}", partial(self.on_line, line))

    def forget(self):
        self.pid = pid()
        self.heap_start = self.program_break = 0  # 0 before the program has asked
        self.events = []  # that have not been shown yet
        self.line = 0  # of main that is being run
        self.lines = []  # that have been reached since the last event
        self.bytes = b""  # of the heap when that line was reached
        self.shown_break = 0  # where the tour has last drawn it
        self.is_touring = False  # on the way to the next event

    def is_running(self):
        """Whether there is a process. Forgets what was seen of another one."""
        if self.pid != pid():
            self.forget()
        return self.pid != 0

    def start(self):
        """Starts the program and stops it at the first line of main. Returns whether it got there."""
        stop = gdb.Breakpoint(MAIN, internal=True, temporary=True)
        stop.silent = True
        try:
            gdb.execute("run", to_string=True)
        except gdb.error as error:
            raise gdb.GdbError(f"gdb can't run the program (does a filter refuse ptrace?): {error}") from None
        if stop.is_valid():
            stop.delete()  # a breakpoint of the user's came first
            return False
        return self.is_running()

    def on_brk(self):
        address = argument("address")

        def on_return(result):
            step = "find" if not self.heap_start else "up" if address > self.program_break else "down"
            if result < 0 or address not in (0, result):
                step = "failure"
            else:
                self.heap_start, self.program_break = self.heap_start or result, result
            self.bytes = self.heap()
            self.add(step, f"brk({f'{address:#x}' if address else 'NULL'}) = {result:#x}")

        Return(on_return)

    def on_write(self):
        fd, address, length = argument("fd"), argument("bytes"), argument("length")
        if fd != STDOUT:
            return  # the report of a failure, which is an event already

        def on_return(result):
            step, printed = "print" if result == length else "failure", read(address, max(result, 0))
            self.add(step, f"write({fd}, {address:#x}, {length}) = {result}", printed=printed)

        Return(on_return)

    def on_line(self, line):
        """Main has come to a line. What has been stored before it is an event, too."""
        self.is_running()
        if self.heap() != self.bytes:
            self.add("store", before=self.bytes)
            self.bytes = self.heap()
        self.line = line
        self.lines.append(line)
        return self.is_touring and self.events

    def add(self, step, call="", **more):
        self.events.append(Event(step, self.lines, call, **more))
        self.lines = []

    def heap(self):
        """The bytes of the heap."""
        return read(self.heap_start, self.program_break - self.heap_start)

    def has_arrived(self):
        """Whether the program is at a line of main before which something has happened."""
        return self.events and gdb.newest_frame().pc() == lines_of_main().get(self.line)

    def advance(self):
        """Runs to the next line of main before which something has happened. Returns the events, or none if the program
        has stopped elsewhere, which gdb has shown, or has ended."""
        if not self.has_arrived():
            self.is_touring = True
            gdb.execute("continue", to_string=True)
            self.is_touring = False
            if not (self.is_running() and self.has_arrived()):
                return []
        events, self.events = self.events, []
        return events


class Memory:
    """What is mapped now, and where the heap is."""

    def __init__(self, process):
        self.heap_start, self.program_break = process.heap_start, process.program_break
        self.regions = []  # (start, end, rights, name), from the highest address down
        program = os.fsencode(os.readlink(f"/proc/{pid()}/exe"))
        names = {program: "program", b"[stack]": "stack; grows down", b"[heap]": "heap"}
        with open(f"/proc/{pid()}/maps", "rb") as maps:  # in any encoding: the program's path is in it
            lines = [line.split(maxsplit=5) for line in maps]
        for addresses, rights, _, _, _, *name in reversed(lines):
            start, end = (int(address, 16) for address in addresses.split(b"-"))
            name = b"".join(name).strip()
            if start < 2**63:  # the others are the kernel's
                self.add(start, end, rights[:3].decode(), names.get(name) or name.decode(errors="replace"))
        program = [region for region in self.regions if region[3] == "program"]
        self.program = program[-1][0], program[0][1]
        self.stack = next(region[:2] for region in self.regions if region[3] == names[b"[stack]"])

    def add(self, start, end, rights, name):
        """Adds a mapping. Those of the program are one region if they are side by side, and so are those that the
        kernel has added. A region with several rights has none of its own."""
        if self.regions:
            low, high, rights_above, above = self.regions[-1]
            if end == low and (above == name or above[:1] == name[:1] == "["):
                end, rights = high, rights if rights == rights_above else ""
                name = name if name == above else f"{above.split()[0]} to {name}"
                self.regions.pop()
        self.regions.append((start, end, rights, name))
