"""The process that gdb runs: what it does, as events, and what its memory looks like.

This only reads: the arguments and results of the system calls at breakpoints, the bytes of the heap in memory, and the
mappings in /proc/PID/smaps. It needs gdb 12 or later, with Python.
"""

import linecache
import os
from functools import partial

import gdb
from event import COMPARED, Event, Memory, Region


def pid():
    """Returns the number of the process, or 0 if there is none."""
    return gdb.selected_inferior().pid


class Callback(gdb.Breakpoint):
    """A breakpoint that calls a function. The process stops there, without a message, if the result is true."""

    def __init__(self, location, function):
        super().__init__(location, internal=True)
        self.silent = True
        self.stop = function


class Return(gdb.FinishBreakpoint):
    """A breakpoint where the function that has just been entered returns. It calls `function` with the result."""

    def __init__(self, function):
        super().__init__(gdb.newest_frame(), internal=True)
        self.stop = lambda: function(int(self.return_value))


def argument(name):
    """Returns an argument of the function that has just been entered."""
    return int(gdb.newest_frame().read_var(name))


class Process:
    """What has been seen of the process so far. Fails if gdb doesn't find the program's functions and lines."""

    def __init__(self):
        self.is_advancing = False
        self.failure = None  # what has gone wrong at a breakpoint, where gdb would only print it
        self.forget()
        brk, write = "program_break::arch::brk", "program_break::arch::write"
        # This fails where there is no such function. A breakpoint would wait for one to be loaded.
        main, *_ = [gdb.decode_line(name)[1][0] for name in ["main", brk, write]]
        block = gdb.block_for_pc(main.pc)
        # Each line of main starts with a breakpoint. It is hit twice between two events, so that loops run fast.
        starts = [(entry.pc, entry.line) for entry in main.symtab.linetable() if block.start < entry.pc < block.end]
        # A line may have no instruction of its own, but only those of functions that are inlined there.
        for instruction in gdb.selected_inferior().architecture().disassemble(block.start, block.end - 1):
            inner, inlined = gdb.block_for_pc(instruction["addr"]), None
            while not (inner.function and inner.function.name == block.function.name):
                inner, inlined = inner.superblock, inner if inner.function else inlined
            if inlined and inlined.function.symtab.filename == main.symtab.filename:
                starts.append((inlined.start, inlined.function.line))
        pcs = {line: pc for pc, line in sorted(starts, reverse=True)}
        # In no locale, gdb takes all names for ASCII.
        with gdb.with_parameter("host-charset", "UTF-8"):
            self.file = os.fsdecode(main.symtab.fullname().encode())
        Callback(brk, self.guarded(self.on_brk))
        Callback(write, self.guarded(self.on_write))
        self.line_breakpoints = {
            line: Callback(f"*{pc:#x}", self.guarded(partial(self.on_line, line))) for line, pc in pcs.items()
        }
        gdb.events.exited.connect(self.on_exit)

    def forget(self):
        self.pid, self.now = pid(), Memory()
        self.count = 0  # the number of events
        self.events = []  # the events that have not been shown yet
        self.is_loop = False
        self.lines, self.last_line = [], []  # the lines of main since the last event; the last line, once there is one
        self.calls = []  # of the allocator, that have returned since the last event, where these are recorded
        self.told = []  # the arguments of the call that had not returned at the last event

    def guarded(self, function):
        """Returns the function as gdb may call it: an exception stops the process, and `advance` reports it."""

        def call(*arguments):
            try:
                if self.pid != pid():
                    self.forget()
                    self.enable()
                return function(*arguments)
            except Exception as error:
                self.failure = error
                return self.is_advancing

        return call

    def enable(self):
        for breakpoint in self.line_breakpoints.values():
            breakpoint.enabled = True

    def on_brk(self):
        self.notice_store()
        address = argument("address")

        def on_return(result):
            # An error is a negative number.
            result = result - 2**64 if result >= 2**63 else result
            now = self.now if result < 0 else Memory(self.now.heap_start or result, result)
            # It is no event if a program asks again where the break is.
            if address or result != self.now.program_break:
                self.add("brk", (address,), result, self.memory_now(now))

        Return(self.guarded(on_return))

    def on_write(self):
        self.notice_store()
        fd, address, length = argument("fd"), argument("bytes"), argument("length")
        # What can't be printed may start where the heap ends.
        if self.now.heap_start <= address <= self.now.heap.end:
            arguments = fd, address, length
            Return(self.guarded(lambda result: self.add("write", arguments, result, self.memory_now(self.now))))

    def on_line(self, line):
        """Main has come to a line. What has been stored before it is an event, too, but not each time in a loop."""
        if line in dict(self.lines):
            self.is_loop, self.line_breakpoints[line].enabled = True, False
            return False
        self.notice_store()
        self.last_line = [(line, linecache.getline(self.file, line).rstrip())]
        self.lines += self.last_line
        return self.is_advancing and self.events

    def on_exit(self, exited):
        if not self.is_advancing:
            self.events = []  # The program has ended outside of the tour, so they are past.
        signal = gdb.convenience_variable("_exitsignal")
        status = getattr(exited, "exit_code", None)
        self.outcome = f"signal {signal} ended the program" if status is None else f"exit status {status}"

    def notice_store(self):
        seen = self.memory_now(self.now)
        is_changed = seen.data != self.now.data or (seen.heap.resident or 0) > (self.now.heap.resident or 0)
        # A block that a step has told of while it was being freed is no news.
        if is_changed or any(call.name != "dealloc" or call.arguments != self.told for call in self.calls):
            self.add("store", (), 0, seen)

    def in_progress(self):
        """Returns the call of the allocator that has not returned yet, in a list, where these are recorded."""
        return []

    def add(self, name, arguments, result, now):
        self.count += 1
        lines, unfinished = self.lines or self.last_line, self.in_progress()
        calls = self.calls + unfinished
        self.events.append(Event(self.count, name, arguments, result, lines, self.is_loop, self.now, now, calls))
        self.told = unfinished and unfinished[0].arguments
        self.lines, self.calls, self.is_loop, self.now = [], [], False, now
        self.enable()

    def memory_now(self, memory):
        """Returns the memory as it is now, with the heap where `memory` has it."""
        memory = Memory(memory.heap_start, memory.program_break, regions())
        # To read what isn't in memory would put a page of zeroes there, which the next step would count. And in gdb 14
        # and later, it is an error to read no bytes.
        if memory.heap.resident != 0 and (length := min(memory.heap.end - memory.heap_start, COMPARED)):
            memory.data = gdb.selected_inferior().read_memory(memory.heap_start, length).tobytes()
        return memory

    def advance(self):
        """Runs until something has happened before a line of main. Starts the program if there is no process. Returns
        what has happened first, or None if the program has ended, or has stopped elsewhere, which gdb has shown."""
        if not self.events:
            self.is_advancing = True
            try:
                gdb.execute("continue" if pid() else "run", to_string=True)
            except gdb.error as error:
                raise gdb.GdbError(f"gdb can't run the program (a container may forbid ptrace): {error}") from None
            finally:
                self.is_advancing = False
        failure, self.failure = self.failure, None
        if failure:
            raise failure
        return self.events.pop(0) if self.events else None


