"""Draws the memory of a recorded program after a step, for the page and for docs/memory.svg. There, CSS alone shows the
steps of alloc in turn, for a minute at most. After that, and for a viewer who prefers reduced motion, the third one is
seen.
"""

from html import escape
from itertools import groupby
from textwrap import wrap

from event import PAGE, about, dump, size  # beside this file

KINDS = {"u": "in use", "d": "being freed", "f": "freed", "n": "not in use", "b": "not asked for"}
TOP, BOTTOM = 46, 300  # where the heap is drawn when it is as large as it ever is
LINE = 12  # the height of a line of text
MINUTE, SECONDS = 60, 2.4  # how long the steps turn, and how long each is seen if they are few
LISTED = 5  # how many titles there is room for


def parts(blocks, memory):
    """Returns the parts of the heap from the bottom up: where each starts and ends, and its kind."""
    shown, at = [], memory.heap_start
    for low, high, kind in [*blocks, (memory.program_break, memory.end, "b")]:
        shown += [(at, low, "n"), (low, high, kind)]
        at = high
    return [part for part in shown if part[0] < part[1]]


def spread(labels):
    """Moves labels apart that overlap. A label is the place where it belongs, its lines and its class, and the lowest
    label is first. Returns each label after the place of its last line."""
    places, y = [], BOTTOM + 2 * LINE
    for at, lines, _ in labels:
        y = min(at + 4, y - LINE)
        places.append(y)
        y -= LINE * (len(lines) - 1)
    y = TOP - LINE
    for n, (_, lines, _) in reversed(list(enumerate(labels))):
        places[n] = y = max(places[n], y + LINE * len(lines))
    return zip(places, labels)


def text(x, y, words, kind=""):
    x, kind = x and f' x="{x}"', kind and f' class="{kind}"'
    return f'<text{x} y="{y:.4g}"{kind}>{words}</text>'


def draw(event, name, blocks, top):
    """Draws the memory after an event, with high addresses on top. The heap of this program has up to `top` bytes."""
    memory, start = event.after, event.after.heap_start
    # The addresses that the step's calls name.
    named = [address for call in event.calls for address in (call.arguments.get("ptr"), call.result)]
    named += event.arguments[1:2] if event.name == "write" else []

    def y(address):
        return BOTTOM - (BOTTOM - TOP) * (address - start) / top

    def box(kind, low, high, title=""):
        height = max(y(low) - y(high), 1.5)
        title = f"><title>{title}</title></rect>" if title else "/>"
        return f'<rect class="{kind}" y="{y(low) - height:.4g}" height="{height:.3g}"{title}'

    yield f'<path class="gap" d="M70 20V{y(memory.end):.4g}M142 20V{y(memory.end):.4g}"/>'
    stack = next(region for region in memory.regions if region.name.startswith("stack"))
    yield text(150, 32, f"a gap of {about(stack.start - memory.end)}")
    for is_in_memory, run in groupby(range(start, memory.end, PAGE), set(memory.pages or ()).__contains__):
        first, *_, last = [*run] * 2
        yield box("mem" if is_in_memory else "promised", first, last + PAGE)

    labels, shown = [], parts(blocks, memory)
    free = {low: f"end {high:#x}, " + (f"next {next:#x}" if next else "no next") for low, high, next in memory.free}
    for low, high, kind in shown:
        height = y(low) - y(high)
        is_marked = kind != "n" and any(low <= address < high for address in named if address)
        what = {"bump": "lost", "free_list": "free"}.get(name, "freed") if kind == "f" else KINDS[kind]
        words = f"{low:#x}: {size(high - low)}"
        if is_marked or low in free or height >= LINE or len(shown) < 4:
            yield box(kind + " marked" * is_marked, low, high)
            lines = [f"{words} {what}"] if len(words + what) < 29 else [words, what]
            lines += [free[low]] if low in free else []
            labels.append((y(low) - min(height / 2, 30), lines, "marked" * is_marked))
        elif kind != "n" or height > 1:
            yield box(kind, low, high, f"{words} {what}")

    # The program has the address of the first free block, and each free block has that of the next one.
    at = BOTTOM + 8
    for low, *_ in memory.free:
        to = y(low)
        yield f'<path class="link" d="M142 {at:.4g}C162 {at:.4g} 162 {to - 3:.4g} 144 {to - 1:.4g}"/>'
        at = to - 3

    edges = {start: "heap start", memory.end: "end of the page", memory.program_break: "program break"}
    edges = [(y(address) + 5, [edge, f"{address:#x}"], "") for address, edge in sorted(edges.items())]
    leads = f'<path class="break" d="M66 {y(memory.program_break):.4g}H146"/><path class="lead" d="'
    for x, lead, labels in [(164, "M142 {:.4g}L162 {:.4g}", labels), (62, "M70 {:.4g}L64 {:.4g}", edges)]:
        yield f'<g transform="translate({x})">'
        for place, (at, lines, kind) in spread(labels):
            first = place - LINE * (len(lines) - 1)
            leads += lead.format(at, first - 4)
            for n, line in enumerate(lines):
                yield text("", first + n * LINE, line, kind * (n == 0))
        yield "</g>"
    yield f'{leads}"/>'


def replace(svg, events, top):
    """Returns the picture with other steps. What is before the comment stays as it is."""
    turn, share = min(SECONDS * len(events), MINUTE), 100 / len(events)
    lines = [svg.split("<!-- steps -->")[0] + "<!-- steps -->"]
    lines.append(f'<desc id="desc">The steps: {escape("; ".join(event.title for event in events))}.</desc>')
    lines += ["<style>", "@media (prefers-reduced-motion: no-preference) {"]
    lines.append(f".step {{ animation: {turn:g}s step-end {MINUTE // turn:g} }} }}")
    for event in events:
        end = share * event.number
        frames = f"0% {{ opacity: 0 }} {end - share:g}% {{ opacity: 1 }} {end:g}% {{ opacity: 0 }}"
        lines.append(f"@keyframes step{event.number} {{ {frames} }}")
    lines.append("</style>")
    for event in events:
        still = " still" * (event.number == min(3, len(events)))  # where it comes to rest
        lines.append(f'<g class="step{still}" style="animation-name: step{event.number}">')
        lines.append('<g class="words">')
        listed = (event.number - 1) // LISTED * LISTED
        for row, other in enumerate(events[listed : listed + LISTED]):
            kind = "title" + " now" * (other is event)
            lines.append(text(366, 32 + 20 * row, f"Step {other.number}: {other.title}", kind))
        (line, code), memory = event.lines[-1], event.after
        words = [f"src/main.rs, line {line}", code.strip(), event.call(), *dump(*event.shown()), memory.state()]
        words += wrap(event.remark, 60)
        for row, said in enumerate(filter(None, words)):
            lines.append(text(366, 165 + 19 * row, escape(said.strip())))
        lines += ["</g>", *draw(event, "alloc", [(memory.heap_start, memory.program_break, "u")], top), "</g>"]
    return "\n".join([*lines, "</svg>\n"])
