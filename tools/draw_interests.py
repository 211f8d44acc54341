#!/usr/bin/env python3
"""tools/draw_interests.py TRUTH SVG [USER]: the interests of one user of a simulated world over time, from a truth
file that is not packed (docs/formats.md). Without USER: the core user with the most sessions."""
import collections
import struct
import sys

MAGIC = b"fourfold truth 1\n"
DAY_MS = 86_400_000
WIDTH, LEFT, RIGHT, PANEL, GAP = 960, 64, 96, 180, 34
COLOURS = ["#1b6ca8", "#d1495b", "#2e8b57", "#e09f3e"]


def records(data):
    at = len(MAGIC)
    while at < len(data):
        size = struct.unpack_from("<I", data, at + 1)[0]
        yield data[at:at + 1], at + 5
        at += 5 + size


def read(path):
    data = open(path, "rb").read()
    if not data.startswith(MAGIC):
        sys.exit(f"{path}: is no plain truth file of version 1")
    start = topics = 0
    days, sessions = [], collections.defaultdict(list)
    for kind, at in records(data):
        if kind == b"w":
            _, start, topics, _ = struct.unpack_from("<QqBB", data, at)
        elif kind == b"d":
            days.append((struct.unpack_from("<q", data, at)[0], struct.unpack_from(f"<{topics}f", data, at + 8)))
        elif kind == b"s":
            time, user, _, segment = struct.unpack_from("<qIIB", data, at)
            vectors = struct.unpack_from(f"<{2 * topics}f", data, at + 17)
            sessions[user].append((time, segment, vectors[:topics], vectors[topics:]))
    return start, topics, days, sessions


class Panel:
    def __init__(self, top, low, high, start, end):
        self.top, self.low, self.high, self.start, self.end = top, low, high, start, end

    def x(self, time):
        return LEFT + (WIDTH - LEFT - RIGHT) * (time - self.start) / (self.end - self.start)

    def y(self, value):
        return self.top + PANEL * (self.high - value) / (self.high - self.low)

    def frame(self, title):
        yield f'<text x="{LEFT}" y="{self.top - 8}" font-weight="bold">{title}</text>'
        for value in (self.low, 0, self.high):
            y = self.y(value)
            yield f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>'
            yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'

    def line(self, points, colour, label=None):
        path = " ".join(f"{self.x(time):.1f},{self.y(value):.1f}" for time, value in points)
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>'
        if label:
            yield (f'<text x="{WIDTH - RIGHT + 6}" y="{self.y(points[-1][1]) + 4:.1f}" '
                   f'fill="{colour}">{label}</text>')

    def stems(self, points, colour):
        for time, value in points:
            x = self.x(time)
            yield (f'<line x1="{x:.1f}" y1="{self.y(0):.1f}" x2="{x:.1f}" y2="{self.y(value):.1f}" stroke="{colour}"/>'
                   f'<circle cx="{x:.1f}" cy="{self.y(value):.1f}" r="2.4" fill="{colour}"/>')


def draw(start, topics, days, user, visits):
    mean = [sum(abs(visit[2][t]) for visit in visits) for t in range(topics)]
    chosen = sorted(range(topics), key=lambda t: -mean[t])[:len(COLOURS)]
    end = max(days[-1][0] + DAY_MS, visits[-1][0])
    top = 56
    height = top + 3 * PANEL + 2 * GAP + 40
    long_term = Panel(top, -0.5, 1, start, end)
    short_term = Panel(top + PANEL + GAP, -0.5, 1.5, start, end)
    fashion = Panel(top + 2 * (PANEL + GAP), -1.5, 1.5, start, end)
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
           f'font-size="12" fill="#222"><rect width="{WIDTH}" height="{height}" fill="#fff"/>')
    yield (f'<text x="{LEFT}" y="22" font-size="15">User u{user}: the four topics that they like most, as each of '
           f'{len(visits)} sessions begins</text>')
    yield from long_term.frame("long-term interest: drifts from session to session")
    yield from short_term.frame("short-term interest: an intent, clicks, and what is left of earlier sessions")
    yield from fashion.frame("in fashion: the same for everybody, changes at midnight")
    for colour, t in zip(COLOURS, chosen):
        yield from long_term.line([(visit[0], visit[2][t]) for visit in visits], colour, f"topic {t}")
        yield from short_term.stems([(visit[0], visit[3][t]) for visit in visits], colour)
        yield from fashion.line([(time, trend[t]) for time, trend in days], colour)
    for day in range(0, int((end - start) / DAY_MS) + 1, 10):
        x = fashion.x(start + day * DAY_MS)
        yield f'<text x="{x:.1f}" y="{fashion.top + PANEL + 20}" text-anchor="middle">day {day}</text>'
    yield "</svg>"


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    start, topics, days, sessions = read(sys.argv[1])
    core = {user: visits for user, visits in sessions.items() if visits[0][1] == 0}
    user = int(sys.argv[3]) if len(sys.argv) == 4 else max(core, key=lambda one: (len(core[one]), -one))
    with open(sys.argv[2], "w") as file:
        file.write("\n".join(draw(start, topics, days, user, sessions[user])) + "\n")


if __name__ == "__main__":
    main()
