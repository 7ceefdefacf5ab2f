"""A guided tour of ./alloc in gdb: after each step of the program, what the kernel was asked, what it answered, and the
memory as it is now.

    gdb -q -x gdb/tour.py ./alloc        (what `make gdb` does)

All that it shows is read: the registers at each `syscall` instruction, the memory of the process, and its mappings in
/proc/PID/maps. It needs gdb 12 or later, with Python.
"""

import os
import re

import gdb

NAMES = {1: "write", 12: "brk", 60: "exit"}  # man 2 syscalls; the numbers are those of x86-64
MAIN = "alloc::main"
WIDTH = 44  # of the picture, from border to border


def number(expression):
    return int(gdb.parse_and_eval(expression)) & 0xFFFF_FFFF_FFFF_FFFF


def process():
    """The process's number, 0 if there is none."""
    return gdb.selected_inferior().pid


def read(start, length):
    return gdb.selected_inferior().read_memory(start, length).tobytes()


def size(length):
    """A length as a person says it."""
    if length < 16 * 1024:
        return f"{length:,} byte" + "s" * (length != 1)
    for unit in ["KiB", "MiB", "GiB", "TiB"]:
        length /= 1024
        if length < 1024:
            break
    return f"{length:.4g} {unit}"


def text(data):
    """Bytes as C writes them."""
    escapes = {0: "\\0", 10: "\\n"}
    return " ".join(escapes.get(byte) or (chr(byte) if 32 < byte < 127 else ".") for byte in data)


def tell(*lines):
    gdb.write("".join(f"{line}\n".replace(" \n", "\n") for line in lines))


def bold(line):
    colour = os.isatty(1) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return f"\033[1m{line}\033[m" if colour else line


class Call:
    """A system call: what was asked, and what the kernel answered."""

    def __init__(self):
        self.name = NAMES.get(number("$rax"), "another call")
        self.args = [number(register) for register in ("$rdi", "$rsi", "$rdx")]
        self.result = None

    def __str__(self):
        first, second, third = self.args
        if self.name == "brk":
            return f"brk({first:#x})" if first else "brk(NULL)"
        return f"write({first}, {second:#x}, {third})" if self.name == "write" else f"{self.name}({first})"

    def answer(self):
        signed = self.result - ((self.result >> 63) << 64)
        return f"{self.result:#x}" if self.name == "brk" and signed > 0 else str(signed)


class Watch(gdb.Breakpoint):
    """Asks `note` whenever the program comes to an address. It stops there, without a word, if the answer is True."""

    def __init__(self, address, note):
        super().__init__(f"*{address:#x}", internal=True)
        self.silent = True
        self.note = note

    def stop(self):
        return self.note() is True


class Story:
    """What has been seen of the process so far."""

    def __init__(self):
        self.forget()
        for address in system_calls():
            Watch(address, self.asked)
            Watch(address + 2, self.answered)
        self.lines = {line: Watch(address, lambda line=line: self.at(line)) for line, address in lines_of_main()}
        self.before = None  # the heap's bytes at the last stop of the tour, while it goes on to the next

    def forget(self):
        self.pid = process()
        self.calls = []  # since the last stop of the tour
        self.passed = set()  # the lines of main, likewise
        self.heap_start = self.program_break = None
        self.drawn = {}  # the edges of the last picture

    def begin(self):
        """Starts the program, up to the first line of main."""
        gdb.Breakpoint(MAIN, internal=True, temporary=True).silent = True
        gdb.execute("run", to_string=True)
        self.forget()
        picture(self)  # so that the next one marks what is new

    def asked(self):
        if self.pid != process():
            self.forget()
        self.calls.append(Call())
        frame = gdb.newest_frame()
        while frame.name() != MAIN:
            frame = frame.older()
        self.passed.add(frame.find_sal().line)

    def answered(self):
        call = self.calls[-1]
        call.result = number("$rax")
        if call.name == "brk":
            self.program_break = call.result
            if self.heap_start is None:
                self.heap_start = call.result

    def heap(self):
        """The bytes on the heap."""
        return read(self.heap_start, self.program_break - self.heap_start) if self.heap_start else b""

    def at(self, line):
        """The program has come to a line of main. To stop there is right if something has happened before it."""
        if self.before is None:
            return False
        # When a call in a line returns, the line itself can be come to again: it is not over before the next one.
        if line not in self.passed and (self.calls or self.heap() != self.before):
            return True
        self.passed.add(line)
        return False

    def advance(self):
        """Runs to the next line of main before which something has happened: a system call, or a change of the heap.
        Returns whether it got there, or to the end; if not, gdb has just shown why."""
        self.before, self.calls, self.passed = self.heap(), [], {gdb.selected_frame().find_sal().line}
        try:
            gdb.execute("continue", to_string=True)
        finally:
            self.before = None
        if not process():
            return True
        return gdb.selected_frame().pc() in [int(watch.location[1:], 16) for watch in self.lines.values()]


