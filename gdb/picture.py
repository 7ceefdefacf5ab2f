"""Records a run of ./alloc, and draws it as docs/memory.svg: its memory, in which the five steps happen in turn.

    gdb -q -nx -batch -x gdb/picture.py ./alloc        (what `make picture` does)

The picture moves by CSS alone: each step has a fifth of the time. A viewer who prefers reduced motion sees the third
step.
"""

import os
import sys
import textwrap
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import gdb

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True  # no __pycache__ beside the scripts
sys.path.insert(0, HERE)
from process import STEPS, Memory, Process, c_characters, size, source  # beside this file

SECONDS = 12
STILL = 3  # the step that is shown without motion
LEFT, RIGHT = 172, 340  # the borders of the memory
STACK, GAP, HIGH, LOW, PROGRAM = 40, 92, 236, 300, 364  # where its parts end, from the top down; STACK is the top

STYLE = """
svg { --ground: #ffffff; --line: #8c959f; --text: #1f2328; --quiet: #57606a; --strong: #0550ae; --part: #f6f8fa;
  --heap: #ddf4ff }
@media (prefers-color-scheme: dark) { svg { --ground: #0d1117; --line: #6e7681; --text: #e6edf3; --quiet: #9198a1;
  --strong: #79c0ff; --part: #161b22; --heap: #0c2d6b } }
text { font: 17px system-ui, sans-serif; fill: var(--text) }
.code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 16px }
.quiet { fill: var(--quiet) } .strong { fill: var(--strong); font-weight: 600 }
.right { text-anchor: end } .middle { text-anchor: middle }
.ground { fill: var(--ground) } .part { fill: var(--part); stroke: var(--line) }
.heap { fill: var(--heap); stroke: var(--strong) } .now { fill: var(--heap); rx: 5px }
.edge { stroke: var(--line); fill: none } .break { stroke: var(--strong); stroke-width: 3 }
"""


def record():
    """Runs the program. Returns, for each step, what happened, and the bytes of the heap and the memory after it."""
    gdb.execute("set args > /dev/null")
    process = Process()
    if not process.start():
        raise gdb.GdbError("the program did not reach main")
    steps = []
    while events := process.advance():
        steps += [(event, process.heap(), Memory(process)) for event in events]
    if [event.step for event, _, _ in steps] != list(STEPS):
        raise gdb.GdbError("the program did not go through the five steps")
    return steps


class Svg:
    def __init__(self):
        self.body, self.rules = [], {}

    def text(self, x, y, content, kind=""):
        self.body.append(f'<text x="{x}" y="{y}" class="{kind}">{escape(content)}</text>')

    def rectangle(self, x, top, width, bottom, kind):
        self.body.append(f'<rect x="{x}" y="{top}" width="{width}" height="{bottom - top}" class="{kind}"/>')

    def line(self, x, y, end, kind):
        self.body.append(f'<path d="M{x} {y}H{end}" class="{kind}"/>')

    def during(self, first, last):
        """Shows what follows, up to `end`, from the start of one step to the end of another."""
        still = f"opacity: {int(first <= STILL <= last)}"
        self.moving(f"from{first}to{last}", still, "opacity: 0", "opacity: 1", first, last)

    def moving(self, name, still, off, on, first, last, wait=1, time=1):
        """Changes a property of what follows, up to `end`, at the start of one step, and changes it back at the end of
        another. The first change waits until what was there before has gone. (`wait` and `time` are in hundredths of
        the whole time.) In a picture without motion, the property is `still`."""
        start, end = (first - 1) * 20, last * 20
        before = f"0%, {start + wait}% {{ {off} }} {start + wait + time}%" if start else "0%"
        after = f" {end + time}%, 100% {{ {off} }}" if end < 100 else ""
        self.rules[name] = (
            f".{name} {{ {still} }}\n"
            f"@keyframes {name} {{ {before}, {end}% {{ {on} }}{after} }}\n"
            "@media (prefers-reduced-motion: no-preference) "
            f"{{ .{name} {{ animation: {name} {SECONDS}s infinite }} }}\n"
        )
        self.body.append(f'<g class="{name}">')

    def end(self):
        self.body.append("</g>")


