"""What happened in a process, and its memory before and after it. The words about an event are made from these alone.

This knows nothing of gdb: process.py makes the events, and the tour, the picture and the page show them.
"""

import os
from collections import Counter
from dataclasses import dataclass

# How much of the heap is read and compared, in bytes from its start on.
COMPARED = 64 * 1024


def size(length):
    """Returns a number of bytes for people, as `layout` shows it."""
    units = iter(["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"])
    unit = next(units)
    while length >= 16 * 1024:
        length, unit = (length + 512) // 1024, next(units)
    return "1 byte" if (length, unit) == (1, "bytes") else f"{length} {unit}"


def c_characters(data):
    """Returns each byte as in C, or as a dot."""
    escapes = {0: "\\0", 10: "\\n"}
    return [escapes.get(byte) or (chr(byte) if 32 < byte < 127 else ".") for byte in data]


@dataclass
class Region:
    """A part of memory that is mapped, with one origin."""

    start: int
    end: int
    permissions: str  # empty if they are not the same throughout
    name: str
    resident: int = None  # how many bytes of it are in memory, if the kernel tells


@dataclass
class Memory:
    """The memory of a process at one moment."""

    heap_start: int = 0  # 0 before the program has asked where the break is
    program_break: int = 0
    regions: tuple = ()  # from the highest address down
    data: bytes = b""  # what is on the heap's pages, at most COMPARED bytes; empty while no page is in memory
    pages: tuple = ()  # for each page of the heap, whether it is in memory; empty where this isn't recorded

    def __post_init__(self):
        start = self.heap_start
        above = [region for region in self.regions if region.name == "heap" and region.end > start]
        self.heap = above[0] if above else Region(start, start, "", "heap", 0)  # the pages of the heap
        if self.heap.start < start:
            # Some kernels take zeroed data of the program, right below the heap, for a part of it.
            self.heap = Region(start, self.heap.end, self.heap.permissions, "heap")
        self.asked_for = self.program_break - start

    def state(self):
        """Returns a line about the heap."""
        resident = "" if self.heap.resident is None else f", {size(self.heap.resident)} in memory"
        return f"heap: {size(self.asked_for)} asked for, {size(self.heap.end - self.heap.start)} mapped{resident}"

    def bytes_from(self, address):
        """Returns the bytes of the heap that fit in a line: where they are, the bytes, and whether more follow. They
        start at `address` if it isn't among the first."""
        at = address - self.heap_start
        at = at if 8 <= at < len(self.data) else 0
        end = max(self.asked_for, at + 1 if at else 0)
        return self.heap_start + at, self.data[at : min(end, at + 8)], end > at + 8

    def dump(self, address):
        """Returns a line with these bytes, or an empty one if there are none."""
        start, data, is_more = self.bytes_from(address)
        return f"{start:#18x}  {data.hex(' ')}  {' '.join(c_characters(data))}{' …' * is_more}" if data else ""


@dataclass
class Call:
    """A call of one of Rust's functions for the heap."""

    name: str  # alloc, alloc_zeroed, realloc or dealloc
    arguments: dict
    result: int  # the address of the block, or None if the call has not returned yet

    def __str__(self):
        shown = ", ".join(hex(value) if name == "ptr" else str(value) for name, value in self.arguments.items())
        result = " …" if self.result is None else f" = {self.result:#x}" if self.result else ""
        return f"{self.name}({shown}){result}"

    def what(self):
        """Returns what has happened to the block."""
        if self.name != "realloc":
            return "freed" if self.name == "dealloc" else "handed out"
        is_larger = self.arguments["new_size"] > self.arguments["size"]
        return "moved" if self.result != self.arguments["ptr"] else "grown" if is_larger else "shrunk"


