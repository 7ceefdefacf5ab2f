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

MAIN_RS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "src", "main.rs")
STEPS = {
    "find": "find the program break",
    "up": "move the program break up",
    "store": "store something in the new memory",
    "print": "print it from there",
    "down": "free, move the program break back down",
}


def pid():
    """The number of the process, or 0 if there is none."""
    return gdb.selected_inferior().pid


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
    """A step of the program: a system call that has succeeded, or bytes that were stored on the heap."""

    step: str  # of STEPS
    lines: list  # of src/main.rs that were run since the last event
    old_break: int  # the program break before it
    call: str  # as strace shows it


class Place(gdb.Breakpoint):
    """A breakpoint that calls a function. The process stops there, without a message, if the result is true."""

    def __init__(self, place, function):
        super().__init__(place, internal=True)
        self.silent = True
        self.stop = function


class Return(gdb.FinishBreakpoint):
    """A breakpoint where the function that has just been entered returns. It calls `function` with the result."""

    def __init__(self, function):
        super().__init__(gdb.newest_frame(), internal=True)
        self.stop = lambda: function(int(self.return_value))


def argument(name):
    """An argument of the function that has just been entered."""
    return int(gdb.newest_frame().read_var(name))


class Process:
    """What has been seen of the process so far."""

    def __init__(self):
        self.is_advancing = False
        self.forget()
        gdb.events.exited.connect(lambda event: self.forget())
        Place("program_break::arch::brk", self.on_brk)
        Place("program_break::arch::write", self.on_write)
        # The breakpoints are where each line of main starts.
        block = gdb.block_for_pc(int(gdb.parse_and_eval("alloc::main").address))
        entries = [entry for entry in block.function.symtab.linetable() if block.start < entry.pc < block.end]
        lines = {entry.line: entry.pc for entry in reversed(entries)}
        for line, address in lines.items():
            Place(f"*{address:#x}", partial(self.on_line, line))

    def forget(self):
        self.heap_start = self.program_break = 0  # 0 before the program has asked
        self.bytes = b""  # of the heap when the program was last looked at
        self.events = []  # that have not been shown yet
        self.lines = []  # of main that have been reached since the last event

    def on_brk(self):
        address = argument("address")

        def on_return(result):
            old_break = self.program_break
            # An error is a negative number, which gdb shows as a very large address.
            if result < 2**63 and address in (0, result):
                self.heap_start, self.program_break = self.heap_start or result, result
                step = "find" if not address else "up" if result > old_break else "down"
                self.add(step, old_break, f"brk({f'{address:#x}' if address else 'NULL'}) = {result:#x}")

        Return(on_return)

    def on_write(self):
        fd, address, length = argument("fd"), argument("bytes"), argument("length")

        def on_return(result):
            if fd == 1 and result == length:  # A failure is reported on 2, standard error.
                self.add("print", self.program_break, f"write({fd}, {address:#x}, {length}) = {result}")

        Return(on_return)

    def on_line(self, line):
        """Main has come to a line. What has been stored before it is an event, too."""
        if self.heap() != self.bytes:
            self.add("store", self.program_break, "")
        self.lines.append(line)
        return self.is_advancing and self.events

    def add(self, step, old_break, call):
        self.events.append(Event(step, self.lines, old_break, call))
        self.lines, self.bytes = [], self.heap()

    def heap(self):
        """The bytes of the heap."""
        length = self.program_break - self.heap_start
        # In gdb 14 and later, it is an error to read no bytes.
        return gdb.selected_inferior().read_memory(self.heap_start, length).tobytes() if length else b""

    def advance(self):
        """Runs to the next line of main before which something has happened, from the start of the program if there is
        no process. Returns what has happened, or nothing if the program has stopped elsewhere, which gdb has shown, or
        has ended."""
        if not self.events:
            self.is_advancing = True
            try:
                gdb.execute("continue" if pid() else "run", to_string=True)
            except gdb.error as error:
                raise gdb.GdbError(f"gdb can't run the program (does a filter refuse ptrace?): {error}") from None
            finally:
                self.is_advancing = False
        events, self.events = self.events, []
        return events


def regions():
    """What is mapped now, from the highest address down: the start, end, rights and name of each region. The mappings
    that the kernel has added are one region, which has no rights if theirs differ."""
    found = []
    program = os.fsencode(os.readlink(f"/proc/{pid()}/exe"))
    names = {program: "program", b"[stack]": "stack; grows down", b"[heap]": "heap"}
    with open(f"/proc/{pid()}/maps", "rb") as maps:  # in any encoding: the program's path is in it
        lines = [line.split(maxsplit=5) for line in maps]
    for addresses, rights, _, _, _, *name in reversed(lines):
        start, end = (int(address, 16) for address in addresses.split(b"-"))
        if start >= 2**63:
            continue  # the kernel's
        rights, name = rights[:3].decode(), b"".join(name).strip()
        name = names.get(name) or name.decode(errors="replace")
        if found:
            low, high, rights_above, above = found[-1]
            if end == low and above[:1] == name[:1] == "[":
                end, rights = high, rights if rights == rights_above else ""
                name = f"{above.split()[0]} to {name}"
                found.pop()
        found.append((start, end, rights, name))
    return found
