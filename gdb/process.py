"""The process that gdb runs: what it does, as events, and what its memory looks like.

This only reads: the arguments and results of the system calls at breakpoints, the bytes of the heap in memory, and the
mappings in /proc/PID/smaps. It needs gdb 12 or later, with Python.
"""

import linecache
import os
from array import array
from collections import Counter
from functools import partial
from signal import SIGBUS, SIGSEGV, Signals

import gdb
from event import COMPARED, PAGE, Event, Memory, Region

CALLS = {"brk": ["address"], "write": ["fd", "bytes", "length"], "exit": []}
SI_KERNEL = 128  # the code of a signal if the processor doesn't tell the address


def pid():
    """Returns the number of the process, or 0 if there is none."""
    return gdb.selected_inferior().pid


class Callback(gdb.Breakpoint):
    """A breakpoint that calls a function. The process stops there, without a message, if the result is true."""

    def __init__(self, location, function):
        super().__init__(location, internal=True)
        self.silent, self.stop = True, function


class Return(gdb.FinishBreakpoint):
    """A breakpoint where the function of a frame returns. It calls another one with the result."""

    def __init__(self, frame, function):
        super().__init__(frame, internal=True)
        self.silent, self.stop = True, lambda: function(self.return_value)


class Process:
    """What has been seen of the process so far. Fails if gdb doesn't find the program's functions and lines."""

    joins_loops = True

    def __init__(self):
        self.is_advancing = False
        self.failure = None  # what has gone wrong at a breakpoint, where gdb would only print it
        self.forget()
        calls = {name: f"program_break::arch::{name}" for name in CALLS}
        # This fails where there is no such function. A breakpoint would wait for one to be loaded.
        main, *_ = [gdb.decode_line(name)[1][0] for name in ["main", *calls.values()]]
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
        for name, function in calls.items():
            Callback(function, self.guarded(partial(self.on_call, name)))
        callbacks = {line: self.guarded(partial(self.on_line, line)) for line in pcs}
        self.line_breakpoints = {line: Callback(f"*{pc:#x}", callbacks[line]) for line, pc in pcs.items()}
        gdb.events.exited.connect(self.on_end)
        gdb.events.memory_changed.connect(self.on_memory_changed)

    def forget(self):
        self.pid, self.now, self.has_faulted = pid(), Memory(), False  # the memory is that at the last event
        self.heap_start = self.program_break = 0
        self.count, self.result = 0, None  # the number of events; the breakpoint where a system call returns
        self.events, self.pending = [], []  # what has not been shown yet; it is pending until the library has returned
        self.is_loop, self.lines, self.last_line = False, [], []  # since the last event; the last line is a list, too
        self.output = b""  # what has been printed since the last event
        self.calls = []  # of the allocator since the last event, where these are recorded
        self.trail, self.sites = [], {}  # the lines of main so far, and how many these were at the places of the calls
        self.loop, self.again = {}, Counter()  # the lines of a loop that is run again, and what its calls have done

    def guarded(self, function):
        """Returns the function as gdb may call it. The process then stops if there is something to show. So it does at
        an exception, which `advance` reports."""

        def call(*arguments):
            try:
                if self.pid != pid():
                    self.forget()
                    self.enable()
                function(*arguments)
            except Exception as error:
                self.failure = error
            return self.is_advancing and bool(self.events or self.failure)

        return call

    def enable(self):
        for breakpoint in self.line_breakpoints.values():
            breakpoint.enabled = True

    def on_call(self, name):
        """A system call is about to be made. If one was made from the same place before, this is a loop, whose further
        calls are one event."""
        self.on_library_return()
        frame, site = gdb.newest_frame(), {name}
        arguments = [int(frame.read_var(argument)) for argument in CALLS[name]]
        if arguments == [0] and self.heap_start:
            return  # It is no event if a program asks again where the break is.
        while frame := frame.older():
            site.add(frame.pc())
        site = frozenset(site)
        if not (self.joins_loops and site in self.sites):
            self.notice()
        elif not self.loop:
            self.loop = {line: self.source(line) for line in self.trail[self.sites[site] :]}
            self.enable()
        # gdb keeps such a breakpoint until it stops the process, so in a loop there would be more and more.
        if self.result and self.result.is_valid():
            self.result.delete()
        if name != "exit":
            on_return = partial(self.on_return, site, name, arguments)
            self.result = Return(gdb.newest_frame(), self.guarded(on_return))

    def on_return(self, site, name, arguments, value):
        result = int(value)
        # An error is a negative number.
        result = result - 2**64 if result >= 2**63 else result
        written, has_failed = b"", result < 0 or name == "brk" and arguments[0] not in (0, result)
        if name == "brk" and result >= 0:
            self.heap_start, self.program_break = self.heap_start or result, result
        if name == "write" and not has_failed:
            written = read(arguments[1], min(result, COMPARED))
            self.output += written * (arguments[0] in (1, 2))
            # What can't be printed may start where the heap ends.
            if not self.heap_start <= arguments[1] <= max(self.now.heap.end, self.program_break):
                return
        if self.loop:
            if not has_failed or (site, "failed") in self.sites:
                self.again[name, has_failed] += 1
                self.last_call = name, arguments, result, written
                return
            self.notice()
        for key in [site, (site, "failed")][: 1 + has_failed]:
            self.sites.setdefault(key, max(len(self.trail) - 1, 0))
        self.add(name, arguments, result, written, self.memory_now(), self.pending)
        # It is shown when the library has returned to the program, where a reader can go on by hand.
        frame, outer = None, gdb.newest_frame()
        while outer and (outer.name() or "").startswith("program_break::"):
            frame, outer = outer, outer.older()
        if frame:
            Return(frame, self.guarded(lambda _: self.on_library_return()))
        else:
            self.on_library_return()

    def on_library_return(self):
        self.events += self.pending
        self.pending = []

    def on_line(self, line):
        """Main has come to a line. What has been stored before it is an event, too, but not each time in a loop."""
        if line in self.loop or line in dict(self.lines):
            self.is_loop, self.line_breakpoints[line].enabled = True, False
            return
        self.notice()
        self.last_line = [(line, self.source(line))]
        self.lines += self.last_line
        self.trail.append(line)

    def on_memory_changed(self, changed):
        """The reader has stored something by hand, which is not the program's doing."""
        if self.pid == pid():
            self.now = self.memory_now()

    def on_end(self, exited):
        if not self.is_advancing:
            self.events = []  # The program has ended outside of the tour, so they are past.
        signal, status = gdb.convenience_variable("_exitsignal"), getattr(exited, "exit_code", None)
        self.outcome = f"{Signals(int(signal)).name} ended the program" if signal else f"exit status {status}"

    def notice(self):
        """Adds an event if something has been stored since the last one, or if a loop has been run again."""
        seen = self.memory_now()
        is_changed = seen.data != self.now.data or (seen.heap.resident or 0) > (self.now.heap.resident or 0)
        if self.again:
            self.add(*self.last_call, seen, self.events)
        elif is_changed or self.calls:
            self.add("store", [], 0, b"", seen, self.events)
        self.loop, self.again = {}, Counter()

    def fault(self):
        """Returns the signal that has stopped the process because of an access to memory, and the address. It returns
        None if there is none, or if it has been told."""
        if pid() and pid() == self.pid and not self.has_faulted:
            signal, code = (int(gdb.parse_and_eval(f"$_siginfo.{name}")) for name in ["si_signo", "si_code"])
            # A signal from a process has a code that is not positive, and no address.
            if signal in (SIGSEGV, SIGBUS) and code > 0:
                address = gdb.parse_and_eval("$_siginfo._sifields._sigfault.si_addr")
                return [signal, None if code == SI_KERNEL else int(address)]

    def notice_fault(self):
        if not self.events and (fault := self.fault()):
            self.on_library_return()
            self.notice()
            if not self.events:
                self.add("fault", fault, 0, b"", self.memory_now(), self.events)
                self.has_faulted = True

    def add(self, name, arguments, result, written, now, events):
        self.count += 1
        lines = self.lines or self.last_line
        if self.again:
            lines = sorted((dict(lines) | self.loop).items())
        about = self.now, now, lines, self.is_loop, self.again, self.calls, written, self.output
        events.append(Event(self.count, name, arguments, result, *about))
        self.now = now
        self.lines, self.calls, self.output, self.is_loop = [], [], b"", False
        self.enable()

    def source(self, line):
        return linecache.getline(self.file, line).rstrip()

    def memory_now(self):
        memory = Memory(self.heap_start, self.program_break, regions(), self.now.top)
        memory.pages = pages_in_memory(memory.heap) if memory.heap.resident != 0 else []
        # To read what isn't in memory would put a page of zeroes there, which the next step would count.
        for page in memory.pages[: COMPARED // PAGE]:
            start = max(page, memory.heap.start)
            memory.data[start] = read(start, page + PAGE - start)
        return memory

    def advance(self):
        """Runs until something has happened. Starts the program if there is no process. Returns what has happened
        first, or None if the program has ended, or has stopped elsewhere, which gdb has shown."""
        self.notice_fault()
        if not self.events:
            self.is_advancing = True
            try:
                gdb.execute("continue" if pid() else "run", to_string=True)
            except gdb.error as error:
                raise gdb.GdbError(f"gdb can't run the program (a container may forbid ptrace): {error}") from None
            finally:
                self.is_advancing = False
            self.notice_fault()
        failure, self.failure = self.failure, None
        if failure:
            raise failure
        return self.events.pop(0) if self.events else None


def read(address, length):
    """Returns bytes of the process, or none if they are not there. (/dev/null takes them all the same.)"""
    try:
        return gdb.selected_inferior().read_memory(address, length).tobytes() if length else b""
    except gdb.MemoryError:
        return b""


def pages_in_memory(heap):
    """Returns the addresses of the pages that are in memory, in the first GiB of the heap; of all if the kernel doesn't
    tell."""
    pages = range(heap.start & -PAGE, heap.end, PAGE)[: 2**30 // PAGE]
    path = f"/proc/{pid()}/pagemap"
    if heap.resident is None or not os.path.exists(path):
        return list(pages)
    with open(path, "rb") as file:
        file.seek(pages.start // PAGE * 8)
        # Bit 56 is for a page that no other process has. Reading can map the page of zeros, which all have.
        return [page for page, bits in zip(pages, array("Q", file.read(len(pages) * 8))) if bits >> 56 & 1]


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