def draw(steps):
    """Returns the text of the file."""
    svg, memory = Svg(), steps[1][2]
    start, high = memory.heap_start, memory.program_break
    if start != memory.program[1]:
        raise gdb.GdbError(
            "the heap is not right above the program: gdb could not switch address randomisation off "
            "(in a container, a filter of system calls may refuse personality(ADDR_NO_RANDOMIZE))"
        )
    middle = (LEFT + RIGHT) / 2

    # The memory, with high addresses on top.
    def address(value, y):
        svg.text(LEFT - 10, y + 6, f"{value:#x}", "code right quiet")

    svg.rectangle(LEFT, STACK, RIGHT - LEFT, GAP, "part")
    svg.text(middle, (STACK + GAP) / 2 + 6, "stack", "middle")
    address(memory.stack[1], STACK)
    address(memory.stack[0], GAP)
    svg.body.append(f'<path d="M{LEFT} {GAP}V{LOW}M{RIGHT} {GAP}V{LOW}" class="edge" stroke-dasharray="3 5"/>')
    svg.text(middle, (GAP + HIGH) / 2, f"the gap, {size(memory.stack[0] - high)}", "middle quiet")
    svg.text(middle, (GAP + HIGH) / 2 + 24, "(not to scale)", "middle quiet")
    svg.rectangle(LEFT, LOW, RIGHT - LEFT, PROGRAM, "part")
    svg.text(middle, (LOW + PROGRAM) / 2 + 6, "program", "middle")
    address(start, LOW)
    address(memory.program[0], PROGRAM)

    # The heap is there from step 2 to step 4, with the bytes that are in it after each step.
    width = (RIGHT - LEFT) / (high - start)
    svg.moving("growing", f"transform-origin: 0 {LOW}px", "transform: scaleY(0)", "transform: none", 2, 4, 0, 3)
    for at in range(high - start):
        svg.rectangle(LEFT + at * width, HIGH, width, LOW, "heap")
    svg.end()
    svg.during(2, 4)
    address(high, HIGH)
    svg.text(RIGHT + 10, (HIGH + LOW) / 2 + 6, f"heap, {size(high - start)}")
    svg.text(RIGHT + 10, LOW + 6, "heap start", "quiet")
    svg.end()
    for first, last in [(2, 2), (3, 4)]:
        svg.during(first, last)
        for at, character in enumerate(c_characters(steps[first - 1][1])):
            svg.text(LEFT + (at + 0.5) * width, (HIGH + LOW) / 2 + 6, character, "code middle")
        svg.end()

    # The break moves up in step 2, and down in step 5.
    up = f"transform: translateY({HIGH - LOW}px)"
    svg.moving("moving", up, "transform: none", up, 2, 4, 0, 3)
    svg.line(LEFT - 4, LOW, RIGHT + 4, "break")
    svg.text(RIGHT + 10, LOW + 6, "program break", "strong")
    svg.end()

    # The steps, and what happens in each.
    svg.line(24, 392, 616, "edge")
    y = STACK + 6
    for number, (name, (event, _, _)) in enumerate(zip(STEPS.values(), steps), 1):
        lines = textwrap.wrap(name, 26)
        svg.during(number, number)
        svg.rectangle(RIGHT + 8, y - 19, 620 - RIGHT - 8, y - 12 + 21 * len(lines), "now")
        svg.text(24, 424, f"src/main.rs, line {event.line}", "quiet")
        svg.text(24, 454, source(event.line).strip(), "code")
        svg.text(24, 484, event.call or "no system call", "code strong")
        if event.printed:
            svg.text(616, 484, f"printed: {' '.join(c_characters(event.printed))}", "code right")
        svg.end()
        svg.text(RIGHT + 14, y, f"{number}")
        for line in lines:
            svg.text(RIGHT + 31, y, line)
            y += 21
        y += 10

    description = "; ".join(
        f"{number}, {name}: {event.call or ' '.join(c_characters(heap))}"
        for number, (name, (event, heap, _)) in enumerate(zip(STEPS.values(), steps), 1)
    )
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 508" role="img" aria-labelledby="title desc">
<title id="title">How memory is allocated</title>
<desc id="desc">The memory of the process, from the bottom up: the program, the heap, which ends at the program
break, a very large gap, and the stack. The five steps are: {escape(description)}.</desc>
<style>{STYLE}{''.join(svg.rules.values())}</style>
<rect width="640" height="508" rx="8" class="ground"/>
{chr(10).join(svg.body)}
</svg>
"""


try:
    picture = draw(record())
    ElementTree.fromstring(picture)  # an error if it is not well-formed
except Exception as error:
    # gdb goes on after an error in a script, and `-batch` ends it with status 0 in gdb 13.
    print(f"picture: {error}", file=sys.stderr)
    gdb.execute("quit 1")
with open(os.path.join(os.path.dirname(HERE), "docs", "memory.svg"), "w", encoding="utf-8") as file:
    file.write(picture)
