"""What happened in a process, and its memory before and after that, with all words about it. This knows nothing of gdb:
process.py makes the events, and the tour, the picture and the page show them."""

import errno
import os
from collections import Counter
from dataclasses import dataclass, field

PAGE = os.sysconf("SC_PAGE_SIZE")
COMPARED = 1024 * 1024  # how many bytes of the heap are read and compared, of those that are in memory


def size(length):
    """Returns a number of bytes, exactly, as it can be compared with others and with those in the source."""
    return f"{length:,} byte{'s' * (length != 1)}"


def about(length):
    """Returns a very large number of bytes, rounded."""
    power = max((length.bit_length() - 5) // 10, 0)
    return f"about {length / 1024**power:.0f} {['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'][power]}"


@dataclass
class Region:
    """A part of memory that is mapped, with one origin."""

    start: int
    end: int
    permissions: str  # empty if they are not the same throughout
    name: str

    def __str__(self):
        return f"part of the {self.name.split(';')[0]}"


@dataclass
class Memory:
    """The memory of a process at one moment."""

    heap_start: int = 0  # 0 before the program has asked where the break is
    program_break: int = 0
    regions: tuple = ()  # from the highest address down
    top: int = 0  # the highest address where the heap's pages have ended so far
    pages: list = ()  # the addresses of the heap's pages that are in memory, from the lowest up; None if not known
    data: dict = field(default_factory=dict)  # what is on these pages, at most COMPARED bytes
    free: list = field(default_factory=list)  # of the free list: start, end, and the next one or 0

    def __post_init__(self):
        # Where the heap's pages end. (Some kernels take zeroed data of the program, below the heap, for a part of it.)
        ends = [region.end for region in self.regions if self.heap_start and region.name == "heap"]
        self.end = max([self.heap_start, *ends])
        self.top = max(self.top, self.end)
        self.asked_for, self.mapped = self.program_break - self.heap_start, self.end - self.heap_start

    def in_memory(self):
        """Returns how many bytes of the heap are in memory, or None if this isn't known."""
        return None if self.pages is None else len(self.pages) * PAGE

    def state(self):
        """Returns a line about the heap."""
        in_memory = "" if self.pages is None else f", {self.in_memory():,} in memory"
        return f"heap: {size(self.asked_for)} asked for, {self.mapped:,} mapped{in_memory}"

    def region_at(self, address):
        return next((region for region in self.regions if region.start <= address < region.end), None)

    def whose(self, address):
        """Returns what can be said of an address where an access has failed."""
        if region := self.region_at(address):
            return f"This memory is {region}, but doesn't allow such an access."
        if self.end <= address < self.top:
            return "The kernel took this page back when the break moved down."
        is_above = 0 < self.end <= address and not any(self.end <= region.start < address for region in self.regions)
        return f"Nothing is mapped at {address:#x}{', above the break' * is_above}."

    def bytes_from(self, start, end):
        """Returns `start`, the bytes of the heap from there that fit in a line, and whether more follow."""
        found = b""
        for address, page in self.data.items():
            if 0 <= start + len(found) - address < len(page):
                found += page[start + len(found) - address :]
        return start, found[: min(end - start, 8)], end > start + 8


@dataclass
class Call:
    """A call of one of Rust's functions for the heap."""

    name: str  # alloc, alloc_zeroed, realloc or dealloc
    arguments: dict
    result: int  # the address of the block, or 0 without one, or None if the call has not returned yet

    def __str__(self):
        shown = ", ".join(hex(value) if name == "ptr" else str(value) for name, value in self.arguments.items())
        result = ", in progress" if self.result is None else f" = {self.result:#x}" * bool(self.result)
        return f"{self.name}({shown}){result}"


def dump(start, data, is_more):
    """Returns a line with these bytes, if there are any: in hexadecimal, and as characters, escaped as in C. A blank is
    shown as ␣, and a byte that is no character as ·."""
    signs = {0: "\\0", 10: "\\n", 32: "␣"}
    characters = [signs.get(byte) or (chr(byte) if 32 < byte < 127 else "·") for byte in data]
    return [f"{start:#18x}  {data.hex(' ')}  {' '.join(characters)}{' …' * is_more}"] if data else []


@dataclass
class Event:
    """A system call that finds the break, moves it, prints something, or fails to do so; a store; an access that ends
    the program; or what the calls of a loop have done again."""

    number: int  # from 1 on
    name: str  # of the call, or of the last one in a loop; "store" or "fault"
    arguments: list  # of the call, or the signal and the address, which is None if the processor doesn't tell it
    result: int
    before: Memory
    after: Memory
    lines: list  # of main that were run since the last event, each as its number and text
    again: Counter  # how often each call has come again in a loop, with whether it has failed
    calls: list  # of the allocator since the last event, where these are recorded
    output: bytes  # what has been printed since the last event

    def __post_init__(self):
        self.changed = []  # the addresses of the bytes that are not as before
        for address, page in self.after.data.items():
            # What comes into memory is zero.
            old = self.before.data.get(address, bytes(len(page)))
            self.changed += [address + n for n in range(len(page) * (page != old)) if page[n] != old[n]]
        moved = self.after.program_break - self.before.program_break
        self.moved = moved and f"{'up' if moved > 0 else 'down'} by {size(abs(moved))}"  # the break
        # Where not all is compared, it isn't known how much has changed.
        is_all = sum(map(len, self.after.data.values())) < COMPARED
        self.change = f"{size(len(self.changed))} changed. " * is_all
        # How many bytes of the heap came into memory, if this is known.
        before, after = self.before.in_memory(), self.after.in_memory()
        self.faulted_in = None if None in (before, after) else after - before
        is_bad = self.name == "fault" or self.name == "write" and self.result == -errno.EFAULT
        self.failed_at = self.arguments[1] if is_bad else None  # the address of an access that has failed
        # What is written may begin in memory that can be read.
        while self.name == "write" and is_bad and (region := self.after.region_at(self.failed_at)):
            self.failed_at = region.end
        self.title, self.remark = (self.words_of_loop if self.again else getattr(self, f"words_of_{self.name}"))()
        # The calls of the allocator that have returned came before a system call.
        blocks = self.words_of_calls()
        self.title = ", and ".join(blocks + [self.title] * (self.name != "store" or not blocks))

    def words_of_calls(self):
        """Returns what has happened to blocks, and in how many calls."""
        verbs = {"realloc": "resized", "dealloc": "freed"}
        counts = Counter(verbs.get(call.name, "allocated") for call in self.calls if call.result is not None)
        return [f"a block is {verb}{f' ({n:,} times)' * (n > 1)}" for verb, n in counts.items()]

    def shown(self):
        """Returns the bytes that the event is about: where they are, those that fit in a line, and if more follow."""
        memory = self.after
        if self.name == "write" and self.arguments[0] in (1, 2) and self.result > 0:
            return self.arguments[1], self.output[-min(self.result, COMPARED) :][:8], self.result > 8
        if self.name in ("write", "fault") or self.name == "store" and not self.changed:
            return 0, b"", False
        start = self.changed[0] if self.changed else memory.heap_start
        return memory.bytes_from(start, max([memory.program_break, *[last + 1 for last in self.changed[-1:]]]))

    def call(self):
        """Returns the system call, as strace shows it."""
        if self.name == "brk":
            address = hex(self.arguments[0]) if self.arguments[0] else "NULL"
            return f"brk({address}) = {self.result if self.result < 0 else hex(self.result)}"
        return "write({}, {:#x}, {}) = {}".format(*self.arguments, self.result) if self.name == "write" else ""

    def words_of_brk(self):
        before, after, asked_for = self.before, self.after, self.arguments[0]
        if self.result < 0:
            return "the call fails", f"It returns an error in place of an address: {os.strerror(-self.result)}."
        if asked_for not in (0, self.result):
            reason = "Nothing is in the way. But the program asks for more memory than the kernel promises to it"
            if asked_for < after.heap_start:
                reason = "The break can't be below the start of the heap"
            elif above := [region for region in after.regions if after.end <= region.start < asked_for]:
                reason = f"Other memory is in the way at {above[-1].start:#x} ({above[-1].name.split(';')[0]})"
            return "the kernel refuses to move the break", f"The call returns where the break still is. {reason}."
        if not before.heap_start:
            return "the program break is found", "The heap ends here. It is still empty, so it also starts here."
        mapped, title = after.end - before.end, f"the break moves {self.moved}"
        if not self.moved:
            return "the break stays where it is", "The program has asked for this address."
        if mapped < 0:
            return title, f"The kernel has taken back {size(-mapped)}. An access there would end the program."
        if after.program_break < before.program_break:
            return title, "Only whole pages go back. These bytes can still be accessed."
        if not mapped:
            return title, "The kernel maps whole pages, and this page was mapped before."
        promised = ". These are only promised, and not in memory yet" * (self.faulted_in == 0)
        return title, f"The kernel maps whole pages{promised}."

    def words_of_write(self):
        (fd, address, length), memory = self.arguments, self.after
        if self.result < 0:
            reason = f" {memory.whose(self.failed_at)}" if self.failed_at is not None else ""
            return "nothing is written", f"The call fails: {os.strerror(-self.result)}.{reason}"
        remark, end = f"The kernel has written {self.result:,} of the {size(length)}.", address + self.result
        is_heap = memory.heap_start <= address < max(memory.end, memory.program_break)
        if not is_heap:
            remark += f" The first is {memory.region_at(address)}." * (self.result > 0)
        elif end > memory.program_break:
            remark += f" The last {end - max(address, memory.program_break):,} are not below the break."
        to = {1: "printed", 2: "written to standard error"}.get(fd, f"written to descriptor {fd}")
        return f"{size(self.result)} {'is' if self.result == 1 else 'are'} {to}{' from the heap' * is_heap}", remark

    def words_of_store(self):
        remark, faulted_in = self.change, self.faulted_in
        if faulted_in == PAGE:
            remark += f"A page fault brought {size(faulted_in)} into memory. "
        elif faulted_in is not None:
            remark += f"{size(faulted_in) if faulted_in > 0 else 'Nothing more'} came into memory. "
        if self.changed and self.changed[-1] >= self.after.program_break:
            remark += "The last changed byte is not below the break, but on a mapped page, so nothing stops the store. "
        return "something is stored on the heap", remark.rstrip()

    def words_of_loop(self):
        words = {"brk": ("calls brk", "fails to move the break"), "write": ("prints", "fails to print")}
        parts = [f"{words[name][failed]} {n:,} more time{'s' * (n > 1)}" for (name, failed), n in self.again.items()]
        where = f"has moved {self.moved}" if self.moved else "is where it was"
        changed = f" {self.change}" * bool(self.changed)
        return f"the program {' and '.join(parts)}", f"The last call is shown. The break {where}.{changed.rstrip()}"

    def words_of_fault(self):
        name, address = self.arguments
        if address is None:
            return f"{name} ends the program", "The processor doesn't report the address, if there is one."
        return f"an access to {address:#x} ends the program", f"{name}. {self.after.whose(address)}"
