"""What happened in a process, and its memory before and after that. All words about an event follow from these two.

This knows nothing of gdb: process.py makes the events, and the tour and the picture show them.
"""

import os
from dataclasses import dataclass, field

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
    regions: list = field(default_factory=list)  # from the highest address down
    data: bytes = b""  # what is on the heap's pages, at most COMPARED bytes

    def heap(self):
        """The pages of the heap. There may be none."""
        start = self.heap_start
        for region in self.regions:
            if region.name == "heap" and region.end > start:
                # Some kernels call zeroed data of the program, right below the heap, a part of it.
                return region if region.start == start else Region(start, region.end, "", "heap")
        return Region(start, start, "", "heap", 0)

    def asked_for(self):
        return self.program_break - self.heap_start

    def state(self):
        """A line about the heap."""
        heap, resident = self.heap(), ""
        if heap.resident is not None:
            resident = f", {size(heap.resident)} in memory"
        return f"heap: {size(self.asked_for())} asked for, {size(heap.end - heap.start)} mapped{resident}"

    def row(self, address):
        """The bytes of the heap from an address on, or from its start if that shows the address too, as far as they fit
        in a line; and whether there are more."""
        at = address - self.heap_start
        at = at if 8 <= at < len(self.data) else 0
        end = max(self.asked_for(), at + 1 if at else 0)
        return self.heap_start + at, self.data[at : min(end, at + 8)], end > at + 8


@dataclass
class Event:
    """A system call that asks about the break, moves it or prints from the heap, or bytes that were stored there."""

    number: int  # from 1 on
    name: str  # of the call, or "store", or the name of a signal
    arguments: tuple
    result: int
    lines: list  # of main that were run since the last event, each as its number and text
    before: Memory
    after: Memory

    def call(self):
        """The system call, as strace shows it."""
        if self.name == "brk":
            return f"brk({f'{self.arguments[0]:#x}' if self.arguments[0] else 'NULL'}) = {self.hexadecimal()}"
        if self.name == "write":
            return "write({}, {:#x}, {}) = {}".format(*self.arguments, self.result)
        return ""

    def hexadecimal(self):
        return str(self.result) if self.result < 0 else f"{self.result:#x}"

    def moved(self):
        return self.after.program_break - self.before.program_break

    def is_refused(self):
        """Whether the break is not where the program has asked for it."""
        return self.result < 0 or self.arguments[0] not in (0, self.result)

    def changed(self):
        """The addresses of the bytes of the heap that are not as before."""
        both = zip(self.before.data, self.after.data)
        return [self.after.heap_start + at for at, (old, new) in enumerate(both) if old != new]

    def title(self):
        if self.name == "brk":
            if self.is_refused():
                return "the kernel refuses to move the break"
            if not self.before.heap_start:
                return "the program break is found"
            if not self.moved():
                return "the break stays where it is"
            direction = "up" if self.moved() > 0 else "down"
            return f"the break moves {direction} by {size(abs(self.moved()))}"
        if self.name == "write":
            return f"{max(self.result, 0)} bytes are printed from the heap"
        if self.name == "store":
            return "something is stored on the heap"
        return f"{self.name} stops the program"

    def remark(self):
        """What follows from what was seen, in a sentence or two."""
        old, new = self.before.heap(), self.after.heap()
        mapped = new.end - old.end
        came = None if None in (new.resident, old.resident) else new.resident - old.resident
        if self.name == "brk":
            if self.result < 0:
                return f"In place of an address it returns an error: {os.strerror(-self.result)}."
            if self.is_refused():
                return "It returns where the break still is. This call has no error numbers."
            if not self.before.heap_start:
                return "This is where the heap ends. It is still empty, so it starts here, too."
            if mapped < 0:
                return f"The kernel has taken back {size(-mapped)}. An access there would end the program."
            if self.moved() < 0:
                return "Only whole pages go back, and here none does: all can still be accessed."
            if not self.moved():
                return "This is where the program has asked for it."
            if not mapped:
                return "The kernel maps whole pages, and this page was mapped before."
            limit = ""
            if new.end > new.start + COMPARED >= old.end:
                limit = f" After the first {size(COMPARED)}, a store is seen only if it brings a page into memory."
            promise = ", and promises them: nothing more is in memory yet" if came == 0 else ""
            return f"The kernel maps whole pages{promise}.{limit}"
        if self.name == "write":
            if self.result < 0:
                return f"It fails: {os.strerror(-self.result)}."
            if self.result < self.arguments[2]:
                return f"The kernel has taken only a part of the {size(self.arguments[2])}."
            return "The kernel has read these bytes from the heap."
        if self.name == "store":
            changed = self.changed()
            remark = f"{size(len(changed))} changed"
            if new.end > new.start + COMPARED:
                remark += f" in the first {size(COMPARED)}"
            if came:
                faults = "a page fault" if came <= os.sysconf("SC_PAGE_SIZE") else "page faults"
                remark += f". By {faults}, {size(came)} came into memory"
            elif came == 0:
                remark += ". No page is new in memory"
            if changed and changed[-1] >= self.after.program_break:
                remark += ". This is above the break, but on a page that is there: nothing stops it"
            return f"{remark}."
        address = self.arguments[0]
        inside = any(region.start <= address < region.end for region in self.after.regions)
        return f"It has accessed {address:#x}, where {'it may not' if inside else 'nothing is mapped'}."
