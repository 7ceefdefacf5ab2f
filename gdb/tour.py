"""A guided tour of ./alloc in gdb: after each step of the program, what the kernel was asked, what it answered, and the
memory as it is now.

    gdb -q -x gdb/tour.py ./alloc        (what `make gdb` does)

All that it shows is read: the registers at each `syscall` instruction, the memory of the process, and its mappings in
/proc/PID/maps. It needs gdb 12 or later, with Python.
"""

import linecache
import os
import re

import gdb

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
    """A system call that has been made: what was asked, and what the kernel answered."""

    def __init__(self, name):
        self.name = name
        self.args = [number(register) for register in ("$rdi", "$rsi", "$rdx")]
        answer = number("$rax")
        self.answer = answer - ((answer >> 63) << 64)

    def __str__(self):
        first, second, third = self.args
        if self.name == "brk":
            asked, answer = f"brk({first:#x})" if first else "brk(NULL)", f"{self.answer:#x}"
        else:
            asked, answer = f"{self.name}({first}, {second:#x}, {third})", self.answer
        return f"asked: {asked}   answered: {answer}"


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
        for name, address in system_calls():
            Watch(address, lambda name=name: self.answered(name))
        for line, address in lines_of_main():
            Watch(address, lambda line=line: self.at(line))

    def forget(self):
        self.pid = process()
        self.heap_start = self.program_break = None
        self.drawn = {}  # the edges of the last picture
        self.touring = self.arrived = False
        self.told()

    def told(self):
        """What is to be told next starts here."""
        self.calls, self.lines, self.bytes = [], set(), self.heap()
        self.old_break = self.program_break

    def current(self):
        """Forgets what it has seen of another process."""
        if self.pid != process():
            self.forget()

    def begin(self):
        """Starts the program, up to the first line of main. Returns whether it got there."""
        stop = gdb.Breakpoint(MAIN, internal=True, temporary=True)
        stop.silent = True
        gdb.execute("run", to_string=True)
        self.forget()
        if stop.is_valid():
            stop.delete()  # a breakpoint of the user's came first
            return False
        picture(self)  # so that the next one marks what is new
        return True

    def answered(self, name):
        self.current()
        call = Call(name)
        self.calls.append(call)
        self.lines.add(line_in_main())
        if name == "brk":
            self.program_break = call.answer
            if self.heap_start is None:
                self.heap_start = call.answer

    def heap(self):
        """The bytes on the heap."""
        return read(self.heap_start, self.program_break - self.heap_start) if self.heap_start else b""

    def at(self, line):
        """The program has come to a line of main. It is to be stopped there if something has happened before it."""
        if not self.touring:
            return False
        # When a call in a line returns, the line itself can be come to again: it is not over before the next one.
        self.arrived = line not in self.lines and bool(self.calls or self.heap() != self.bytes)
        if not self.arrived:
            self.lines.add(line)
        return self.arrived

    def advance(self):
        """Runs to the next line of main before which something has happened: a system call, or a change of the heap.
        Returns whether it got there. If not, it is over, or gdb has just shown why it stopped."""
        self.touring, self.arrived = True, False
        self.lines.add(line_in_main())
        try:
            gdb.execute("continue", to_string=True)
        finally:
            self.touring = False
        return self.arrived and process() != 0

    def step(self):
        """Which step of the article has been made since the last stop, and a remark. By what the kernel has answered."""
        if len(self.calls) == 1:
            call = self.calls[0]
            name, (first, _, third), answer = call.name, call.args, call.answer
            if name == "brk" and first == 0 and answer > 0:
                return STEPS["find"]
            if name == "brk" and first == answer:
                return STEPS["up" if answer > self.old_break else "down"]
            # Not to standard error, which is how a failure is told.
            if name == "write" and first == 1 and answer == third:
                return STEPS["print"]
        if not self.calls:
            return STEPS["store"]
        return STEPS["failure"]


def line_in_main():
    """The line of main that is being run, None outside of main."""
    frame = gdb.newest_frame()
    while frame and frame.name() != MAIN:
        frame = frame.older()
    return frame.find_sal().line if frame else None


def system_calls():
    """(name, address) of where to look at each system call that returns. Its function has the name of the call.

    The instruction behind `syscall` stores rax; the address is that of the one after it, with the registers still as
    the kernel left them. (A breakpoint right behind `syscall` would be where gdb's own `catch syscall` stops, too.)"""
    sections = gdb.execute("info files", to_string=True)
    start, end = (int(address, 16) for address in re.search(r"(0x\w+) - (0x\w+) is \.text", sections).groups())
    code, at, found = read(start, end - start), -1, []
    while (at := code.find(b"\x0f\x05", at + 1)) >= 0:
        block = gdb.current_progspace().block_for_pc(start + at)
        while block and not block.function:
            block = block.superblock
        name = block and block.function.name.split("::")[-1]
        if name in ("brk", "write"):
            listing = gdb.selected_inferior().architecture().disassemble(block.start, block.end - 1)
            found += [
                (name, listing[n + 2]["addr"])
                for n, one in enumerate(listing)
                # The same two bytes may be a part of another instruction.
                if one["addr"] == start + at and "syscall" in one["asm"]
            ]
    return found


