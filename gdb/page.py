"""Records alloc, bump, free_list or malloc for docs/index.html, in place of what the page has of this program.

    gdb -q -nx -batch -x gdb/page.py target/debug/bump        (`make page` does this for each of them)
"""

import ctypes
import linecache
import os
import re
import sys
from array import array
from html import escape
from itertools import groupby

import gdb

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True  # no __pycache__ beside the scripts
sys.path.insert(0, HERE)
from event import COMPARED, c_characters, size  # beside this file
from process import Place, Process, pid  # beside this file

gdb.execute("set host-charset UTF-8")  # the path of the program, in any locale
PR_SET_THP_DISABLE = 41
# What a byte of the heap can be. The first one of each block in use has a capital letter.
KINDS = {"u": "in use", "f": "free", "n": "never used", "b": "not asked for"}
NAME = os.path.basename(gdb.current_progspace().filename)
if NAME == "bump":
    KINDS["f"] = "freed, but lost"


def allocator_call(frame):
    """A call of one of Rust's functions for the heap, as text, and its arguments, but for the alignment."""
    symbols = [symbol for symbol in frame.block() if symbol.is_argument and symbol.name != "align"]
    values = {symbol.name: int(symbol.value(frame)) for symbol in symbols}
    shown = ", ".join(hex(value) if name == "ptr" else str(value) for name, value in values.items())
    return f"{frame.name().split('__rust_')[1]}({shown})", values


