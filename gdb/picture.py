"""The picture of a recorded run: its memory, in which the steps happen in turn.

Each step is drawn as it was recorded. CSS alone shows them in turn. A viewer who prefers reduced motion sees the third
step.
"""

from xml.sax.saxutils import escape

from event import c_characters, size  # beside this file

SECONDS = 2.4  # for each step

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
.heap { fill: var(--heap); stroke: var(--strong) } .promised { fill: none; stroke-dasharray: 4 4 }
.now { fill: var(--heap); rx: 5px }
.edge { stroke: var(--line); fill: none } .break { stroke: var(--strong); stroke-width: 3 }
.step { opacity: 0 } .still { opacity: 1 }
"""
MOVING = """@keyframes turn {{ 0% {{ opacity: 1 }} {:.1f}%, 100% {{ opacity: 0 }} }}
@media (prefers-reduced-motion: no-preference) {{ .step {{ animation: turn {:.1f}s step-end infinite }} }}
"""


def text(x, y, content, kind=""):
    return f'<text x="{x}" y="{y}" class="{kind}">{escape(content)}</text>'


def box(y, height, kind, x=172, width=168):
    return f'<rect x="{x}" y="{y}" width="{width:g}" height="{height}" class="{kind}"/>'


def draw_step(event, steps, pitch):
    """Returns what is seen in one step: the heap as it is then, and what happens."""
    memory, delay = event.after, (event.number - 1 - steps) * SECONDS
    heap = memory.heap
    yield f'<g class="step{" still" * (event.number == min(3, steps))}" style="animation-delay: {delay:.1f}s">'
    edge = 236 if memory.asked_for else 300  # where the program break is
    kind = "heap" if heap.resident else "heap promised"
    if heap.end > memory.program_break:
        yield box(edge - 36, 36, kind)
        yield text(256, edge - 12, "not asked for", "middle quiet")
        yield text(350, edge - 30, "end of the page", "quiet")
    if memory.asked_for:
        _, data, is_more = memory.bytes_from(memory.heap_start)
        cells = c_characters(data) + ["…"] * is_more or [""]
        width = 168 / len(cells)
        for at, character in enumerate(cells):
            yield box(edge, 64, kind, 172 + at * width, width)
            yield text(172 + (at + 0.5) * width, 274, character, "code middle")
        yield text(162, 242, f"{memory.program_break:#x}", "code right quiet")
        yield text(350, 274, f"heap, {size(memory.asked_for)}")
        yield text(350, 306, "heap start", "quiet")
    yield f'<path d="M168 {edge}H344" class="break"/>'
    yield text(350, edge + 6, "program break", "strong")
    yield box(pitch * event.number - 4, 28, "now", 348, 384)
    line, code = event.lines[-1]
    for row, (content, kind) in enumerate(
        [
            (f"src/main.rs, line {line}", "quiet"),
            (code.strip(), "code"),
            (event.call() or "no system call", "code strong"),
            (memory.state(), ""),
        ]
    ):
        yield text(24, 424 + 30 * row, content, kind)
    yield "</g>"


def draw(events):
    """Returns the text of the file: the memory, with high addresses on top, and the steps in it."""
    places = {region.name: region for region in events[0].after.regions}
    program, stack, start = places["program"], places["stack; grows down"], events[0].after.heap_start
    lines, pitch = [], min(31, 186 // len(events))
    for event in events:
        lines += draw_step(event, len(events), pitch)
        y = pitch * event.number + 15
        lines += [text(354, y, f"{event.number}"), text(371, y, event.title)]
    style = STYLE + MOVING.format(100 / len(events), SECONDS * len(events))
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 752 538" role="img" aria-labelledby="title desc">
<title id="title">How memory is allocated</title>
<desc id="desc">The memory of the process, from the bottom up: the program, the heap, which ends at the program
break, a very large gap, and the stack. The steps are: {"; ".join(event.title for event in events)}.</desc>
<style>{style}</style>
<rect width="752" height="538" rx="8" class="ground"/>
<rect x="172" y="40" width="168" height="52" class="part"/>
<text x="256" y="72" class="middle">stack</text>
<text x="162" y="46" class="code right quiet">{stack.end:#x}</text>
<text x="162" y="98" class="code right quiet">{stack.start:#x}</text>
<path d="M172 92V300M340 92V300" class="edge" stroke-dasharray="3 5"/>
<text x="256" y="164" class="middle quiet">the gap, {size(stack.start - start)}</text>
<text x="256" y="188" class="middle quiet">(not to scale)</text>
<rect x="172" y="300" width="168" height="64" class="part"/>
<text x="256" y="338" class="middle">program</text>
<text x="162" y="306" class="code right quiet">{start:#x}</text>
<text x="162" y="370" class="code right quiet">{program.start:#x}</text>
<path d="M24 392H728" class="edge"/>
{chr(10).join(lines)}
</svg>
"""
