"""Records a run of ./alloc, and draws it as docs/memory.svg: its memory, in which the five steps happen in turn.

    gdb -q -nx -batch -x gdb/picture.py ./alloc        (what `make picture` does)

Each step is drawn as it was recorded, and they are shown in turn, by CSS alone. A viewer who prefers reduced motion
sees the third step.
"""

import os
import sys
from xml.sax.saxutils import escape

import gdb

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True  # no __pycache__ beside the scripts
sys.path.insert(0, HERE)
from process import STEPS, Process, c_characters, regions, size, source  # beside this file

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
.step { opacity: 0 } .still { opacity: 1 }
@keyframes turn { 0% { opacity: 1 } 20%, 100% { opacity: 0 } }
@media (prefers-reduced-motion: no-preference) { .step { animation: turn 12s step-end infinite } }
"""


def record():
    """Runs the program. Returns, for each step, what happened, and the bytes of the heap and the regions after it."""
    gdb.execute("set args > /dev/null")
    process = Process()
    steps = []
    while events := process.advance():
        steps += [(event, process.heap(), regions()) for event in events]
    if [event.step for event, _, _ in steps] != list(STEPS):
        raise gdb.GdbError("the program did not go through the five steps")
    return steps


def text(x, y, content, kind=""):
    return f'<text x="{x}" y="{y}" class="{kind}">{escape(content)}</text>'


def draw_step(number, event, heap, heap_start):
    """Returns what is seen in one step: the heap as it is then, the step's name, and what happens."""
    yield f'<g class="step{" still" * (number == 3)}" style="animation-delay: {(number - 6) * 2.4:.1f}s">'
    edge = 236 if heap else 300  # where the program break is
    if heap:
        width = 168 / len(heap)
        for at, character in enumerate(c_characters(heap)):
            yield f'<rect x="{172 + at * width}" y="236" width="{width}" height="64" class="heap"/>'
            yield text(172 + (at + 0.5) * width, 274, character, "code middle")
        yield text(162, 242, f"{heap_start + len(heap):#x}", "code right quiet")
        yield text(350, 274, f"heap, {size(len(heap))}")
        yield text(350, 306, "heap start", "quiet")
    yield f'<path d="M168 {edge}H344" class="break"/>'
    yield text(350, edge + 6, "program break", "strong")
    yield f'<rect x="348" y="{31 * number - 4}" width="384" height="28" class="now"/>'
    yield text(24, 424, f"src/main.rs, line {event.lines[-1]}", "quiet")
    yield text(24, 454, source(event.lines[-1]).strip(), "code")
    yield text(24, 484, event.call or "no system call", "code strong")
    yield "</g>"


def draw(steps):
    """Returns the text of the file: the memory, with high addresses on top, and the steps in it."""
    places = {name: (start, end) for start, end, _, name in steps[1][2]}
    program, heap, stack = places["program"], places["heap"], places["stack; grows down"]
    if heap[0] != program[1]:
        raise gdb.GdbError("the heap is not right above the program: gdb can't switch address randomisation off")
    lines = []
    for number, (event, data, _) in enumerate(steps, 1):
        lines += draw_step(number, event, data, heap[0])
        lines += [text(354, 31 * number + 15, f"{number}"), text(371, 31 * number + 15, STEPS[event.step])]
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 752 508" role="img" aria-labelledby="title desc">
<title id="title">How memory is allocated</title>
<desc id="desc">The memory of the process, from the bottom up: the program, the heap, which ends at the program
break, a very large gap, and the stack. The five steps are: {"; ".join(STEPS.values())}.</desc>
<style>{STYLE}</style>
<rect width="752" height="508" rx="8" class="ground"/>
<rect x="172" y="40" width="168" height="52" class="part"/>
<text x="256" y="72" class="middle">stack</text>
<text x="162" y="46" class="code right quiet">{stack[1]:#x}</text>
<text x="162" y="98" class="code right quiet">{stack[0]:#x}</text>
<path d="M172 92V300M340 92V300" class="edge" stroke-dasharray="3 5"/>
<text x="256" y="164" class="middle quiet">the gap, {size(stack[0] - heap[0])}</text>
<text x="256" y="188" class="middle quiet">(not to scale)</text>
<rect x="172" y="300" width="168" height="64" class="part"/>
<text x="256" y="338" class="middle">program</text>
<text x="162" y="306" class="code right quiet">{heap[0]:#x}</text>
<text x="162" y="370" class="code right quiet">{program[0]:#x}</text>
<path d="M24 392H728" class="edge"/>
{chr(10).join(lines)}
</svg>
"""


try:
    picture = draw(record())
except Exception as error:
    # gdb goes on after an error in a script, and `-batch` ends it with status 0 in gdb 13.
    print(f"picture: {error}", file=sys.stderr)
    gdb.execute("quit 1")
with open(os.path.join(os.path.dirname(HERE), "docs", "memory.svg"), "w", encoding="utf-8") as file:
    file.write(picture)
