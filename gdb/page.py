"""The part of docs/index.html that is about one recorded program: its steps, what it prints, and the source of main."""

from html import escape
from itertools import groupby

from event import PAGE, about, dump, size  # beside this file

KINDS = {"u": "in use", "d": "being freed", "f": "freed", "n": "not in use", "b": "not asked for"}
KINDS_OF_FREE = {"bump": "lost", "free_list": "free"}
MANY, SMALL = 100, 4096  # of more blocks than this, neighbours of fewer bytes are drawn as one
LARGE, ZOOM = 65536, 8  # a heap that will have more bytes is drawn so many times as large, as long as there is room
TOP, BOTTOM = 46, 300  # where the heap is drawn when it is as large as it ever is
LINE = 12  # the height of a line of text


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


def parts(blocks, memory):
    """Returns the parts of the heap from the bottom up: where each starts and ends, its kind, how many blocks it is,
    and whether they are small."""
    shown, at = [], memory.heap_start
    for low, high, kind in [*blocks, (memory.program_break, memory.heap.end, "b")]:
        is_small = len(blocks) > MANY and high - low < SMALL
        if is_small and shown and shown[-1][2:5:2] == [kind, True] and low - at < SMALL:
            shown[-1][1:4:2] = high, shown[-1][3] + 1
        else:
            shown += [[at, low, "n", 1, False], [low, high, kind, 1, is_small]]
        at = high
    return [part for part in shown if part[0] < part[1]]


def spread(labels):
    """Moves labels apart that overlap: where each belongs, its lines and its class, from the lowest to the highest.
    Returns each after the place of its last line."""
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


def picture(event, name, blocks, top):
    """Draws the memory after an event, with high addresses on top. The heap of this program has up to `top` bytes."""
    memory, heap, zoom = event.after, event.after.heap, 1
    while heap.end > heap.start and top > LARGE and zoom * ZOOM * (heap.end - heap.start) <= top:
        zoom *= ZOOM
    # The addresses that the step's calls name.
    named = [address for call in event.calls for address in (call.arguments.get("ptr"), call.result)]
    named += event.arguments[1:2] if event.name == "write" else []

    def y(address):
        return BOTTOM - (BOTTOM - TOP) * (address - heap.start) * zoom / top

    def box(kind, low, high, title=""):
        height = max(y(low) - y(high), 1.5)
        title = f"><title>{title}</title></rect>" if title else "/>"
        return f'<rect class="{kind}" y="{y(low) - height:.4g}" height="{height:.3g}"{title}'

    yield '<svg viewBox="-18 0 362 322" role="group" aria-label="The memory">'
    yield f'<use href="#frame"/><path class="gap" d="M70 20V{y(heap.end):.4g}M142 20V{y(heap.end):.4g}"/>'
    stack = next(region for region in memory.regions if region.name.startswith("stack"))
    yield text(150, 32, f"a gap of {about(stack.start - heap.end)}")
    if zoom > 1:
        yield text(-16, 16, f"drawn {zoom} times") + text(-16, 28, "as large")
    for is_in_memory, run in groupby(range(heap.start, heap.end, PAGE), set(memory.pages).__contains__):
        first, *_, last = [*run] * 2
        yield box("mem" if is_in_memory else "promised", first, last + PAGE)

    labels, shown = [], parts(blocks, memory)
    free = {low: f"end {high:#x}, " + (f"next {next:#x}" if next else "no next") for low, high, next in memory.free}
    for low, high, kind, count, _ in shown:
        height = y(low) - y(high)
        is_marked = kind != "n" and any(low <= address < high for address in named if address)
        what = KINDS_OF_FREE.get(name, "freed") if kind == "f" else KINDS[kind]
        words = f"{low:#x}: {f'{count:,} blocks' if count > 1 else size(high - low)}"
        if is_marked or low in free or height >= LINE or len(shown) < 4:
            yield box(kind + " marked" * is_marked, low, high)
            lines = [f"{words} {what}"] if len(words + what) < 29 else [words, what]
            lines += [free[low]] if low in free else []
            labels.append((y(low) - min(height / 2, 30), lines, "marked" * is_marked))
        elif kind != "n" or height > 1:
            yield box(kind, low, high, f"{words} {what}")

    # The program has the address of the first free block, and each of these that of the next.
    at = BOTTOM + 8
    for low, *_ in memory.free:
        to = y(low)
        yield f'<path class="link" d="M142 {at:.4g}C162 {at:.4g} 162 {to - 3:.4g} 144 {to - 1:.4g}"/>'
        at = to - 3

    edges = {heap.start: "heap start", heap.end: "end of the page", memory.program_break: "program break"}
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
    yield f'{leads}"/></svg>'


def replace(html, name, events, process):
    """Returns the page with another part about this program, whose process has ended."""
    top = max(1, *(event.after.heap.end - event.after.heap.start for event in events))
    before, after = html.split(f"<!-- {name} -->\n")
    lines = [f"{before}<!-- {name} -->"]
    for event, now in zip(events, blocks(events, name)):
        calls = [str(call) for call in event.calls if call.result is not None]
        if len(calls) > 12:
            calls[12:] = [f"… {len(calls):,} calls have returned"]
        calls += [f"{call} <i>in progress</i>" for call in event.calls if call.result is None]
        calls = "<br>".join(filter(None, [*calls, event.call()]))
        numbers = " ".join(str(line) for line, _ in event.lines)
        in_use = sum(high - low for low, high, kind in now if kind == "u")
        lines.append(f'<section id="{name}/{event.number}" data-lines="{numbers}"><div class="words">')
        lines.append(f"<h3>Step {event.number} of {len(events)}: {event.title}</h3>")
        lines.append(f'<p class="calls"><code>{calls}</code><p class="remark">{event.remark}')
        if name == "alloc" and event.name != "brk":
            lines += [f"<br><code>{escape(line.strip())}</code>" for line in dump(*event.shown())]
        lines.append(f'<p class="key"><b class="break">break +{event.after.asked_for:,}</b>')
        mapped = f'<b class="mem">in memory {len(event.after.pages) * PAGE:,}</b>'
        lines.append(f'{mapped} <b class="u">in use {size(in_use)}</b></div>')
        lines += [*picture(event, name, now, top), "</section>"]
    lines.append(f'<div class="source"><p><code>main</code> in {process.file}<pre tabindex="0">')
    lines += [f'<span data-line="{number}">{escape(line)}</span>' for number, line in process.source.items()]
    lines.append('</pre></div><div class="output"><p>What it has printed, and after which step<pre tabindex="0">')
    printed = [(event.number - (event.name != "write"), event.output) for event in events]
    for number, text in [*printed, (len(events), process.output)]:
        lines += [f'<span data-step="{number}">{escape(line)}</span>' for line in text.decode().splitlines()]
    return "\n".join([*lines, f"</pre></div>\n{after[after.index('</article>'):]}"])