def regions():
    """Returns what is mapped now, from the highest address down. Neighbours that belong together are one region: the
    parts of the program, those of the heap, and what the kernel has added."""
    found = []
    program = os.fsencode(os.readlink(f"/proc/{pid()}/exe"))
    names = {program: "program", b"[stack]": "stack; grows down", b"[heap]": "heap"}
    # Not every kernel says how much is in memory.
    smaps, maps = (f"/proc/{pid()}/{name}" for name in ["smaps", "maps"])
    with open(smaps if os.path.exists(smaps) else maps, "rb") as file:  # in any encoding: the program's path is in it
        lines = [line.split(maxsplit=5) for line in file]
    for first, *fields in lines:
        if first == b"Rss:":
            found[0].resident = (found[0].resident or 0) + int(fields[0]) * 1024
        if b"-" not in first:
            continue
        start, end = (int(address, 16) for address in first.split(b"-"))
        if start >= 2**63:
            break  # the kernel's own memory
        permissions, name = fields[0][:3].decode(), b"".join(fields[4:]).strip()
        name = names.get(name) or name.decode(errors="replace")
        if found and found[0].end == start:
            below = found[0]
            if below.name == "program" and not name:
                name = "program"  # its zeroed data
            if below.name[:1] == name[:1] == "[":
                below.name = name = f"{name} to {below.name.split()[-1]}"
            if below.name == name:
                below.end = end
                below.permissions = permissions if permissions == below.permissions else ""
                continue
        found.insert(0, Region(start, end, permissions, name))
    return found
