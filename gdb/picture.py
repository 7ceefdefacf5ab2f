"""The picture of a recorded run: its memory after each step. CSS alone shows the steps in turn, for a minute at most.
After that, and for a viewer who prefers reduced motion, the third one is seen.
"""

from xml.sax.saxutils import escape

from event import PAGE, about, c_characters  # beside this file

MINUTE, SECONDS = 60, 2.4  # how long the steps turn, and how long each is seen if they are few
LISTED = 5  # how many titles there is room for


def text(x, y, content, kind="", room=99):
    content = content if len(content) <= room else content[: room - 1] + "…"
    return f'<text x="{x:g}" y="{y:g}" class="{kind}">{escape(content)}</text>'


def box(x, y, width, height, kind):
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" class="{kind}"/>'


def draw_step(event, events, top):
    """Returns what is seen in one step: the heap as it is then, and what happens. The heap has up to `top` bytes."""
    memory, heap = event.after, event.after.heap
    still = len(events) if events[-1].name == "fault" else min(3, len(events))  # where it comes to rest
    yield f'<g class="step{" still" * (event.number == still)}" style="animation-name: step{event.number}">'
    listed = (event.number - 1) // LISTED * LISTED
    for row, other in enumerate(events[listed : listed + LISTED]):
        if other is event:
            yield box(348, 30 * row + 24, 392, 28, "now")
        yield text(356, 30 * row + 44, f"Step {other.number}: {other.title}", "title", 48)
    # The heap is to scale, but what is too small to be seen is larger.
    lengths = memory.asked_for, heap.end - heap.start
    edge, end = (300 - max(length * 100 / top, 3 * (length > 0)) for length in lengths)
    end = min(end, edge - 3 * (heap.end > memory.program_break))
    yield box(172, end, 168, 300 - end, "heap promised")
    pages, scale = set(memory.pages), (300 - end) / max(heap.end - heap.start, 1)
    for first in sorted(pages):
        if first - PAGE not in pages:
            last = next(page for page in range(first, heap.end + PAGE, PAGE) if page not in pages)
            yield box(172, 300 - (last - heap.start) * scale, 168, (last - first) * scale, "heap")
    if edge - end > 24:
        yield text(256, (edge + end) / 2 + 6, "not asked for", "middle quiet")
    yield f'<path d="M168 {edge:g}H344" class="break"/>'
    labels = [(300, "heap start", "quiet")] * (memory.asked_for > 0)
    labels += [(edge, f"program break {memory.program_break:#x}", "strong")]
    labels += [(end, "end of the page", "quiet")] * (heap.end > memory.program_break)
    below = 330
    for y, words, kind in labels:
        below = min(y + 6, below - 19)
        yield text(350, below, words, kind)
    if (address := event.failed_at) is not None:
        y = 140 if heap.end <= address < memory.regions[0].start else 290 if address >= heap.start else 357
        yield text(256, y, f"✕ {address:#x}", "code middle strong")
    start, data, is_more = event.shown()
    if data:
        yield text(350, 336, f"bytes from {start:#x} on", "quiet")
    for at, character in enumerate(c_characters(data) + ["…"] * is_more):
        yield box(350 + 40 * at, 344, 40, 30, "part")
        yield text(370 + 40 * at, 365, character, "code middle")
    line, code = event.lines[-1]
    yield text(24, 424, f"src/main.rs, line {line}", "quiet")
    yield text(24, 454, code.strip(), "code", 72)
    yield text(24, 484, event.call() or event.remark, "code strong", 72)
    yield text(24, 514, memory.state())
    yield "</g>"


def replace(svg, events):
    """Returns the picture with other steps. Its frame, before the comment, stays as it is."""
    places, start = {region.name: region for region in events[0].after.regions}, events[0].after.heap_start
    program, stack = places["program"], places["stack; grows down"]
    top = max(1, *(event.after.heap.end - event.after.heap.start for event in events))
    turn, share = min(SECONDS * len(events), MINUTE), 100 / len(events)
    steps = escape("; ".join(event.title for event in events))
    lines = [f'<desc id="desc">The stack, a very large gap, the heap, and the program. The steps: {steps}.</desc>']
    lines += ["<style>", "@media (prefers-reduced-motion: no-preference) {"]
    lines += [f".step {{ animation: {turn:g}s step-end {MINUTE // turn:g} }} }}"]
    for event in events:
        end = share * event.number
        frames = f"0% {{ opacity: 0 }} {end - share:g}% {{ opacity: 1 }} {end:g}% {{ opacity: 0 }}"
        lines.append(f"@keyframes step{event.number} {{ {frames} }}")
    lines.append("</style>")
    for y, address in [(46, stack.end), (98, stack.start), (306, start), (370, program.start)]:
        lines.append(text(162, y, f"{address:#x}", "code right quiet"))
    lines.append(text(256, 164, about(stack.start - start), "middle quiet"))
    for event in events:
        lines += draw_step(event, events, top)
    return "\n".join([svg.split("<!-- steps -->")[0] + "<!-- steps -->", *lines, "</svg>\n"])
