"""Draws the memory of a recorded program after a step, for the page and for docs/memory.svg, where CSS alone shows the
steps of alloc in turn."""

from html import escape
from itertools import groupby
from textwrap import wrap

from event import PAGE, about, dump, size  # beside this file

KINDS = {"u": "in use", "d": "being freed", "n": "not in use", "b": "not asked for"}
TOP, BOTTOM = 46, 300  # where the heap is drawn when it is as large as it ever is
LINE = 12  # the height of a line of text


def spread(labels):
    """Moves overlapping labels apart. A label is the place where it belongs, its lines and its class, and the lowest
    label is first. Yields the place of each label's first line, and then the label."""
    y, above = BOTTOM + 2 * LINE, sum(len(lines) for _, lines, _ in labels)
    for at, lines, kind in labels:
        above -= len(lines)
        y = max(min(at + 4, y - LINE) - LINE * (len(lines) - 1), TOP + LINE * above)
        yield y, at, lines, kind


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

    labels, shown, at = [], [], start
    for low, high, kind in [*blocks, (memory.program_break, memory.end, "b")]:
        shown += [part for part in [(at, low, "n"), (low, high, kind)] if part[0] < part[1]]
        at = high
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
        for first, at, lines, kind in spread(labels):
            leads += lead.format(at, first - 4)
            for n, line in enumerate(lines):
                yield text("", first + n * LINE, line, kind * (n == 0))
        yield "</g>"
    yield f'{leads}"/>'


def replace(svg, steps, top):
    """Returns the picture with other steps, side by side. What is before the comment stays as it is."""
    lines = [svg.split("<!-- steps -->")[0] + "<!-- steps -->"]
    lines.append(f'<desc id="desc">The steps: {escape("; ".join(event.title for event, _ in steps))}.</desc>')
    lines.append(f'<g class="steps" style="--count: {len(steps)}">')
    for n, (event, blocks) in enumerate(steps):
        lines += [f'<g class="step" transform="translate({10000 * n})">', '<g class="words">']
        first = n // 5 * 5  # there is room for five titles
        for row, (other, _) in enumerate(steps[first : first + 5]):
            kind = "title" + " now" * (other is event)
            lines.append(text(366, 32 + 20 * row, f"Step {other.number}: {other.title}", kind))
        number, code = event.lines[-1]
        words = [f"src/main.rs, line {number}", code.strip(), event.call(), *dump(*event.shown()), event.after.state()]
        for row, said in enumerate(filter(None, [*words, *wrap(event.remark, 60)])):
            lines.append(text(366, 165 + 19 * row, escape(said.strip())))
        lines += ["</g>", *draw(event, "alloc", blocks, top), "</g>"]
    return "\n".join([*lines, "</g>\n</svg>\n"])