@dataclass
class Event:
    """A system call that finds the break, moves it or fails to, or prints from the heap; or a store."""

    number: int  # from 1 on
    name: str  # of the call, or "store"
    arguments: tuple
    result: int
    lines: list  # of main that were run since the last event, each as its number and text
    is_loop: bool  # whether these lines were run again
    before: Memory
    after: Memory
    calls: list  # of the allocator since the last event, where these are recorded

    def __post_init__(self):
        # What comes into memory is zero.
        both = zip(self.before.data.ljust(len(self.after.data), b"\0"), self.after.data)
        at = [n for n, (old, new) in enumerate(both) if old != new] if self.name == "store" else []
        self.changed = [self.after.heap_start + n for n in at]  # the addresses of the bytes that are not as before
        words = {"brk": self.words_of_brk, "write": self.words_of_write, "store": self.words_of_store}[self.name]
        self.title, self.remark = words()
        # The address from which on the bytes of the heap are shown. There is none where nothing is compared.
        self.address = self.arguments[1] if self.name == "write" else self.after.heap_start
        if self.name == "store":
            self.address = self.changed[0] if self.changed else None

    def call(self):
        """Returns the system call, as strace shows it."""
        if self.name == "brk":
            address = hex(self.arguments[0]) if self.arguments[0] else "NULL"
            return f"brk({address}) = {self.result if self.result < 0 else hex(self.result)}"
        return "write({}, {:#x}, {}) = {}".format(*self.arguments, self.result) if self.name == "write" else ""

    def faulted_in(self):
        """Returns how many bytes of the heap came into memory, if the kernel tells."""
        residents = self.before.heap.resident, self.after.heap.resident
        return None if None in residents else residents[1] - residents[0]

    def words_of_brk(self):
        before, after = self.before, self.after
        if self.result < 0:
            return "the call fails", f"It returns an error in place of an address: {os.strerror(-self.result)}."
        if self.arguments[0] not in (0, self.result):
            refused = "the kernel refuses to move the break"
            return refused, "It returns where the break still is. This call has no error numbers."
        if not before.heap_start:
            found = "the program break is found"
            return found, "The heap ends here. It is still empty, so it also starts here."
        moved, mapped = after.program_break - before.program_break, after.heap.end - before.heap.end
        title = f"the break moves {'up' if moved > 0 else 'down'} by {size(abs(moved))}"
        if not moved:
            return "the break stays where it is", "This is where the program has asked for it."
        if mapped < 0:
            return title, f"The kernel has taken back {size(-mapped)}. An access there would end the program."
        if moved < 0:
            return title, "Only whole pages go back. These bytes can still be accessed."
        if not mapped:
            return title, "The kernel maps whole pages, and this page was mapped before."
        remark = "The kernel maps whole pages"
        if self.faulted_in() == 0:
            remark += ". These are only promised, and not in memory yet"
        if after.heap.end > after.heap_start + COMPARED:
            remark += f". Past the first {size(COMPARED)}, the tour notices a store only if it causes a page fault"
        return title, f"{remark}."

    def words_of_write(self):
        fd, address, length = self.arguments
        if self.result < 0:
            return "nothing is written", f"The call fails: {os.strerror(-self.result)}."
        remark = f"The kernel has written {self.result} of the {size(length)}."
        if address + self.result > self.after.program_break:
            remark += " Not all of them are below the break."
        verb = "is" if self.result == 1 else "are"
        to = {1: "printed", 2: "written to standard error"}.get(fd, f"written to descriptor {fd}")
        return f"{size(self.result)} {verb} {to} from the heap", remark

    def words_of_store(self):
        remark, faulted_in = f"{size(len(self.changed))} changed", self.faulted_in()
        if self.after.heap.end > self.after.heap_start + COMPARED:
            remark += f" in the first {size(COMPARED)}"
        if faulted_in:
            faults = "A page fault" if faulted_in <= os.sysconf("SC_PAGE_SIZE") else "Page faults"
            remark += f". {faults} brought {size(faulted_in)} into memory"
        elif faulted_in == 0:
            remark += ". Nothing more came into memory"
        if self.changed and self.changed[-1] >= self.after.program_break:
            remark += ". This is at or above the break, but on a mapped page, so nothing stops it"
        if self.is_loop:
            remark += ". These lines were run in a loop, whose stores are one step"
        counts = Counter(call.what() for call in self.calls if call.result is not None)
        blocks = [f"a block is {what}" if n == 1 else f"{n:,} blocks are {what}" for what, n in counts.items()]
        return ", ".join(blocks) or "something is stored on the heap", f"{remark}."