def system_calls():
    """The address of each `syscall` instruction of the program, found by disassembling its functions."""
    sections = gdb.execute("info files", to_string=True)
    start, end = (int(address, 16) for address in re.search(r"(0x\w+) - (0x\w+) is \.text", sections).groups())
    code, at, found = read(start, end - start), -1, []
    while (at := code.find(b"\x0f\x05", at + 1)) >= 0:
        block = gdb.current_progspace().block_for_pc(start + at)
        while block and not block.superblock.is_static:
            block = block.superblock  # outwards, to the function itself
        if block:
            listing = gdb.selected_inferior().architecture().disassemble(block.start, block.end - 1)
            # The same two bytes may be a part of another instruction.
            found += [one["addr"] for one in listing if one["addr"] == start + at and "syscall" in one["asm"]]
    return found


def lines_of_main():
    """(line, address) of each line of main that the program can come to."""
    symbol = gdb.lookup_global_symbol(MAIN) or gdb.lookup_static_symbol(MAIN)
    block = gdb.current_progspace().block_for_pc(int(symbol.value().address))
    found = {}
    for entry in symbol.symtab.linetable():
        if block.start < entry.pc < block.end:
            found.setdefault(entry.line, entry.pc)
    return found.items()


def mappings():
    """(start, end, name) of each mapping of the process, from the lowest address up."""
    with open(f"/proc/{process()}/maps") as maps:
        for line in maps:
            addresses, _, _, _, _, *name = line.split(maxsplit=5)
            start, end = (int(address, 16) for address in addresses.split("-"))
            yield start, end, "".join(name).strip()


def picture(story):
    """The article's picture, high addresses on top: a list of lines."""
    utf8 = "UTF-8" in gdb.execute("show host-charset", to_string=True).upper()
    line, side, empty, left = "─│┆◄" if utf8 else "-|:<"
    maps = list(mappings())
    named = {name: (start, end) for start, end, name in maps}
    program = [(start, end) for start, end, name in maps if name == gdb.current_progspace().filename]
    bottom, top = program[0][0], program[-1][1]
    stack, heap = named["[stack]"], named.get("[heap]")
    end_of_heap = heap[1] if heap else story.program_break or top
    kernels = " ".join(name for start, _, name in maps if top <= start < stack[0] and name in ("[vvar]", "[vdso]"))
    edges, lines = {}, []

    def edge(address, label="", note=""):
        """An address, marked if it is new or has moved since the last picture."""
        edges[label or address] = address
        if story.drawn:
            before = story.drawn.get(label or address)
            note = "new" if before is None else f"moved by {address - before:+}" if before != address else ""
        ruler = f"{line * 2} {label} ".ljust(WIDTH, line) if label else line * WIDTH
        row = f"0x{address:012x} {ruler}" + f" {left} {note}" * bool(note)
        lines.append(bold(row) if note else row)

    def room(label, border=side):
        lines.append(f"{'':14} {border} {label:<{WIDTH - 3}}{border}")

    edge(stack[1])
    room(f"stack, {size(stack[1] - stack[0])}; grows down")
    edge(stack[0])
    room(f"the gap, {size(stack[0] - end_of_heap)}", empty)
    if kernels:
        room(f"and in it the kernel's {kernels}", empty)
    if story.program_break is None:
        room("somewhere here, the heap", empty)
    else:
        if heap and heap[1] != story.program_break:
            edge(heap[1], "end of the page")
            room(f"not asked for, {size(heap[1] - story.program_break)}")
        edge(story.program_break, "program break")
        if story.program_break > story.heap_start:
            room(f"heap, {size(story.program_break - story.heap_start)}")
            edge(story.heap_start, "heap start")
        if story.heap_start > top:
            room(f"nothing, {size(story.heap_start - top)}", empty)
    if story.heap_start != top:
        edge(top)
    room(f"program, {size(top - bottom)}: code and data")
    edge(bottom)
    gone = [label for label in story.drawn if isinstance(label, str) and label not in edges]
    if gone:
        lines.append(bold(f"{'':14} {left} gone: {', '.join(gone)}"))
    story.drawn = edges
    return lines


