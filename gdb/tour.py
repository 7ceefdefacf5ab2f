"""A guided tour of a program that moves the program break, in gdb. It stops after each move, refusal and store, and
when something is printed from the heap. It shows the lines of main that were run, the system call with its result, and
the memory then.

    gdb -q -x gdb/tour.py ./alloc        (what `make gdb` does)
"""

import os
import sys
import textwrap

import gdb

sys.dont_write_bytecode = True  # no __pycache__ beside the scripts
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from event import size  # beside this file
from process import Process, pid  # beside this file

# A stop fits on a terminal of this many lines, with gdb's prompt.
HEIGHT = 24


def draw(before, memory, address):
    """The article's picture, with high addresses on top, in the columns of `layout`; and then the heap, and its bytes
    from `address` on. It marks what has changed since `before`."""
    heap, old = memory.heap, before.heap
    # What there may be to mark: each has its address now, and its address before, if it had one.
    places = {"end of the page": (heap.end, old.end if old.end > old.start else 0)} if heap.end > heap.start else {}
    places["program break"] = (memory.program_break, before.program_break)
    places["heap start"] = (memory.heap_start, memory.heap_start)
    places = {name: place for name, place in places.items() if place[0]}
    edges = {place[0] for place in places.values()}
    edges = sorted(edges.union(*((region.start, region.end) for region in memory.regions)), reverse=True)

    def region_at(address):
        return next((region for region in memory.regions if region.start <= address < region.end), None)

    # Of the empty ranges, only the one above the heap gets a line with its size.
    gap = min(edge for edge in edges if edge >= memory.program_break and not region_at(edge))
    for high, low in zip(edges, edges[1:] + [0]):
        here = [name for name, place in places.items() if place[0] == high]
        was = next((places[name][1] for name in reversed(here) if places[name][1] != high), high)
        note = "" if was == high else f" ◄ {'+' if high > was else '-'}{size(abs(high - was))}" if was else " ◄ new"
        ruler = "".join(f"── {name} " for name in here)
        yield f"{high:#18x} {ruler:─<45}{note}"
        region = region_at(low)
        side, name, permissions = "┆", "the gap" * (low == gap), ""
        if region:
            side, name, permissions = "│", region.name, region.permissions
        if name == "heap" and not memory.heap_start <= low < memory.program_break:
            name = "not asked for" if low >= memory.program_break else "program"
        if name:
            yield f"{'':18} {side} {name:22.22}{size(high - low):>14}  {permissions:3} {side}"
    yield ""
    if memory.heap_start:
        if address is not None and (dump := memory.dump(address)):
            yield dump
        yield memory.state()


def show(event):
    """Returns the lines of a step, as many as there is room for."""
    picture = [*draw(event.before, event.after, event.address), *textwrap.wrap(event.remark, 80)]
    call = [event.call()] if event.call() else []
    # Of the lines of main, the last ones are the most telling.
    room = HEIGHT - 1 - len([*call, *picture]) - 2
    if room < len(event.lines):
        picture.remove("")
    source = [f"{number}\t{text[:71] + '…' * (len(text) > 71)}" for number, text in event.lines]
    if len(source) > room + 1:
        source = ["…", *source[-room:]] if room > 0 else source[-1:]
    return [*source, *call, "", *picture]


def follow():
    """Returns the process. Fails if the tour can't follow the program."""
    global PROCESS
    PROCESS = PROCESS or Process()
    return PROCESS


def command(function):
    """Makes a function a command of gdb's, with its docstring as the help. The pager doesn't stop the output, since it
    would take the Enter that is meant for the next step. What goes wrong is reported in a sentence."""

    class Command(gdb.Command):
        __doc__ = function.__doc__

        def invoke(self, argument, from_tty):
            with gdb.with_parameter("pagination", False):
                try:
                    function(argument)
                except gdb.GdbError:
                    raise
                except OSError as error:
                    message = f"{error.filename}: {error.strerror}. Run gdb on the program's own machine."
                    raise gdb.GdbError(message) from None
                except Exception as error:
                    raise gdb.GdbError(NOT_THIS_ONE.format(error)) from None

    Command(function.__name__, gdb.COMMAND_USER)


NOT_THIS_ONE = """The tour can't follow this program: {}
It needs a program that calls brk by this library and is built for debugging.
Quit, and type: make gdb"""


@command
def tour(argument):
    """Go on to the next step of the program, and draw the memory then.

Type tour once, and then press Enter alone for each further step. Each stop
shows the lines of main that were run, the system call with its result, and
the memory. tour 3 takes three steps. In between, you can type any other
command of gdb, and then tour to go on. After the end, the tour starts again."""
    process = follow()
    if argument and not argument.isdecimal():
        raise gdb.GdbError(f"tour takes a number of steps, not {argument}")
    for _ in range(int(argument or 1)):
        event = process.advance()
        if event:
            print(f"\nStep {event.number}: {event.title}", *show(event), sep="\n")
        if not event and not pid():
            print(f"\nThe end: {process.outcome}.")
            print("The kernel takes back all of the program's memory. To start again, type: tour")
        if not event:
            break


@command
def memory(argument):
    """Draw the memory of the process as it is now, and show the bytes of the heap."""
    if not pid():
        raise gdb.GdbError("The program is not running. To start it, type: tour")
    process = follow()
    now = process.memory_now(process.now)
    print(*draw(now, now, now.heap_start), sep="\n")


# `step` stays in this project: the source of core is not here.
gdb.execute("skip -rfu ^core::", to_string=True)
PROCESS = None
try:
    follow()
    print("To see the first step, type tour. For each further step, press Enter.")
    print("To draw the memory again, type memory. To go on then, type tour. Help: help tour")
except Exception as error:
    print(NOT_THIS_ONE.format(error))
