"""What happened in a process, and its memory before and after that. All words about an event follow from these two.

This knows nothing of gdb: process.py makes the events, and the tour and the picture show them.
"""

import os
from dataclasses import dataclass

# How much of the heap is read and compared, in bytes from its start on.
COMPARED = 64 * 1024


def size(length):
    """A number of bytes, for people, as `layout` shows it."""
    units = iter(["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"])
    unit = next(units)
    while length >= 16 * 1024:
        length, unit = (length + 512) // 1024, next(units)
    return "1 byte" if (length, unit) == (1, "bytes") else f"{length} {unit}"


def c_characters(data):
    """Each byte as C writes it."""
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
    data: bytes = b""  # what is on the heap's pages, at most COMPARED bytes

    def __post_init__(self):
        start = self.heap_start
        above = [region for region in self.regions if region.name == "heap" and region.end > start]
        self.heap = above[0] if above else Region(start, start, "", "heap", 0)  # the pages of the heap
        if self.heap.start < start:
            # Some kernels take zeroed data of the program, right below the heap, for a part of it.
            self.heap = Region(start, self.heap.end, self.heap.permissions, "heap")
        self.asked_for = self.program_break - start

    def state(self):
        """A line about the heap."""
        resident = "" if self.heap.resident is None else f", {size(self.heap.resident)} in memory"
        return f"heap: {size(self.asked_for)} asked for, {size(self.heap.end - self.heap.start)} mapped{resident}"

    def row(self, address):
        """Bytes of the heap, as many as fit in a line: those from its start on, or, if `address` isn't among these,
        from there on. Returns where they are, the bytes, and whether more of the heap follows."""
        at = address - self.heap_start
        at = at if 8 <= at < len(self.data) else 0
        end = max(self.asked_for, at + 1 if at else 0)
        return self.heap_start + at, self.data[at : min(end, at + 8)], end > at + 8


@dataclass
class Event:
    """A system call that finds the break, moves it, fails to, or prints from the heap; or bytes that were stored."""

    number: int  # from 1 on
    name: str  # of the call, or "store"
    arguments: tuple
    result: int
    lines: list  # of main that were run since the last event, each as its number and text
    before: Memory
    after: Memory

    def __post_init__(self):
        both = zip(self.before.data, self.after.data)
        at = [n for n, (old, new) in enumerate(both) if old != new] if self.name == "store" else []
        self.changed = [self.after.heap_start + n for n in at]  # the addresses of the bytes that are not as before
        words = {"brk": self.words_of_brk, "write": self.words_of_write, "store": self.words_of_store}[self.name]
        self.title, self.remark = words()

    def call(self):
        """The system call, as strace shows it."""
        if self.name == "brk":
            address = hex(self.arguments[0]) if self.arguments[0] else "NULL"
            return f"brk({address}) = {self.result if self.result < 0 else hex(self.result)}"
        return "write({}, {:#x}, {}) = {}".format(*self.arguments, self.result) if self.name == "write" else ""

    def came(self):
        """How many bytes of the heap came into memory, if the kernel tells."""
        residents = self.before.heap.resident, self.after.heap.resident
        return None if None in residents else residents[1] - residents[0]

    def words_of_brk(self):
        before, after = self.before, self.after
        if self.result < 0:
            return "the kernel refuses", f"In place of an address it returns an error: {os.strerror(-self.result)}."
        if self.arguments[0] not in (0, self.result):
            refused = "the kernel refuses to move the break"
            return refused, "It returns where the break still is. This call has no error numbers."
        if not before.heap_start:
            found = "the program break is found"
            return found, "This is where the heap ends. It is still empty, so it starts here, too."
        moved, mapped = after.program_break - before.program_break, after.heap.end - before.heap.end
        title = f"the break moves {'up' if moved > 0 else 'down'} by {size(abs(moved))}"
        if not moved:
            return "the break stays where it is", "This is where the program has asked for it."
        if mapped < 0:
            return title, f"The kernel has taken back {size(-mapped)}. An access there would end the program."
        if moved < 0:
            return title, "Only whole pages go back, and here none does: all can still be accessed."
        if not mapped:
            return title, "The kernel maps whole pages, and this page was mapped before."
        remark = "The kernel maps whole pages"
        if self.came() == 0:
            remark += ", and promises them: nothing more is in memory yet"
        if after.heap.end > after.heap_start + COMPARED >= before.heap.end:
            remark += f". After the first {size(COMPARED)}, a store is seen only if it brings a page into memory"
        return title, f"{remark}."

    def words_of_write(self):
        if self.result < 0:
            return "nothing is printed", f"The call fails: {os.strerror(-self.result)}."
        remark = f"The kernel has taken {self.result} of {size(self.arguments[2])} from there."
        return f"{size(self.result)} are printed from the heap", remark

    def words_of_store(self):
        remark, came = f"{size(len(self.changed))} changed", self.came()
        if self.after.heap.end > self.after.heap_start + COMPARED:
            remark += f" in the first {size(COMPARED)}"
        if came:
            faults = "a page fault" if came <= os.sysconf("SC_PAGE_SIZE") else "page faults"
            remark += f". By {faults}, {size(came)} came into memory"
        elif came == 0:
            remark += ". No page is new in memory"
        if self.changed and self.changed[-1] >= self.after.program_break:
            remark += ". This is above the break, but on a page that is there: nothing stops it"
        return "something is stored on the heap", f"{remark}."