def main_block():
    symbol = gdb.lookup_global_symbol(MAIN) or gdb.lookup_static_symbol(MAIN)
    return symbol.symtab, gdb.current_progspace().block_for_pc(int(symbol.value().address))


def lines_of_main():
    """(line, address) of each line of main that the program can come to."""
    symtab, block = main_block()
    found = {}
    for entry in symtab.linetable():
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

    def edge(address, label=""):
        """An address, marked if it is new or has moved since the last picture."""
        edges[label or address] = address
        note = ""
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
    "find": (
        "Step 1 of 5: find the program break",
        "It is where the heap ends. Nothing is on the heap yet: so it starts here, too.",
    ),
    "up": (
        "Step 2 of 5: move the program break up",
        "Four bytes are ours. The kernel maps memory by the page, 4,096 bytes: so the\n"
        "[heap] in /proc/PID/maps is larger than what was asked for. The break tells.",
    ),
    "store": (
        "Step 3 of 5: store something in the new memory",
        "No system call: the memory is ours, and a mov is enough.",
    ),
    "print": (
        "Step 4 of 5: print it from there",
        "The kernel has read the bytes from the heap, and printed them.",
    ),
    "down": (
        "Step 5 of 5: free, move the program break back down",
        "The page is gone with it: to touch it now is a segmentation fault.",
    ),
    "failure": (
        "Not in the article: something was refused",
        "The program tells it on standard error, and goes on to its exit.",
    ),
}


class Command(gdb.Command):
    """A command whose output isn't stopped by gdb's pager, which would take the Enter that is for the next step."""

    def __init__(self):
        super().__init__(self.NAME, gdb.COMMAND_USER)

    def invoke(self, argument, from_tty):
        paged = gdb.parameter("pagination")
        gdb.execute("set pagination off", to_string=True)
        try:
            self.run()
        finally:
            gdb.execute(f"set pagination {'on' if paged else 'off'}", to_string=True)


class TourCommand(Command):
    """Go on to the next step of the program, and draw the memory then.

Type it once, and then Enter alone for each further step. Each stop shows the
lines of src/main.rs that were run, what the kernel was asked and what it
answered, and the memory. Any other command of gdb can come in between. At the
end it starts anew."""

    NAME = "tour"

    def run(self):
        if not process():
            if STORY.begin():
                tell("Before the first step again. Enter, or tour, goes on.")
            return
        STORY.current()
        if not STORY.advance():
            if not process():
                tell("", bold("The end"), "The kernel takes back all that the program had.")
            return
        title, remark = STORY.step()
        source = main_block()[0].fullname()
        tell("", bold(title))
        for line in sorted(line for line in STORY.lines if line):
            tell(f"{line}\t{linecache.getline(source, line).rstrip()}")
        tell(*STORY.calls, "", *picture(STORY), "")
        if STORY.heap():
            tell(*heap_bytes(STORY), "")
        tell(remark)
        STORY.told()


class MemoryCommand(Command):
    """Draw the memory of the process as it is now."""

    NAME = "memory"

    def run(self):
        running()
        tell(*picture(STORY))


class HeapCommand(Command):
    """Show the start of the heap, the program break, and the bytes between."""

    NAME = "heap"

    def run(self):
        running()
        if STORY.heap_start is None:
            raise gdb.GdbError("The program has not asked for the program break yet.")
        length = STORY.program_break - STORY.heap_start
        tell(f"heap start {STORY.heap_start:#x}, program break {STORY.program_break:#x}: {size(length)}")
        tell(*heap_bytes(STORY))


def running():
    if not process():
        raise gdb.GdbError("The program is not being run. To start it, type: tour")
    STORY.current()


if os.environ.get("NO_COLOR"):
    gdb.execute("set style enabled off")
# `step` stays in this project: it doesn't go into core, whose source is not here, nor into packages.
gdb.execute("skip -gfi /rustc/*", to_string=True)
gdb.execute("skip -gfi */registry/src/*", to_string=True)
TourCommand()
MemoryCommand()
HeapCommand()
STORY = Story()
STORY.begin()
tell(
    "This is ./alloc, before its first step. For the next one type tour, then Enter.",
    "In between: memory, heap, any command of gdb. More about them: help user-defined",
)
