"""Records a run of alloc, bump, free_list or malloc: its part of docs/index.html, and of alloc also docs/memory.svg.

    gdb -q -nx -batch -x gdb/record.py target/debug/bump        (`make docs` does this for each of them)
"""

import sys
from pathlib import Path

import gdb
from gdb.FrameIterator import FrameIterator

HERE = Path(__file__).absolute().parent
sys.dont_write_bytecode = True  # no __pycache__ beside the scripts
sys.path.insert(0, str(HERE))
import page  # beside this file
import picture  # beside this file
from event import Call  # beside this file
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
            # The result is there after the last call in the function.
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


gdb.execute("set host-charset UTF-8")  # the path of the program, in any locale
gdb.execute("set confirm off")  # after a failure, there may still be a process
gdb.execute("set args > /dev/null")
NAME = Path(gdb.current_progspace().filename).name
HTML, SVG = (HERE.parent / "docs" / name for name in ["index.html", "memory.svg"])
try:
    process = Recorder(NAME)
    events = [*iter(process.advance, None)]
    if not events or pid():
        raise gdb.GdbError("the program did not run to its end, or did not ask for memory")
    top = max(1, *(event.after.mapped for event in events))  # as large as the heap ever is
    files = {HTML: page.replace(HTML.read_text("utf-8"), NAME, events, process, top)}
    if NAME == "alloc":
        files[SVG] = picture.replace(SVG.read_text("utf-8"), events, top)
except Exception as error:
    # gdb goes on after an error in a script, and `-batch` ends it with status 0 in gdb 13.
    print(f"record: {error}", file=sys.stderr)
    gdb.execute("quit 1")
for file, text in files.items():
    file.write_text(text, "utf-8")
