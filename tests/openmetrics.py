# SPDX-License-Identifier: Apache-2.0
"""Checks OpenMetrics text strictly: openmetrics.py FILE [DASHBOARD.json].

With a dashboard, every metric that its queries name must be one that the text has, and every label a
label of it. With --text the file is in the Prometheus text format 0.0.4 instead.
"""

import json
import re
import sys

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (-?[0-9.]+(?:e[+-]?[0-9]+)?)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)')
SUFFIXES = {
    "counter": ("_total",),
    "gauge": ("",),
    "info": ("_info",),
    "histogram": ("_bucket", "_count", "_sum"),
}


def fail(line, text):
    sys.exit(f"{sys.argv[1]}:{line}: {text}")


def parse_labels(number, text):
    labels, at = {}, 0
    while at < len(text):
        found = LABEL.match(text, at)
        if not found or found[1] in labels:
            fail(number, f"bad labels: {text}")
        labels[found[1]] = found[2]
        at = found.end()
        if found[3] == "," and at == len(text):
            fail(number, "a comma at the end of the labels")
    return labels


def check_histogram(family):
    groups = {}
    for name, labels, value in family["samples"]:
        rest = tuple(sorted((k, v) for k, v in labels.items() if k != "le"))
        groups.setdefault(rest, []).append((name.rsplit("_", 1)[1], labels.get("le"), value))
    for group in groups.values():
        buckets = [(float(le), v) for kind, le, v in group if kind == "bucket"]
        if buckets != sorted(buckets) or any(a[1] > b[1] for a, b in zip(buckets, buckets[1:])):
            fail(family["line"], "buckets are not ascending")
        if buckets[-1][0] != float("inf") or [k for k, _, _ in group].count("sum") != 1:
            fail(family["line"], "no +Inf bucket, or no sum")
        if [v for kind, _, v in group if kind == "count"] != [buckets[-1][1]]:
            fail(family["line"], "count is not that of the +Inf bucket")


def parse(lines, modern):
    families, family, seen = {}, None, set()
    for number, line in enumerate(lines, 1):
        if line.startswith("# "):
            _, word, name, rest = (line.split(" ", 3) + [""])[:4]
            if word == "TYPE":
                if name in families or rest not in SUFFIXES:
                    fail(number, f"{name}: twice, or of an unknown type")
                base = name
                if not modern and rest == "counter":
                    if not name.endswith("_total"):
                        fail(number, f"{name} is a counter without _total")
                    base = name[: -len("_total")]
                family = {"type": rest, "base": base, "line": number, "samples": [], "meta": {"TYPE"}}
                families[name] = family
            elif word in ("UNIT", "HELP"):
                if not family or families.get(name) is not family or family["samples"]:
                    fail(number, f"{word} is not with its family")
                if word in family["meta"]:
                    fail(number, f"{word} twice")
                family["meta"].add(word)
                if word == "UNIT" and not (modern and name.endswith("_" + rest)):
                    fail(number, f"{name} does not end in its unit {rest}")
                if word == "HELP" and (not rest or re.search(r"\\[^\\n\"]", rest)):
                    fail(number, "no HELP, or a wrong escape in it")
            else:
                fail(number, f"unknown line: {line}")
            continue
        found = SAMPLE.fullmatch(line)
        if not found:
            fail(number, f"no sample: {line}")
        name, labels = found[1], parse_labels(number, found[2] or "")
        if not family or name not in [family["base"] + s for s in SUFFIXES[family["type"]]]:
            fail(number, f"{name} is of no family, or apart from it")
        key = (name, tuple(sorted(labels.items())))
        if key in seen:
            fail(number, "twice")
        seen.add(key)
        if name.endswith("_bucket") != ("le" in labels):
            fail(number, "le, or none")
        if family["type"] != "gauge" and float(found[3]) < 0:
            fail(number, "less than 0")
        family["samples"].append((name, labels, float(found[3])))
    for name, family in families.items():
        if not family["samples"] or "HELP" not in family["meta"]:
            fail(family["line"], f"{name} has no samples, or no HELP")
        if family["type"] == "histogram":
            check_histogram(family)
    return families


def check_dashboard(path, families):
    known = {}
    for family in families.values():
        for name, labels, _ in family["samples"]:
            known.setdefault(name, set()).update(labels)
    with open(path, encoding="utf-8") as file:
        dashboard = json.load(file)
    queries = [t["expr"] for p in dashboard["panels"] for t in p.get("targets", [])]
    queries += [v["query"] for v in dashboard["templating"]["list"] if v["type"] == "query"]
    if len(queries) < 10:
        sys.exit(f"{path}: only {len(queries)} queries found")
    for query in queries:
        names = re.findall(r"storescan_[a-z0-9_]+", query)
        if not names:
            sys.exit(f"{path}: no metric of ours in: {query}")
        for name in names:
            if name not in known:
                sys.exit(f"{path}: no metric {name}, in: {query}")
        labels = re.findall(r"[{,] *([a-z]+) *[=!]", query)
        labels += [w for by in re.findall(r"by \(([^)]*)\)", query) for w in re.split(r", *", by)]
        for label in labels:
            if label not in {"instance"}.union(*(known[name] for name in names)):
                sys.exit(f"{path}: no label {label}, in: {query}")


def main():
    modern = sys.argv[1] != "--text"
    if not modern:
        del sys.argv[1]
    with open(sys.argv[1], encoding="utf-8") as file:
        text = file.read()
    lines = text.split("\n")
    if lines.pop() != "" or (modern and lines.pop() != "# EOF"):
        fail(len(lines), "does not end in '# EOF' and a line feed")
    families = parse(lines, modern)
    if len(sys.argv) > 2:
        check_dashboard(sys.argv[2], families)


main()
