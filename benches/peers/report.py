"""Tables, ratios and a plot from the figures that `measure.py` wrote.

`python report.py RESULTS [--plot FILE.png] [--json FILE.json]`; RESULTS are files or folders of `*.json`.
"""

import argparse
import json
import math
from collections import defaultdict
from pathlib import Path

TARGETS = (0.90, 0.95, 0.99, 0.999)
JUDGED = (0.95, 0.99, 0.999)
OURS, BASELINE = "lode", "hnswlib"
NOISE = 0.10


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="+", type=Path)
    parser.add_argument("--plot", type=Path, help="where to draw recall against queries a second")
    parser.add_argument("--json", type=Path, help="where to write all figures as one list")
    options = parser.parse_args()
    records = read(options.results)
    for name, engines in by_set(records).items():
        print(table(name, engines))
        print(ratios(engines))
    if options.json:
        options.json.write_text(json.dumps(records, indent=1))
    if options.plot:
        draw(records, options.plot)
        print(f"Drawn: {options.plot}")


def read(paths):
    """All measurements in files and folders; a file may hold one or a list."""
    files = [file for path in paths for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])]
    found = [json.loads(file.read_text()) for file in files]
    return [record for some in found for record in (some if isinstance(some, list) else [some])]


def by_set(records):
    """{set: {engine: [measurement]}}"""
    sets = defaultdict(lambda: defaultdict(list))
    for record in records:
        sets[record["set"]][record["engine"]].append(record)
    return sets


def speed(point):
    """Queries a second by the clock; by the processor's time where the two differ, for another process then had the
    processor, or the library used more than one thread."""
    return point["qps_cpu"] if is_disturbed(point) else point["qps"]


def is_disturbed(point):
    return abs(point["qps"] / point["qps_cpu"] - 1) > NOISE


def frontier(points):
    """(recall, queries a second) of the points that no other beats in both, by rising recall."""
    best, fastest = [], 0.0
    for recall, qps in sorted(((point["recall"], speed(point)) for point in points), reverse=True):
        if qps > fastest:
            best.append((recall, qps))
            fastest = qps
    return best[::-1]


def at_recall(points, target):
    """Queries a second at a recall: between two points linear in the logarithm; None where it is not reached."""
    line = frontier(points)
    if not line or line[-1][0] < target:
        return None
    if line[0][0] >= target:
        return line[0][1]
    after = next(i for i, (recall, _) in enumerate(line) if recall >= target)
    (low, fast), (high, slow) = line[after - 1], line[after]
    return math.exp(math.log(fast) + (math.log(slow) - math.log(fast)) * (target - low) / (high - low))


def mean_at(runs, target):
    """The geometric mean over the runs of an engine; None where one of them does not reach the recall."""
    values = [at_recall(run["points"], target) for run in runs]
    return None if None in values else math.exp(sum(map(math.log, values)) / len(values))


def table(name, engines):
    one = next(iter(engines.values()))[0]
    heads = ("engine", "q/s at recall 0.90 / 0.95 / 0.99 / 0.999", "p50 / p99 us", "build CPU s", "wall s", "file MB",
             "open ms", "memory MB")
    lines = [
        f"### {name}: {one['rows']:,} x {one['dim']}, {one['metric']}\n",
        row(heads),
        row(["---"] * len(heads)),
    ]
    order = sorted(engines.values(), key=lambda runs: -(mean_at(runs, 0.95) or 0))
    return "\n".join(lines + [row(cells(runs)) for runs in order] + notes(engines)) + "\n"


def row(values):
    return "| " + " | ".join(values) + " |"


def cells(runs):
    def least(key, scale=1.0, digits=1):
        return f"{min(run[key] for run in runs) / scale:.{digits}f}"

    speeds = " / ".join(number(mean_at(runs, target)) for target in TARGETS)
    timed = [run["latency"] for run in runs if run["latency"]]
    unit = "cpu_us" if any(is_disturbed(point) for run in runs for point in run["points"]) else "us"
    latency = " / ".join(f"{min(run[f'p{p}_{unit}'] for run in timed):.0f}" for p in (50, 99)) if timed else "-"
    return [
        f"{runs[0]['engine']} {runs[0]['version']}",
        speeds,
        latency,
        least("build_cpu_s"),
        least("build_wall_s"),
        least("file_bytes", 1e6, 0),
        least("load_ms"),
        least("memory_bytes", 1e6, 0),
    ]