class Recorder(Process):
    """A process whose heap is watched, too: what the program asks of its allocator, and what it gets."""

    def __init__(self, has_allocator):
        super().__init__()
        # A letter for each byte of the heap. Without an allocator, all that the program asks for is in use.
        self.heap, self.fresh = bytearray(), b"n" if has_allocator else b"u"
        self.calls, self.blocks = [], []  # of the allocator since the last step, and the memory that they are about
        for name in ["alloc", "alloc_zeroed", "realloc", "dealloc"] if has_allocator else []:
            # It is in the block `_` that `#[global_allocator]` makes.
            function = f"{NAME}::_::__rust_{name}"
            block = gdb.block_for_pc(gdb.decode_line(function)[1][0].pc)
            code = gdb.selected_inferior().architecture().disassemble(block.start, block.end - 1)
            # The result is there after the last call in the function. A block is not in use while it is being freed.
            result = [after["addr"] for at, after in zip(code, code[1:]) if at["asm"].startswith("call")][-1]
            Place(function if name == "dealloc" else f"*{result:#x}", self.guarded(self.on_block))

    def on_block(self):
        frame = gdb.newest_frame()
        call, values = allocator_call(frame)
        blocks = [(values["ptr"], b"f" * values["size"])] if "ptr" in values else []
        if "dealloc" not in call:
            start = int(frame.read_register("rax"))
            blocks.append((start, b"U".ljust(values.get("new_size", values["size"]), b"u")))
            call += f" = {start:#x}"
        self.calls.append(call)
        for start, letters in blocks:
            at = start - self.now.heap_start
            self.heap[at : at + len(letters)] = letters
            self.blocks.append((start, start + len(letters)))

    def notice_store(self):
        count = self.count
        super().notice_store()
        if self.count == count and self.calls:
            self.add("store", (), 0, self.look(self.now))

    def add(self, name, arguments, result, now):
        super().add(name, arguments, result, now)
        event, frame = self.events[-1], gdb.newest_frame()
        while frame:
            # The call of the allocator has not returned yet.
            if "__rust_" in (frame.name() or ""):
                call = allocator_call(frame)[0]
                self.calls = [other for other in self.calls if other != call] + [f"{call} …"]
            frame = frame.older()
        if name == "store" and self.calls:
            what = "freed" if all("dealloc" in call for call in self.calls) else "handed out"
            if what == "freed" or not any("dealloc" in call for call in self.calls):
                event.title = f"a block is {what}" if len(self.calls) == 1 else f"{len(self.calls):,} blocks are {what}"
        self.heap = self.heap[: now.asked_for].ljust(now.asked_for, self.fresh)
        self.blocks += [(address, address + 1) for address in event.changed]
        event.calls, event.parts = self.calls, list(self.parts(now.heap))
        self.calls, self.blocks = [], []

    def parts(self, heap):
        """The parts of the heap from the bottom up: where each starts and ends, its kind, whether it is in memory, and
        whether the step is about it."""
        shown = self.heap.ljust(heap.end - heap.start, b"b")
        if len(shown) > COMPARED:
            # In a heap that large, neighbours are shown as one, with less than a page between them.
            shown = re.sub(rb"([Uuf])n{1,4095}(?=[Uf])", lambda gap: gap[1] * len(gap[0]), shown).lower()
        page, start = os.sysconf("SC_PAGE_SIZE"), 0
        with open(f"/proc/{pid()}/pagemap", "rb") as file:
            file.seek(heap.start // page * 8)
            pages = array("Q", file.read(len(shown) // page * 8))
        # Bit 56 is for a page that no other process has. gdb's reading can map the page of zeros, which all have.
        for is_there, run in groupby(pages, lambda bits: bits >> 56 & 1):
            end = start + len(list(run)) * page
            for part in re.finditer(rb"Uu*|u+|f+|n+|b+", shown[start:end]):
                low, high = (heap.start + start + at for at in part.span())
                kind = part[0][:1].lower().decode()
                yield low, high, kind, is_there, any(a < high and low < b for a, b in self.blocks if kind != "n")
            start = end


def row(share, kind, address, words, edge=""):
    """A part of the memory, with what is written inside and at its upper edge."""
    kind += " break" * (edge == "program break")
    address = address and f"<code>{address:#x}</code>"
    return f'<li class="{kind}" style="flex-grow:{share:g}">{address}<b>{words}</b>{edge and f"<i>{edge}</i>"}'


def rows(event, top):
    """The memory after an event, from the highest address down. The heap of this program has up to `top` bytes."""
    memory, heap = event.after, event.after.heap
    places = {region.name: region for region in memory.regions}
    stack, program = places["stack; grows down"], places["program"]
    # Zeroed data may lie between, which a kernel before 6.6 counts as heap.
    if heap.start - program.end > 65536:
        raise gdb.GdbError("the heap is not right above the program: gdb can't switch address randomisation off")
    yield row(0, "part", stack.end, "stack")
    gap = round(100 - 100 * (heap.end - heap.start) / top, 1)
    yield row(gap, "gap", stack.start, f"the gap, {size(stack.start - heap.end)}")
    edges = {heap.start: "heap start", heap.end: "end of the page", memory.program_break: "program break"}
    for low, high, kind, is_there, is_marked in reversed(event.parts):
        share = round(100 * (high - low) / top, 1)
        # The smallest parts have no room for words.
        is_named = is_marked or share >= 6 or high in edges
        words = f"{size(high - low)} {KINDS[kind]}" if is_named else ""
        kind += " promised" * (not is_there) + " marked" * is_marked + " named" * is_named
        yield row(share, kind, high if is_named else "", words, edges.get(high, ""))
    yield row(0, "part", heap.start, "program", edges[heap.start])
    yield f'<li class="bottom"><code>{program.start:#x}</code>'


def section(event, step, top):
    """A step: what happens, in words, and the memory after that."""
    calls = event.calls[:8] + [f"… {len(event.calls):,} calls in all"] * (len(event.calls) > 8)
    calls = "<br>".join(call for call in [*calls, event.call()] if call)
    lines, data = " ".join(str(line) for line, _ in event.lines), ""
    for address in [*event.arguments[1:2], *event.changed][:1]:
        at, data, is_more = event.after.row(address)
        data = f"{at:#x}: {data.hex(' ')} = {escape(' '.join(c_characters(data)))}{' …' * is_more}"
    yield f'<section data-step="{step}" data-lines="{lines}"{" hidden" * (step != "alloc/1")}>'
    yield f'<div class="words"><h3>Step {event.number}: {event.title}</h3><p><code>{calls}</code>'
    yield f"<p>{event.remark}<p>{event.after.state()}<p><code>{data}</code></div>"
    yield '<ul aria-label="The memory after this step, from the highest address down">'
    yield from rows(event, top)
    yield "</ul></section>"


def record(name):
    """Runs the program, and returns the lines that the page has of it: its steps, and the source of main."""
    gdb.execute("set args > /dev/null")
    # Where there are huge pages, what comes into memory would depend on the machine.
    ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)
    process, events = Recorder(name != "alloc"), []
    while event := process.advance():
        events.append(event)
    if not events or pid():
        raise gdb.GdbError("the program did not run to its end, or did not ask for memory")
    top = max(event.after.heap.end - event.after.heap.start for event in events)
    for event in events:
        yield from section(event, f"{name}/{event.number}", top)
    main = gdb.decode_line("main")[1][0]
    yield f'<div><p><code>main</code> in {main.symtab.filename}<pre tabindex="0">'
    for line in range(main.line, max(process.places) + 1):
        yield f'<span data-line="{line}">{escape(linecache.getline(process.file, line).rstrip())}</span>'
    yield "</pre></div>"


try:
    steps = "\n".join(record(NAME))
except Exception as error:
    # gdb goes on after an error in a script, and `-batch` ends it with status 0 in gdb 13.
    print(f"page: {error}", file=sys.stderr)
    gdb.execute("quit 1")
path = os.path.join(os.path.dirname(HERE), "docs", "index.html")
with open(path, encoding="utf-8") as file:
    before, after = file.read().split(f"<!-- {NAME} -->\n")
with open(path, "w", encoding="utf-8") as file:
    file.write(f"{before}<!-- {NAME} -->\n{steps}\n{after[after.index('</article>'):]}")
