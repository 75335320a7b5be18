"""Condenses Nsight Compute's raw page of a training to the kernels of one step:  python3 kernels.py CSV JSON"""

import csv
import json
import re
import sys

# To microseconds and bytes.
UNITS = {"ns": 1e-3, "us": 1.0, "ms": 1e3, "s": 1e6, "nsecond": 1e-3, "usecond": 1.0, "msecond": 1e3, "second": 1e6,
         "byte": 1.0, "Kbyte": 1e3, "Mbyte": 1e6, "Gbyte": 1e9, "B": 1.0, "KB": 1e3, "MB": 1e6, "GB": 1e9}
SHOWN = 32
PREFIX = "reviewkd "


def read_rows(path):
    """Returns rows as {column: value}, numbers in microseconds and bytes."""
    with open(path, newline="") as file:
        lines = [line for line in csv.reader(file) if len(line) > 5]  # the profiler's messages have fewer columns
    head = next(i for i, line in enumerate(lines) if "Kernel Name" in line)
    names, units = lines[head], lines[head + 1]
    rows = []
    for line in lines[head + 2:]:
        if len(line) != len(names):
            continue
        row = {}
        for name, unit, text in zip(names, units, line):
            try:
                row[name] = float(text.replace(",", "")) * UNITS.get(unit, 1.0)
            except ValueError:
                row[name] = text
        rows.append(row)
    return rows


def short_name(name):
    """Returns a kernel's name without namespaces and arguments: `reviewkd NAME<TYPE>` for this package's."""
    name = re.sub(r"reviewkd::cuda::|<unnamed>::|\(anonymous namespace\)::", "", name)
    own = re.search(r"run_kernel<(\w+)(?:<(\w+) ?>)?", name)
    if own:
        return PREFIX + own[1] + (f"<{own[2]}>" if own[2] else "")
    plain = re.sub(r"^void ", "", name)
    base = re.split(r"[<(]", plain)[0]
    functor = re.search(r"\w*(?:Functor|functor|_kernel_cuda|kernel_impl|Ops)\w*", plain)
    return (base + (f" [{functor[0]}]" if functor and functor[0] not in base else ""))[:90]


def last_step(kernels):
    """Returns the kernels of the last complete step; a step ends with the optimizer's launches."""
    is_end = ["SgdSteps" in name for name, _ in kernels]
    ends = [i for i, end in enumerate(is_end) if end and not (i + 1 < len(kernels) and is_end[i + 1])]
    return kernels[ends[-2] + 1:ends[-1] + 1] if len(ends) > 1 else kernels


def summarize(rows):
    time = next((name for name in rows[0] if name.startswith("gpu__time_duration")), "")
    table = {}
    for name, row in last_step([(short_name(str(row["Kernel Name"])), row) for row in rows]):
        entry = table.setdefault(name, {"count": 0, "us": 0.0, "dramMB": 0.0, "l2MB": 0.0, "registers": 0, "warpsPercent": 0.0})
        entry["count"] += 1
        entry["us"] += row.get(time, 0.0)
        entry["dramMB"] += (row.get("dram__bytes_read.sum", 0.0) + row.get("dram__bytes_write.sum", 0.0)) / 1e6
        entry["l2MB"] += row.get("lts__t_bytes.sum", 0.0) / 1e6
        entry["registers"] = max(entry["registers"], row.get("launch__registers_per_thread", 0))
        entry["warpsPercent"] += row.get("sm__warps_active.avg.pct_of_peak_sustained_active", 0.0)
    for entry in table.values():
        entry["warpsPercent"] /= entry["count"]
    total = {key: sum(entry[key] for entry in table.values()) for key in ("count", "us", "dramMB", "l2MB")}
    own = sum(entry["us"] for name, entry in table.items() if name.startswith(PREFIX))
    return {"total": total, "ownUs": own, "kernels": table}


def main(source, target):
    summary = summarize(read_rows(source))
    with open(target, "w") as file:
        json.dump(summary, file, indent=1)
    print(f"{'kernel':60} {'count':>5} {'us':>8} {'us each':>8} {'DRAM MB':>8} {'L2 GB/s':>8} {'regs':>5} {'warps %':>7}")
    for name, entry in sorted(summary["kernels"].items(), key=lambda item: -item[1]["us"])[:SHOWN]:
        rate = 1000 * entry["l2MB"] / max(entry["us"], 1e-9)
        print(f"{name[:60]:60} {entry['count']:5d} {entry['us']:8.1f} {entry['us'] / entry['count']:8.2f} {entry['dramMB']:8.1f} "
              f"{rate:8.0f} {entry['registers']:5.0f} {entry['warpsPercent']:7.1f}")
    total = summary["total"]
    print(f"one step: {total['count']} kernels, {total['us']:.0f} us, {summary['ownUs']:.0f} us of them in this package's; "
          f"{total['dramMB']:.0f} MB of DRAM traffic, {total['l2MB']:.0f} MB through L2")


if __name__ == "__main__":
    main(*sys.argv[1:])