def number(value):
    return "-" if value is None else f"{value:,.0f}"


def notes(engines):
    """What a reader should know of how sound the figures are."""
    said = []
    for name, runs in engines.items():
        points = [point for run in runs for point in run["points"]]
        disturbed = sum(map(is_disturbed, points))
        if disturbed:
            said.append(f"{name}: {disturbed} of {len(points)} points by the processor's time")
        values = [at_recall(run["points"], 0.95) for run in runs]
        if len(values) > 1 and None not in values and max(values) > (1 + NOISE) * min(values):
            said.append(f"{name}: runs from {min(values):,.0f} to {max(values):,.0f} q/s at 0.95")
        for point in (point for point in runs[0]["points"] if not point["setting"]):
            said.append(f"{name} without settings: recall {point['recall']:.4f}, {speed(point):,.0f} q/s")
    return ["", "; ".join(said) + "."] if said else []


def ratios(engines):
    """How Lode stands against hnswlib and against the fastest of the others."""
    if OURS not in engines:
        return ""
    lines = [row(("recall@10", "lode q/s", "over hnswlib", "best other", "its q/s", "over it")), row(["---"] * 6)]
    for target in JUDGED:
        ours = mean_at(engines[OURS], target)
        base = mean_at(engines[BASELINE], target) if BASELINE in engines else None
        name, best = fastest_other(engines, target)
        lines.append(row((str(target), number(ours), times(ours, base), name, number(best), times(ours, best))))
    return "\n".join(lines + [build_ratio(engines)]) + "\n"


def fastest_other(engines, target):
    reached = {name: mean_at(runs, target) for name, runs in engines.items() if name != OURS}
    reached = {name: qps for name, qps in reached.items() if qps}
    name = max(reached, key=reached.get, default="-")
    return name, reached.get(name)


def build_ratio(engines):
    def least(name, key):
        return min(run[key] for run in engines[name])

    if BASELINE not in engines:
        return ""
    times_less = least(BASELINE, "build_cpu_s") / least(OURS, "build_cpu_s")
    return f"\nBuild, CPU time of one thread: hnswlib's is {times_less:.2f} times Lode's."


def times(a, b):
    return f"{a / b:.2f}x" if a and b else "-"


def draw(records, path):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    sets = by_set(records)
    figure, axes = pyplot.subplots(1, len(sets), figsize=(6.4 * len(sets), 5.2), squeeze=False)
    names = sorted({record["engine"] for record in records}, key=lambda name: (name != OURS, name))
    colours = dict(zip(names, pyplot.colormaps["tab20"].colors * 2, strict=False))
    for axis, (name, engines) in zip(axes[0], sets.items(), strict=True):
        panel(axis, name, engines, colours)
    axes[0][0].set_ylabel("queries a second, one thread")
    handles = {label: handle for axis in axes[0] for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    shown = [name for name in names if name in handles]
    figure.legend([handles[name] for name in shown], shown, loc="outside lower center", ncols=7, fontsize=8)
    figure.tight_layout(rect=(0, 0.1, 1, 1))
    figure.savefig(path, dpi=130)


def panel(axis, name, engines, colours):
    """Recall on a scale that widens towards 1."""
    for engine, runs in engines.items():
        line = [point for point in frontier([p for run in runs for p in run["points"]]) if point[0] >= 0.8]
        if line:
            xs, ys = zip(*((-math.log10(max(1 - recall, 2e-4)), qps) for recall, qps in line), strict=True)
            width, mark = (2.6, "o") if engine == OURS else (1.2, ".")
            axis.plot(xs, ys, mark + "-", color=colours[engine], linewidth=width, markersize=4, label=engine)
    ticks = (0.8, 0.9, 0.95, 0.99, 0.999)
    axis.set_xticks([-math.log10(1 - tick) for tick in ticks], [str(tick) for tick in ticks])
    axis.set_yscale("log")
    axis.grid(True, which="both", alpha=0.25)
    axis.set_title(name)
    axis.set_xlabel("recall@10")


if __name__ == "__main__":
    main()
