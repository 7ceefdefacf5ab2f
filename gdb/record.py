"""Records a run of alloc, bump, free_list or malloc in docs/index.html, and a run of alloc in docs/memory.svg, too.
`make docs` does this for each of them."""

import sys
from html import escape
from pathlib import Path

import gdb
from gdb.FrameIterator import FrameIterator

HERE = Path(__file__).absolute().parent
sys.dont_write_bytecode = True  # no __pycache__ beside the scripts
sys.path.insert(0, str(HERE))
import picture  # beside this file
from event import Call, dump, size  # beside this file
from process import Process, arguments_of, pid  # beside this file


class Recorder(Process):
    """A process of which more is seen: what it asks of its allocator, and what a free list keeps in its free blocks."""

    def __init__(self, name):
        super().__init__(joins_loops=name == "alloc")
        self.has_free_list = name == "free_list"
        for function in ["alloc", "alloc_zeroed", "realloc", "dealloc"] if name != "alloc" else []:
            # It is in the block `_` that `#[global_allocator]` makes.
            block = gdb.block_for_pc(gdb.decode_line(f"{name}::_::__rust_{function}")[1][0].pc)
            code = gdb.selected_inferior().architecture().disassemble(block.start, block.end - 1)
            # The result is in rax after the last call in the function.
            result = [after["addr"] for at, after in zip(code, code[1:]) if at["asm"].startswith("call")][-1]
            self.call_at(gdb.Breakpoint, f"*{result:#x}", self.on_block)

    def call(self, frame, result):
        """Returns a call of one of Rust's functions for the heap."""
        return Call(frame.name().split("__rust_")[1], arguments_of(frame), result)

    def on_block(self, breakpoint):
        frame = gdb.newest_frame()
        result = 0 if "dealloc" in frame.name() else int(frame.read_register("rax"))
        self.calls.append(self.call(frame, result))

    def add(self, *event, now=None):
        frames = [frame for frame in FrameIterator(gdb.newest_frame()) if "__rust_" in (frame.name() or "")]
        self.calls += [self.call(frame, None) for frame in frames]  # which have not returned yet
        super().add(*event, now=now)

    def memory_now(self):
        memory = super().memory_now()
        free = self.has_free_list and gdb.parse_and_eval("free_list::HEAP")["first"]["value"]["value"]
        while free:
            memory.free.append((int(free), int(free["end"]), int(free["next"])))
            free = free["next"]
        return memory


def blocks(events, name):
    """Returns for each event the blocks then, from the bottom up: where each starts and ends, and its kind."""
    used, freed = {}, {}
    for event in events:
        being_freed, memory = [], event.after
        for call in event.calls:
            block, size = call.arguments.get("ptr"), call.arguments.get("new_size", call.arguments["size"])
            if call.result is None:
                being_freed += [block] * (call.name == "dealloc")
            elif block in used:
                freed[block] = used.pop(block)
            if call.result:
                used[call.result], end = size, call.result + size
                freed = {at: size for at, size in freed.items() if at + size <= call.result or end <= at}
        found = [(at, at + size, "d" if at in being_freed else "u") for at, size in used.items()]
        # A free list says itself what is free. Without an allocator, all that the program asks for is in use.
        free = memory.free if name == "free_list" else [(at, at + size) for at, size in freed.items()]
        found += [(low, high, "f") for low, high, *_ in free]
        found += [(memory.heap_start, memory.program_break, "u")] * (name == "alloc")
        # The break may have moved down since.
        end = memory.program_break
        yield sorted((low, min(high, end), kind) for low, high, kind in found if low < min(high, end))


def page(html, name, steps, process, top):
    """Returns the page with the part about this program replaced by another one. The program's process has ended."""
    before, after = html.split(f"<!-- {name} -->\n")
    lines = [f"{before}<!-- {name} -->"]
    for event, now in steps:
        calls = "<br>".join(filter(None, [*map(str, event.calls), event.call()]))
        numbers = " ".join(str(line) for line, _ in event.lines)
        in_use = sum(high - low for low, high, kind in now if kind == "u")
        lines.append(f'<section id="{name}/{event.number}" data-lines="{numbers}"><div class="words">')
        lines.append(f"<h3>Step {event.number} of {len(steps)}: {event.title}</h3>")
        lines.append(f'<p class="calls"><code>{calls}</code><p class="remark">{event.remark}')
        if name == "alloc" and event.name != "brk":
            lines += [f"<br><code>{escape(line.strip())}</code>" for line in dump(*event.shown())]
        lines.append(f'<p class="key"><b class="break">break +{event.after.asked_for:,}</b>')
        mapped = f'<b class="mem">in memory {event.after.in_memory() or 0:,}</b>'
        lines.append(f'{mapped} <b class="u">in use {size(in_use)}</b></div>')
        lines.append('<svg viewBox="-18 0 362 322" role="group" aria-label="The memory"><use href="#frame"/>')
        lines += [*picture.draw(event, name, now, top), "</svg>\n</section>"]
    lines.append(f'<div class="source"><p><code>main</code> in {process.file}<pre tabindex="0">')
    lines += [f'<span data-line="{number}">{escape(line)}</span>' for number, line in process.source.items()]
    lines.append('</pre></div><div class="output"><p>What it has printed, and after which step<pre tabindex="0">')
    printed = [(event.number - (event.name != "write"), event.output) for event, _ in steps]
    for number, text in [*printed, (len(steps), process.output)]:
        lines += [f'<span data-step="{number}">{escape(line)}</span>' for line in text.decode().splitlines()]
    return "\n".join([*lines, f"</pre></div>\n{after[after.index('</article>'):]}"])


gdb.execute("set confirm off")  # after a failure, there may still be a process
gdb.execute("set args > /dev/null")
NAME = Path(gdb.current_progspace().filename).name
HTML, SVG = (HERE.parent / "docs" / name for name in ["index.html", "memory.svg"])
try:
    process = Recorder(NAME)
    events = [*iter(process.advance, None)]
    if not events or pid():
        raise gdb.GdbError("the program did not run to its end, or did not ask for memory")
    steps, top = [*zip(events, blocks(events, NAME))], max(1, *(event.after.mapped for event in events))
    texts = {HTML: page(HTML.read_text("utf-8"), NAME, steps, process, top)}
    if NAME == "alloc":
        texts[SVG] = picture.replace(SVG.read_text("utf-8"), steps, top)
    for file, text in texts.items():
        file.write_text(text, "utf-8")
except Exception as error:
    # gdb goes on after an error in a script, and `-batch` ends it with status 0 in gdb 13.
    print(f"record: {error}", file=sys.stderr)
    gdb.execute("quit 1")