def heap_bytes(story):
    """The bytes of the heap, as hex and as text: a list of lines."""
    data = story.heap()
    lines = [
        f"0x{story.heap_start + at:012x}  {data[at:at + 16].hex(' '):<47}  {text(data[at:at + 16])}"
        for at in range(0, min(len(data), 256), 16)
    ]
    return lines + ["..."] * (len(data) > 256)


STEPS = {
    "brk": {
        0: ("1 of 5: find the program break", "It is where the heap ends. Nothing is on the heap yet: so it starts here, too."),
        +1: (
            "2 of 5: move the program break up",
            "Four bytes are ours. The kernel maps memory by the page, 4,096 bytes: so the\n"
            "[heap] in /proc/PID/maps is larger than what was asked for. The break tells.",
        ),
        -1: ("5 of 5: free, move the program break back down", "The page is gone with it: to touch it now is a segmentation fault."),
    },
    "store": ("3 of 5: store something in the new memory", "No system call: the memory is ours, and a mov is enough."),
    "write": ("4 of 5: print it from there", "The kernel has read the three bytes from the heap, and printed them."),
}


class TourCommand(gdb.Command):
    """Go on to the next step of the program, and draw the memory then.

Type it once, and then Enter alone for each further step. Each stop shows the
lines of src/main.rs that were run, what the kernel was asked and what it
answered, and the memory. Any other command of gdb can come in between. At the
end it starts anew."""

    def __init__(self):
        super().__init__("tour", gdb.COMMAND_USER)

    def invoke(self, argument, from_tty):
        if not process():
            STORY.begin()
            tell("Before the first step again. Enter, or tour, goes on.")
            return
        old_break = STORY.program_break
        if not STORY.advance():
            return
        if not process():
            tell("", bold("The end"), *asked(), "The kernel takes back all that the program had.")
            return
        call = STORY.calls[-1] if STORY.calls else None
        step = STEPS[call.name if call else "store"]
        if call and call.name == "brk":
            step = step[0 if not call.args[0] else 1 if call.args[0] > old_break else -1]
        title, remark = step
        tell("", bold(f"Step {title}"))
        for line in sorted(STORY.passed):
            tell(gdb.execute(f"list {line},{line}", to_string=True).rstrip())
        tell(*asked(), "", *picture(STORY), "")
        if STORY.heap():
            tell(*heap_bytes(STORY), "")
        tell(remark)


def asked():
    """What the kernel was asked since the last stop, and what it answered."""
    for call in STORY.calls:
        yield f"asked: {call}" + (f"   answered: {call.answer()}" if call.result is not None else "")


class MemoryCommand(gdb.Command):
    """Draw the memory of the process as it is now."""

    def __init__(self):
        super().__init__("memory", gdb.COMMAND_USER)

    def invoke(self, argument, from_tty):
        running()
        tell(*picture(STORY))


class HeapCommand(gdb.Command):
    """Show the start of the heap, the program break, and the bytes between."""

    def __init__(self):
        super().__init__("heap", gdb.COMMAND_USER)

    def invoke(self, argument, from_tty):
        running()
        if STORY.heap_start is None:
            raise gdb.GdbError("The program has not asked for the program break yet.")
        length = STORY.program_break - STORY.heap_start
        tell(f"heap start {STORY.heap_start:#x}, program break {STORY.program_break:#x}: {size(length)}")
        tell(*heap_bytes(STORY))


def running():
    if not process():
        raise gdb.GdbError("The program is not being run. To start it, type: tour")
    if STORY.pid != process():
        STORY.forget()


TourCommand()
MemoryCommand()
HeapCommand()
# `step` stays in this project: it doesn't go into core, whose source is not here, nor into packages.
gdb.execute("skip -gfi /rustc/*", to_string=True)
gdb.execute("skip -gfi */registry/src/*", to_string=True)
STORY = Story()
STORY.begin()
tell(
    "This is ./alloc, before its first step. For the next one type tour, then Enter.",
    "In between: memory, heap, any command of gdb. More about them: help user-defined",
)
