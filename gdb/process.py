"""The process that gdb runs: what it does, as events. It is only read: the arguments and results of the system calls at
breakpoints, the bytes of the heap in memory, and /proc/PID/maps and pagemap."""

import linecache
import os
from array import array
from collections import Counter
from itertools import compress, count, takewhile

import gdb
from event import COMPARED, PAGE, Event, Memory, Region
from gdb.FrameIterator import FrameIterator

CALLS = {name: f"program_break::arch::{name}" for name in ["brk", "write", "exit"]}
SI_KERNEL = 128  # the code of a signal if the processor doesn't tell the address
MANY = 2**22  # if a heap has more pages, nothing looks up which of them are in memory
gdb.execute("set host-charset UTF-8")  # Without a locale, gdb takes all names for ASCII.


def pid():
    """Returns the number of the process, or 0 if there is none."""
    return gdb.selected_inferior().pid


def arguments_of(frame):
    """Returns the arguments that the function of a frame has, by their names, without the alignment of a block."""
    symbols = [symbol for symbol in frame.block() if symbol.is_argument and symbol.name != "align"]
    return {symbol.name: int(symbol.value(frame)) for symbol in symbols}


class Process:
    """What has been seen of the process so far. Fails if gdb doesn't find the program's functions and lines."""

    def __init__(self, joins_loops=True):
        # What goes wrong at a breakpoint is kept for `advance`, since gdb would only print it.
        self.joins_loops, self.is_advancing, self.failure = joins_loops, False, None
        # This fails where there is no such function. A breakpoint would wait for one to be loaded.
        main, *_ = [gdb.decode_line(name)[1][0] for name in ["main", *CALLS.values()]]
        block, pcs = gdb.block_for_pc(main.pc), {}
        for instruction in gdb.selected_inferior().architecture().disassemble(main.pc, block.end - 1):
            pc = instruction["addr"]
            # A line may have no instruction of its own, but only those of functions that are inlined there.
            place, inner = gdb.find_pc_line(pc), gdb.block_for_pc(pc)
            while not (inner.function and inner.function.name == block.function.name):
                place, inner = inner.function or place, inner.superblock
            if place.line > main.line and place.symtab.filename == main.symtab.filename:
                pcs.setdefault(place.line, pc)
        self.file, path = main.symtab.filename, os.fsdecode(main.symtab.fullname().encode())
        self.source = {line: linecache.getline(path, line).rstrip() for line in range(main.line, max(pcs) + 1)}
        for name, function in CALLS.items():
            self.call_at(gdb.Breakpoint, function, self.on_call, name)
        # Each line of main starts with a breakpoint. It is disabled at the second hit since the last event, so that
        # loops run fast.
        self.line_starts = [self.call_at(gdb.Breakpoint, f"*{pc:#x}", self.on_line, line) for line, pc in pcs.items()]
        self.forget()
        gdb.events.stop.connect(self.on_stop)
        gdb.events.memory_changed.connect(self.on_memory_changed)

    def forget(self):
        self.pid, self.now = pid(), Memory()  # the memory is that at the last event
        self.heap_start = self.program_break = 0
        self.numbers, self.events = count(1), []  # the events are those that have not been shown yet
        self.result = None  # the breakpoint where a system call returns
        self.output = b""  # what has been printed since the last event
        self.calls = []  # of the allocator since the last event, where these are recorded
        self.trail, self.sites = [], set()  # the lines of main so far, and the places of the calls
        self.is_loop, self.again = False, Counter()  # whether a loop is run again, and what its calls have done
        self.enable()

    def enable(self):
        """Begins with the lines of the next event."""
        self.begin = len(self.trail)
        for breakpoint in self.line_starts:
            breakpoint.enabled = True

    def call_at(self, kind, place, function, *known):
        """Makes a breakpoint of gdb's that calls the function with `known` and itself. In `advance`, the process then
        stops after an exception, and if there is something to show, unless the function returns a true value."""

        def stop(breakpoint):
            try:
                if self.pid != pid():
                    self.forget()
                is_early = function(*known, breakpoint)
            except Exception as error:
                self.failure, is_early = error, False
            return self.is_advancing and bool(self.events or self.failure) and not is_early

        breakpoint = type("Callback", (kind,), {"stop": stop})(place, internal=True)
        breakpoint.silent = True
        return breakpoint

    def on_call(self, name, breakpoint):
        """A system call is about to be made. If one was made from here before, this is a loop."""
        arguments = list(arguments_of(gdb.newest_frame()).values())
        if name == "brk" and arguments == [0] and self.heap_start:
            return  # It is no event if a program asks again where the break is.
        site = frozenset(frame.pc() for frame in FrameIterator(gdb.newest_frame()))
        if self.joins_loops and site in self.sites:
            self.is_loop = True
        else:
            self.notice()
        # gdb keeps such a breakpoint until it stops the process, so in a loop there would be more and more.
        if self.result and self.result.is_valid():
            self.result.delete()
        if name != "exit":
            self.result = self.call_at(gdb.FinishBreakpoint, gdb.newest_frame(), self.on_return, site, name, arguments)

    def on_return(self, site, name, arguments, breakpoint):
        # An error is a negative number.
        result = (int(breakpoint.return_value) + 2**63) % 2**64 - 2**63
        has_failed = result < 0 or name == "brk" and arguments[0] not in (0, result)
        stack = FrameIterator(gdb.newest_frame())
        library = [*takewhile(lambda frame: (frame.name() or "").startswith("program_break::"), stack)]
        if name == "brk" and result >= 0:
            self.heap_start, self.program_break = self.heap_start or result, result
        if name == "write" and not has_failed:
            if arguments[0] in (1, 2):
                self.output += read(arguments[1], min(result, COMPARED))
            # What the library prints from memory of its own is not the program's doing.
            if not self.heap_start or library[-1].name() != "program_break::stdio::write_all":
                return
        if self.is_loop:
            if not has_failed or (site, True) in self.sites:
                self.again[name, has_failed] += 1
                self.last_call = name, arguments, result
                return
            self.notice()
        self.sites |= {site, (site, has_failed)}
        self.add(name, arguments, result)
        # It is shown when the library has returned to the program, where a reader can go on by hand.
        if library:
            self.call_at(gdb.FinishBreakpoint, library[-1], lambda breakpoint: None)
        return library

    def on_line(self, line, breakpoint):
        """Main has come to a line. A store before this line is an event, too, but in a loop not each time."""
        if line in self.trail[self.begin :]:
            breakpoint.enabled = False
            return
        if not (self.is_loop and line in self.trail):
            self.notice()
        self.trail.append(line)

    def on_stop(self, stop):
        """The process has stopped. It is an event if this is because of an access to memory."""
        signal = self.pid == pid() and getattr(stop, "stop_signal", None)
        # A signal from a process has a code that is not positive, and no address.
        if signal in ("SIGSEGV", "SIGBUS") and (code := int(gdb.parse_and_eval("$_siginfo.si_code"))) > 0:
            self.notice()
            address = gdb.parse_and_eval("$_siginfo._sifields._sigfault.si_addr")
            self.add("fault", [signal, None if code == SI_KERNEL else int(address)])

    def on_memory_changed(self, changed):
        """The reader has stored something by hand, which is not the program's doing."""
        if self.pid == pid():
            self.now = self.memory_now()

    def notice(self):
        """Adds an event if something has been stored since the last one, or if a loop has been run again."""
        old, seen = self.now, self.memory_now()
        is_changed = seen.data != old.data or (seen.in_memory() or 0) > (old.in_memory() or 0)
        if self.again:
            self.add(*self.last_call, now=seen)
        elif is_changed or self.calls:
            self.add("store", now=seen)
        self.is_loop, self.again = False, Counter()

    def add(self, name, arguments=(), result=0, now=None):
        before, self.now = self.now, now or self.memory_now()
        numbers = self.trail[self.begin :] or self.trail[-1:]
        lines = [(number, self.source[number]) for number in numbers]
        what = next(self.numbers), name, arguments, result
        self.events.append(Event(*what, before, self.now, lines, self.again, self.calls, self.output))
        self.calls, self.output = [], b""
        self.enable()

    def memory_now(self):
        memory = Memory(self.heap_start, self.program_break, regions(), self.now.top, None)
        pages, path = range(memory.heap_start & -PAGE, memory.end, PAGE), f"/proc/{pid()}/pagemap"
        # Not every kernel has this file, which says what is in memory. For a very large heap, reading it takes long.
        if len(pages) <= MANY and os.path.exists(path):
            with open(path, "rb") as file:
                file.seek(pages.start // PAGE * 8)
                entries = array("Q", file.read(len(pages) * 8))
            # Bit 56 is for a page that no other process has. Reading can map the page of zeros, which all have.
            memory.pages = pages = [*compress(pages, map((1 << 56).__and__, entries))]
        # What isn't in memory isn't read: reading would map the page of zeroes there, and a later store would copy it.
        for page in pages[: COMPARED // PAGE]:
            start = max(page, memory.heap_start)
            memory.data[start] = read(start, page + PAGE - start)
        return memory

    def advance(self):
        """Runs until something has happened. Starts the program if there is no process. Returns what has happened
        first, or None if the program has ended, or has stopped elsewhere, which gdb has shown."""
        # What happened before the program ended outside of the tour is past.
        if not (pid() and self.events):
            self.events, self.is_advancing = [], True
            try:
                gdb.execute("continue" if pid() else "run", to_string=True)
            except gdb.error as error:
                how = "It starts programs by $SHELL and follows them by ptrace, which a container may forbid."
                raise gdb.GdbError(f"gdb can't run the program: {str(error).rstrip('.')}. ({how})") from None
            finally:
                self.is_advancing = False
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


def regions():
    """Returns what is mapped now, from the highest address down. Neighbours that belong together are one region: the
    parts of the program, those of the heap, and what the kernel has added."""
    found = []
    names = {b"[stack]": "stack; grows down", b"[heap]": "heap", b"": "anonymous mapping"}
    names[os.fsencode(os.readlink(f"/proc/{pid()}/exe"))] = "program"
    with open(f"/proc/{pid()}/maps", "rb") as file:  # in any encoding: the program's path is in it
        lines = [[*line.split(maxsplit=5), b""] for line in file if b"[vsyscall]" not in line]
    for addresses, permissions, _, _, _, name, *_ in lines:
        start, end = (int(address, 16) for address in addresses.split(b"-"))
        permissions, name = permissions[:3].decode(), name.strip()
        name = names.get(name) or name.decode(errors="replace")
        if found and found[0].end == start:
            below = found[0]
            if below.name == "program" and name == names[b""]:
                name = "program"  # its zeroed data
            if below.name[:1] == name[:1] == "[":
                below.name = name = f"{name} to {below.name.split()[-1]}"
            if below.name == name:
                below.end = end
                below.permissions = permissions if permissions == below.permissions else ""
                continue
        found.insert(0, Region(start, end, permissions, name))
    return found
