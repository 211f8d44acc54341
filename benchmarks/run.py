#!/usr/bin/env python3
"""Measures what docs/benchmarks.md says, in one go: medians over runs, baselines in the same run.

Run it through ./bench, which builds first. Each figure is printed with what it must reach. Figures of data that may
not ship are skipped where $FOURFOLD_SHARED_DATA (or ../shared/data) lacks it.
"""
import argparse
import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "release"
FOURFOLD = BUILD / "src" / "cli" / "fourfold"
SHARED = pathlib.Path(os.environ.get("FOURFOLD_SHARED_DATA", ROOT.parent / "shared" / "data"))
LOG_END = "2011-12-09T12:51:00Z"


class Report:
    """Figures as they come, and as one table at the end."""

    def __init__(self):
        self.rows = []

    def add(self, what, figure, target="", held=None):
        self.rows.append({"what": what, "figure": figure, "target": target, "held": held})
        mark = "" if held is None else "  ok" if held else "  SHORT"
        print(f"  {what}: {figure}" + (f"  (to reach: {target})" if target else "") + mark, flush=True)

    def skip(self, what, why):
        self.rows.append({"what": what, "figure": "skipped: " + why, "target": "", "held": None})
        print(f"  {what}: skipped, {why}", flush=True)

    def print_table(self):
        print("\n| what | figure | must reach | |\n|---|---|---|---|")
        for row in self.rows:
            mark = {None: "", True: "ok", False: "**short**"}[row["held"]]
            print(f"| {row['what']} | {row['figure']} | {row['target']} | {mark} |")


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], text=True, capture_output=True, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


def evaluate(directory, *arguments, settings=None):
    """settings: of the recipe, path -> value (docs/recipe.md, "Overrides")."""
    environment = {"FOURFOLD_" + path.replace(".", "__").upper(): str(value) for path, value in (settings or {}).items()}
    return json.loads(run(FOURFOLD, "--directory", directory, "--format", "json", "eval", *arguments,
                          env=os.environ | environment))


def by_method(report):
    return {row["method"]: row for row in report["methods"]}


def with_interval(metric):
    return f"{metric['mean']:.4f} [{metric['low']:.4f}, {metric['high']:.4f}]"


def add_quality(report, title, evaluation, references):
    """references: method -> [(metric, lowest acceptable mean, text)]"""
    methods = by_method(evaluation)
    for method, row in methods.items():
        wanted = {metric: (lowest, text) for metric, lowest, text in references.get(method, [])}
        for metric in ("Success@10", "nDCG@10"):
            if metric not in row["metrics"]:
                continue
            lowest, text = wanted.get(metric, (None, ""))
            value = row["metrics"][metric]
            report.add(f"{title}: {method} {metric}", with_interval(value), text,
                       None if lowest is None else value["mean"] >= lowest)
        difference = row.get("difference", {}).get("nDCG@10")
        if difference:
            report.add(f"{title}: {method} - {row['compared_with']}, paired, nDCG@10", with_interval(difference))


def bench_beauty(report, work, runs):
    source = SHARED / "s3rec-beauty" / "Beauty.txt"
    if not source.exists():
        report.skip("s3rec-beauty", "the data is not on this machine")
        return
    directory = work / "beauty"
    run(FOURFOLD, "--directory", directory, "--recipe", ROOT / "recipes/beauty.yaml", "import", source)
    evaluation = evaluate(directory)
    add_quality(report, "Beauty, refit", evaluation, {
        "covisitation": [("Success@10", .0900, ".0938, interval from .0900"), ("nDCG@10", .0570, ".0597, interval from .0570")],
        "item_cf": [("Success@10", .0790, ".0827, interval from .0790"), ("nDCG@10", .0456, ".0480, interval from .0456")],
        "ease": [("Success@10", .0847, ".0882, interval from .0847"), ("nDCG@10", .0506, ".0531, interval from .0506")],
    })
    seconds = [evaluate(directory, "--method", "covisitation", "--no-tuning")["seconds"] for _ in range(runs)]
    report.add("Beauty: eval of one retriever, 22,363 users, 12,101 items", f"{statistics.median(seconds):.2f} s", "5 s",
               statistics.median(seconds) <= 5)


def import_beauty_with_attributes(work):
    """The actions, and the attributes as item events; None without the data."""
    source = SHARED / "s3rec-beauty"
    if not (source / "Beauty_item2attributes.json").exists():
        return None
    directory = work / "beauty_eges"
    if not directory.exists():
        items = work / "items.jsonl"
        with open(items, "w") as lines:
            for item, values in json.loads((source / "Beauty_item2attributes.json").read_text()).items():
                fields = [{"name": "attributes", "value": [str(value) for value in values]}]
                lines.write(json.dumps({"event": "item", "item": item, "fields": fields}) + "\n")
        for file in (items, source / "Beauty.txt"):
            run(FOURFOLD, "--directory", directory, "--recipe", ROOT / "recipes/beauty_eges.yaml", "import", file)
    return directory


def bench_embeddings(report, work, runs):
    directory = import_beauty_with_attributes(work)
    if directory is None:
        report.skip("s3rec-beauty with attributes", "the data is not on this machine")
    else:
        add_quality(report, "Beauty, refit, with embeddings", evaluate(directory), {})
        bench_links(report, directory)
        judged = by_method(evaluate(directory, "--task", "cold_items", "--method", "eges"))
        for method, row in judged.items():
            for metric, value in row["metrics"].items():
                report.add(f"Beauty, cold items: {method} {metric}", with_interval(value))
    bench_skip_gram(report, work, runs)
    bench_growth(report)
    bench_vector_search(report, runs)


# For each variant and each way to draw pairs without an edge: what was best on validation (docs/benchmarks.md).
LINKS = {"AUC": {"BGE": (60, .1), "GES": (5, .1), "EGES": (5, .25)},
         "AUC degree-matched": {"BGE": (5, .1), "GES": (2, .25), "EGES": (5, .25)}}


def bench_links(report, directory):
    """Hidden edges that no setting was chosen on."""
    judged = {}
    for walks, rate in {settings for chosen in LINKS.values() for settings in chosen.values()}:
        settings = {"retrievers.eges.walks_per_item": walks, "retrievers.eges.learning_rate": rate}
        judged[walks, rate] = by_method(evaluate(directory, "--task", "link_prediction", "--method", "eges", "--seed", 2,
                                                 settings=settings))
    for metric, chosen in LINKS.items():
        below = 0
        for variant, settings in chosen.items():
            value = judged[settings][f"eges: {variant}"]["metrics"][metric]
            report.add(f"Beauty, hidden edges, {metric}: {variant}", with_interval(value), "BGE < GES <= EGES",
                       value["mean"] >= below)
            below = value["mean"]


def embedding_bench(*arguments):
    return json.loads(run(BUILD / "benchmarks" / "fourfold_embedding_bench", *arguments))


def child_processor_seconds(*command):
    before = os.times()
    run(*command)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def child_seconds(*command):
    started = time.monotonic()
    run(*command)
    return time.monotonic() - started


def fasttext_pairs_per_second(work, threads, clock):
    """On walks of the same graph, by the time that one more epoch takes; 0 without fasttext."""
    if not shutil.which("fasttext"):
        return 0
    walks = work / "walks.txt"
    pairs = embedding_bench("--items", 10_000, "--write-walks", walks)["pairs_uniform_reach"]

    def train(epochs):
        return clock("fasttext", "skipgram", "-input", walks, "-output", work / "fasttext", "-dim", 64, "-ws", 5,
                     "-neg", 5, "-loss", "ns", "-minCount", 1, "-minn", 0, "-maxn", 0, "-t", 1, "-thread", threads,
                     "-epoch", epochs, "-verbose", 0)

    return pairs / (train(2) - train(1))


def bench_skip_gram(report, work, runs):
    """Pairs a second of processor time, and with two threads of wall time; the best of the runs."""
    def rate(seconds, *arguments):
        results = [embedding_bench("--items", 10_000, *arguments) for _ in range(runs)]
        return max(result["pairs"] / result["training"][seconds] for result in results)

    one = rate("processor_seconds")
    theirs = fasttext_pairs_per_second(work, 1, child_processor_seconds)
    both = fasttext_pairs_per_second(work, 2, child_seconds)
    title = "skip-gram, 64 dimensions, 5 negatives"
    report.add(f"{title}: one thread", f"{one:,.0f} pairs/s", "level with fastText" if theirs else "", one >= theirs if theirs else None)
    two = rate("seconds", "--threads", 2)
    report.add(f"{title}: two threads, by the wall clock", f"{two:,.0f} pairs/s", "level with fastText" if both else "",
               two >= both if both else None)
    report.add(f"{title}: the plain twin", f"{rate('processor_seconds', '--plain'):,.0f} pairs/s")
    if theirs:
        report.add(f"{title}: fastText, walks of the same graph", f"{theirs:,.0f} pairs/s")
        report.add(f"{title}: fastText, two threads, by the wall clock", f"{both:,.0f} pairs/s")


# Small vectors and a thin graph, so that a million items take minutes.
GROWTH = ("--walks-per-item", 1, "--dimension", 16, "--graph", "--graph-links", 8, "--build-width", 40)


def bench_growth(report):
    """Processor time: in all, of a pair of skip-gram, and of an item that the graph takes in."""
    for items in (10_000, 100_000, 1_000_000):
        result = embedding_bench("--items", items, "--threads", 2, "--rows", *GROWTH)
        title = f"{items:,} items, {result['edges']:,} edges, one walk each, 16 dimensions, two threads"
        for part, what, units in (("training", "pair", result["pairs"]), ("rows_alone", "pair", result["pairs"]),
                                  ("graph", "item", items)):
            seconds = result[part]["processor_seconds"]
            report.add(f"{title}: {part}", f"{seconds:.1f} processor seconds, {1e6 * seconds / units:.2f} us a {what}")
        report.add(f"{title}: peak memory", f"{result['peak_resident_mib']:,.0f} MiB")


def bench_vector_search(report, runs):
    program = BUILD / "benchmarks" / "fourfold_vector_search_bench"
    if not program.exists() or not pathlib.Path("/usr/share/datasets/fashion-mnist").exists():
        report.skip("vector search", "libhnswlib-dev and libfaiss-dev or dataset-fashion-mnist is missing: benchmarks/packages.txt")
        return
    searches = {search["name"]: search for search in json.loads(run(program, "--runs", runs))["searches"]}
    best = max(searches[name]["queries_per_second"] for name in ("faiss", "hnswlib"))
    for name, search in searches.items():
        rate = search["queries_per_second"]
        mine = name == "fourfold"
        report.add(f"fashion-mnist, recall@10 {search['recall']:.3f}, one thread: {name}",
                   f"{rate:,.0f} queries/s of processor time, built in {search['build_seconds']:.0f} s",
                   "the better of the others" if mine else "", rate >= best if mine else None)


def bench_ranker(report, work, runs):
    """Trained rankers on real requests, and the speed of the features that they read."""
    def judged(recipe, *files):
        directory = work / recipe
        for file in files:
            run(FOURFOLD, "--directory", directory, "--recipe", ROOT / f"recipes/{recipe}.yaml", "import", file)
        return by_method(evaluate(directory, "--task", "ranker"))

    trivago = SHARED / "trivago" / "trivago_val_100k.tsv.gz"
    if trivago.exists():
        methods = judged("trivago", trivago)
        for metric, lowest, text in (("RR", .6033, ".624, interval from .6033"), ("Success@3", .6661, ".688, interval from .6661")):
            report.add(f"trivago: the order shown, {metric}", with_interval(methods["list order"]["metrics"][metric]))
            value = methods["ranker"]["metrics"][metric]
            report.add(f"trivago: trained ranker, {metric}", with_interval(value), text, value["mean"] >= lowest)
        row = judged("trivago_transact", trivago)["ranker"]
        for metric in ("RR", "Success@3"):
            report.add(f"trivago: TransAct, {metric}", with_interval(row["metrics"][metric]))
    else:
        report.skip("trivago", "the data is not on this machine")
    movielens = SHARED / "ml-latest-small"
    if movielens.exists():
        value = judged("movielens_small", movielens / "movies.csv", movielens / "ratings.csv")["ranker"]["metrics"]["AUC"]
        report.add("ml-latest-small: AUC of like", with_interval(value), ".837, interval from .7894", value["mean"] >= .7894)
        methods = judged("movielens_small_transact", movielens / "movies.csv", movielens / "ratings.csv")
        for head in ("like", "dislike"):
            report.add(f"ml-latest-small: TransAct with two heads, AUC of {head}", with_interval(methods[f"head {head}"]["metrics"]["AUC"]))
    else:
        report.skip("ml-latest-small", "the data is not on this machine")
    bench_features(report, runs)


def bench_features(report, runs):
    raw = json.loads(run(BUILD / "src/feature/feature_bench", "--benchmark_format=json", f"--benchmark_repetitions={runs}"))
    rows = {row["run_name"].split("/iterations")[0].split("/min_time")[0]: row for row in raw["benchmarks"]
            if row.get("aggregate_name") == "median"}
    title = "20 features of 8 kinds, one thread"
    figures = (("EventsIntoState", "events/s", f"{title}: events into state", 300_000, False),
               ("FeatureValues/past/20", "values/s", f"{title}: values of past requests of 20 candidates", 5_000_000, False),
               ("FeatureValues/now/500", "p99_ms", f"{title}: one request of 500 candidates, p99", 2, True),
               ("AsOfWindowedCount", "p99_ms", "a count of 1,000,000 actions, 1 % late, at a past read point, p99", 2, True))
    for name, counter, what, wanted, less in figures:
        value = rows[name][counter]
        unit = "ms" if counter == "p99_ms" else counter
        shown = f"{value:.2f} {unit}" if less else f"{value:,.0f} {unit}"
        report.add(what, shown, f"{wanted:,} {unit}", value <= wanted if less else value >= wanted)


def import_online_retail(work):
    directory = work / "shop"
    if not directory.exists():
        run(FOURFOLD, "--directory", directory, "--recipe", ROOT / "recipes/online_retail.yaml", "import",
            ROOT / "data/online_retail.csv.zst")
    return directory


def bench_online_retail(report, work, runs):
    directory = import_online_retail(work)
    references = {
        "new": {"popular_week": [("nDCG@10", .1013, ".1090, interval from .1013")],
                "item_cf": [("nDCG@10", .0705, ".0768, interval from .0705")],
                "basket": [("nDCG@10", .0824, ".0893, interval from .0824")],
                "ease": [("nDCG@10", .0999, ".1074, interval from .0999")],
                "blend": [("nDCG@10", .109, ".109; .117 with EASE")]},
        "all": {"popular_week": [("nDCG@10", .1386, ".1463, interval from .1386")],
                "item_cf": [("nDCG@10", .1937, ".2058, interval from .1937")],
                "basket": [("nDCG@10", .2136, ".2262, interval from .2136")],
                "repeats": [("nDCG@10", .3480, ".3614, interval from .3480")],
                "ease": [("nDCG@10", .2687, ".2822, interval from .2687")],
                "blend": [("nDCG@10", .363, ".361; .363 with EASE")]},
    }
    for variant, wanted in references.items():
        add_quality(report, f"Online Retail, {variant}", evaluate(directory, "--variant", variant), wanted)


def bench_import(report, work, runs):
    events = 1_000_000
    output = run(BUILD / "benchmarks" / "fourfold_import_bench", "--events", events, "--runs", runs,
                 "--directory", work / "import")
    rates = [float(rate.replace(",", "")) for rate in re.findall(r"import, durable.*?([\d,.]+) events/s", output)]
    raw = json.loads(run(BUILD / "src/feature/event_store_bench", "--benchmark_filter=BM_(RawRocksDb)?Import",
                         "--benchmark_format=json", f"--benchmark_repetitions={runs}"))
    medians = {row["run_name"].split("/")[0]: row["items_per_second"] for row in raw["benchmarks"]
               if row.get("aggregate_name") == "median"}
    report.add("durable import of JSONL, 1,000,000 events", f"{statistics.median(rates):,.0f} events/s", "100,000 events/s",
               statistics.median(rates) >= 100_000)
    report.add("  the event store alone, same process", f"{medians['BM_Import']:,.0f} events/s")
    report.add("  RocksDB alone with the same keys and values", f"{medians['BM_RawRocksDbImport']:,.0f} events/s")


# A processor that went idle goes back to the machine's host, and comes back late. Servers keep them awake where they may;
# what it is like without is measured beside it.
CAN_KEEP_AWAKE = os.access("/dev/cpu_dma_latency", os.W_OK)


class Server:
    def __init__(self, directory, clock_at=LOG_END, awake=CAN_KEEP_AWAKE):
        self.log = open(directory / "server.log", "w+")
        self.process = subprocess.Popen([FOURFOLD, "--directory", directory, "--clock-at", clock_at, "serve", "--port", "0"]
                                        + ["--keep-processors-awake"] * awake, stdout=self.log, stderr=self.log)
        self.url = self.wait()

    def wait(self):
        for _ in range(600):
            found = re.search(r"http://127\.0\.0\.1:\d+", pathlib.Path(self.log.name).read_text())
            if found:
                try:
                    urllib.request.urlopen(found.group(0) + "/health/ready", timeout=1).close()
                    return found.group(0)
                except OSError:
                    pass
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError("the server did not start: " + pathlib.Path(self.log.name).read_text())

    def resident_mb(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) / 1024

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=60)


# The load runs in windows of 10 s. A window in which even a request that asks for nothing takes longer than this at
# p99 says how busy the machine's host is, not how fast the server is: a figure over the others stands beside that of all.
LOAD_WINDOWS = 9
QUIET_NOTHING_P99_MS = 2.0


def load_window(server, users, work, rate=500):
    output = work / "load.json"
    run(BUILD / "benchmarks" / "fourfold_recommend_load", "--url", server.url, "--users-from", users, "--recommend-rate", rate,
        "--event-rate", rate, "--seconds", 10, "--disk", work, "--json", output)
    return json.loads(output.read_text())


# Windows of a server that lets the processors go idle, beside those of one that does not.
IDLE_WINDOWS = 3


def add_load(report, windows, is_held=True):
    def median(of, stream, figure):
        return statistics.median(window[stream][figure] for window in of)

    quiet = [window for window in windows if window["nothing"]["p99_ms"] <= QUIET_NOTHING_P99_MS]
    title = "20 of 4,000 items, 500/s beside 500 events/s" + ("" if is_held else ", processors may go idle")
    report.add(f"recommend, {title}: p50, median of {len(windows)} windows", f"{median(windows, 'recommend', 'p50_ms'):.2f} ms")
    for stream, name in (("recommend", "recommend"), ("event", "acknowledgement of an event"), ("nothing", "a request for nothing")):
        target = "" if stream == "nothing" or not is_held else "5 ms"
        p99 = median(windows, stream, "p99_ms")
        report.add(f"{name}, the same: p99", f"{p99:.2f} ms", target, p99 <= 5 if target else None)
        if quiet:
            p99 = median(quiet, stream, "p99_ms")
            report.add(f"{name}, p99 of the {len(quiet)} windows with a quiet host", f"{p99:.2f} ms", target, p99 <= 5 if target else None)
    for figure, name in (("wake_up_p99_ms", "a thread wakes up late by"), ("disk_sync_p99_ms", "write and fdatasync of 400 bytes")):
        report.add(f"the machine alone meanwhile: {name}, p99", f"{median(windows, 'machine', figure):.2f} ms")
    errors = sum(window[stream]["errors"] for window in windows for stream in ("recommend", "event", "nothing"))
    report.add("errors, of all", str(errors), "0", errors == 0)


def bench_server(report, work, runs):
    directory = import_online_retail(work)
    run(FOURFOLD, "--directory", directory, "train", "--no-evaluation", "--activate")
    users = work / "users.jsonl"
    run(FOURFOLD, "--directory", directory, "--clock-at", LOG_END, "recommend", "--all-users", "-o", users)
    server = Server(directory)
    try:
        add_load(report, [load_window(server, users, work) for _ in range(LOAD_WINDOWS)])
        output = work / "visibility.json"
        run(BUILD / "benchmarks" / "fourfold_visibility_check", "--url", server.url, "--rounds", 10_000, "--json", output)
        visibility = json.loads(output.read_text())
        report.add("acknowledged actions in the next answer", f"{visibility['visible']} of {visibility['rounds']}", "all",
                   visibility["visible"] == visibility["rounds"])
        report.add("acknowledgement, one client after the other: p99", f"{visibility['ack_p99_ms']:.2f} ms", "5 ms",
                   visibility["ack_p99_ms"] <= 5)
        resident = server.resident_mb()
        report.add("server's memory after that", f"{resident:.0f} MB", "200 MB", resident <= 200)
    finally:
        server.stop()
    if not CAN_KEEP_AWAKE:
        report.add("/dev/cpu_dma_latency cannot be opened: the processors went idle in all of these windows", "")
        return
    server = Server(directory, awake=False)
    try:
        add_load(report, [load_window(server, users, work) for _ in range(IDLE_WINDOWS)], is_held=False)
    finally:
        server.stop()


def bench_ranked_feed(report, work, runs):
    """The feed in the order of a ranker: what it gains over the blend, and what a slate takes with 500 candidates."""
    directory = work / "ranked"
    run(FOURFOLD, "--directory", directory, "--recipe", ROOT / "recipes/online_retail_ranked.yaml", "import",
        ROOT / "data/online_retail.csv.zst")
    for variant in ("all", "new"):
        # A feed of what is new has its own ranker: one whose rows are of such goods alone.
        settings = {"policy.seen_actions": "[{type: purchase}]"} if variant == "new" else None
        methods = by_method(evaluate(directory, "--variant", variant, "--method", "blend", "--method", "ranker",
                                     settings=settings))
        for name in ("blend", "ranker"):
            report.add(f"Online Retail, {variant}: {name}, nDCG@10", with_interval(methods[name]["metrics"]["nDCG@10"]))
        difference = methods["ranker"]["difference"]["nDCG@10"]
        report.add(f"Online Retail, {variant}: ranker - blend, nDCG@10, paired", with_interval(difference), "above 0", difference["low"] > 0)
    # How long a slate takes does not depend on how many rows taught the trees.
    run(FOURFOLD, "--directory", directory, "train", "--no-evaluation", "--activate",
        env=dict(os.environ, FOURFOLD_RANKER__CANDIDATES="500", FOURFOLD_RANKER__NEGATIVES="50"))
    users = work / "ranked_users.jsonl"
    run(FOURFOLD, "--directory", directory, "--clock-at", LOG_END, "recommend", "--all-users", "-o", users)
    server = Server(directory)
    try:
        windows = [load_window(server, users, work, rate=50) for _ in range(LOAD_WINDOWS)]
        for figure, target in (("p50_ms", None), ("p99_ms", 15)):
            value = statistics.median(window["recommend"][figure] for window in windows)
            report.add(f"recommend with a ranker of trees over 500 candidates, 50/s beside 50 events/s: {figure[:3]}, median of "
                       f"{len(windows)} windows", f"{value:.2f} ms", f"{target} ms" if target else "", value <= target if target else None)
    finally:
        server.stop()


# Windows of a slate every tenth of a second, whatever the server does, beside nothing else.
TRANSACT_WINDOWS = 3


# Name, recipe, precision, p99 to reach in ms.
FEEDS = (("trees", "online_retail_ranked", None, None), ("TransAct, f32", "online_retail_transact", "f32", 250),
         ("TransAct, bf16", "online_retail_transact", "bf16", 60))


def bench_transact_feed(report, work, runs):
    """A slate over 500 candidates by TransAct and by trees, one after the other, and the action in the next request's sequence."""
    medians, users = {}, work / "feed_users.jsonl"
    for name, recipe, precision, target in FEEDS:
        directory = work / f"feed_{recipe}_{precision}"
        run(FOURFOLD, "--directory", directory, "--recipe", ROOT / f"recipes/{recipe}.yaml", "import", ROOT / "data/online_retail.csv.zst")
        run(FOURFOLD, "--directory", directory, "train", "--no-evaluation", "--no-tuning", "--activate",
            # How long a slate takes does not depend on how much was learned.
            env=dict(os.environ, FOURFOLD_RANKER__CANDIDATES="500",
                     **({"FOURFOLD_RANKER__TRANSACT__EPOCHS": "1"} if precision else {"FOURFOLD_RANKER__NEGATIVES": "50"}),
                     **({"FOURFOLD_RANKER__TRANSACT__PRECISION": precision} if precision else {})))
        if not users.exists():
            run(FOURFOLD, "--directory", directory, "--clock-at", LOG_END, "recommend", "--all-users", "-o", users)
        server = Server(directory)
        try:
            windows = []
            for _ in range(TRANSACT_WINDOWS):
                output = work / "load.json"
                run(BUILD / "benchmarks" / "fourfold_recommend_load", "--url", server.url, "--users-from", users, "--recommend-rate", 10,
                    "--event-rate", 0, "--seconds", 60, "--json", output)
                windows.append(json.loads(output.read_text())["recommend"])
            for figure in ("p50_ms", "p99_ms"):
                value = medians[name, figure] = statistics.median(window[figure] for window in windows)
                held = target if figure == "p99_ms" else None
                report.add(f"recommend over 500 candidates by {name}, 10/s: {figure[:3]}, median of {len(windows)} windows of 60 s",
                           f"{value:.2f} ms", f"{held} ms" if held else "", value <= held if held else None)
            errors = sum(window["errors"] for window in windows)
            report.add("  errors", str(errors), "0", errors == 0)
            if precision == "f32":
                output = work / "visibility.json"
                run(BUILD / "benchmarks" / "fourfold_visibility_check", "--url", server.url, "--ranker", "--rounds", 10_000, "--json", output)
                visibility = json.loads(output.read_text())
                report.add("acknowledged actions first in the next request's sequence", f"{visibility['visible']} of {visibility['rounds']}",
                           "all", visibility["visible"] == visibility["rounds"])
        finally:
            server.stop()
    for figure in ("p50_ms", "p99_ms"):
        for name in ("TransAct, f32", "TransAct, bf16"):
            report.add(f"  {name} to the trees, {figure[:3]}", f"{medians[name, figure] / medians['trees', figure]:.1f}")


# Ours and torch's, each bound to the same vectors. The published module checks itself against the golden vectors first.
VECTORS = {
    "AVX2": ("avx2", 2.2, {"FOURFOLD_KERNELS": "avx2"},
             {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "OPENBLAS_CORETYPE": "Haswell"}),
    "AVX-512": ("avx512vl", 3.5, {"FOURFOLD_KERNELS": "avx512"}, {}),
}


def transact_bench(filter, environment):
    output = json.loads(run(BUILD / "src/model/transact_bench", "--benchmark_format=json", f"--benchmark_filter={filter}",
                            env=os.environ | environment))
    return [benchmark["items_per_second"] for benchmark in output["benchmarks"]]


def transact_reference(environment, *arguments):
    # Debian's python, which has Debian's torch. What OpenBLAS takes is left to it.
    chosen = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
    return json.loads(run("/usr/bin/python3", ROOT / "benchmarks/transact_reference.py", *arguments,
                          "--golden", ROOT / "data/transact-golden", "--rounds", 3, env=chosen | environment))


def bench_transact(report, work, runs):
    """Ours and the published module in torch take turns, with each kind of vectors that the processor has."""
    if subprocess.run(["/usr/bin/python3", "-c", "import torch"], capture_output=True).returncode != 0:
        report.skip("TransAct against the published module", "needs the package python3-torch")
        return
    flags = pathlib.Path("/proc/cpuinfo").read_text()
    for name, (flag, goal, mine, theirs) in VECTORS.items():
        if flag not in flags:
            report.skip(f"TransAct with {name}", "this processor has none")
            continue
        encoder = bench_transact_vectors(report, runs, name, goal, mine, theirs)
        bench_roofline(report, runs, f"float32 with {name}", f"BM_MultiplyAdd{name.replace('-', '').capitalize()}", encoder, mine | theirs)
    if "avx512_bf16" in flags:
        encoder = bench_transact_bfloat16(report, runs)
        bench_roofline(report, runs, "bf16", "BM_MultiplyAddBfloat16", encoder, {})


# Of a candidate beside 100 actions, 2 layers of width 96 with 2 heads and 32 hidden rows: what the products of both layers take that it shares with no
# other (2 n^2 d + 2 n d^2 + 4 n d f in the first layer, 4 n^2 d + 8 n d^2 + 4 n d f in the second), and the second layer's powers.
TRANSACT_PRODUCTS = 17.43e6
TRANSACT_POWERS = 2 * 100 * 100


def bench_roofline(report, runs, title, peak_name, encoder, environment):
    """What products at the processor's peak and powers at our kernel's speed would allow, and how far the encoder is from it."""
    def rates(name):
        found = json.loads(run(BUILD / "src/math/roofline_bench", "--benchmark_format=json", f"--benchmark_filter={name}", f"--benchmark_repetitions={runs}",
                               env=os.environ | environment))
        return statistics.median(one["items_per_second"] for one in found["benchmarks"] if one["run_type"] == "iteration")
    peak, powers, product = rates(peak_name), rates("BM_Powers"), rates("BM_Sgemm")
    allowed = 1 / (TRANSACT_PRODUCTS / peak + TRANSACT_POWERS / powers)
    report.add(f"Roofline of {title}: multiply-adds in registers; OpenBLAS's product; softmax's powers",
               f"{peak / 1e9:.0f} GFLOP/s; {product / 1e9:.0f} in float32; {powers / 1e9:.1f} billion a second")
    report.add("  what these allow a candidate's products and powers", f"{allowed:,.0f} candidates/s")
    report.add("  how much of that the encoder reaches", f"{encoder / allowed:.0%}")


def bench_transact_vectors(report, runs, name, goal, mine, theirs):
    """The encoder's candidates/s."""
    ours, best, together, training, trained = [], [], [], [], []
    for _ in range(runs):
        encoded, taught = transact_bench("BM_TransActEncoder/actions:100/max_pool:1|BM_TransActTraining/candidates:25/bfloat16:0", mine)
        ours.append(encoded)
        training.append(taught)
        reference = transact_reference(theirs, "--batches", "16,32,64,128")
        trained.append(max(reference["training_examples_per_second"].values()))
        speeds = reference["candidates_per_second"]
        best.append(max(speeds.values()))
        together.append(speeds["500"])
    title = f"TransAct with {name}"
    report.add(f"{title}, 1 user and 500 candidates, one thread, float32", f"{statistics.median(ours):,.0f} candidates/s")
    report.add("  the published module in torch, best chunk", f"{statistics.median(best):,.0f} candidates/s")
    ratio = statistics.median(mine / theirs for mine, theirs in zip(ours, best))
    report.add("  ratio to its best chunk", f"{ratio:.1f}", f"{goal}", ratio >= goal)
    ratio = statistics.median(mine / theirs for mine, theirs in zip(ours, together))
    report.add("  ratio to 500 in one call", f"{ratio:.1f}")
    report.add(f"{title}, training with dropout, 25 candidates a user, one thread", f"{statistics.median(training):,.0f} examples/s")
    report.add("  the published module in torch, best of batches of 16 to 128", f"{statistics.median(trained):,.0f} examples/s")
    ratio = statistics.median(mine / theirs for mine, theirs in zip(training, trained))
    report.add("  ratio to it", f"{ratio:.1f}", "3", ratio >= 3)
    # Multiplications and additions of an example that no other shares (docs/benchmarks.md).
    report.add("  what its arithmetic makes of that", f"{statistics.median(training) * 0.0523:.0f} GFLOP/s")
    return statistics.median(ours)


def bench_transact_bfloat16(report, runs):
    """The encoder's candidates/s."""
    ours, best, exact, rounded, theirs_exact, theirs_rounded, networks = [], [], [], [], [], [], []
    for _ in range(runs):
        encoded, taught, taught_rounded, network, network_rounded = transact_bench(
            "BM_TransActEncoderBfloat16/actions:100/max_pool:1|BM_TransActTraining/candidates:25|BM_RankingNetworkTraining", {})
        ours.append(encoded)
        exact.append(taught)
        rounded.append(taught_rounded)
        networks.append(network_rounded / network)
        reference = transact_reference(VECTORS["AVX-512"][3], "--bfloat16", "--batches", "16,32,64,128")
        best.append(max(reference["candidates_per_second_bfloat16"].values()))
        theirs_exact.append(max(reference["training_examples_per_second"].values()))
        theirs_rounded.append(max(reference["training_examples_per_second_bfloat16"].values()))
    report.add("TransAct with AVX-512 BF16, the same in bf16", f"{statistics.median(ours):,.0f} candidates/s")
    report.add("  the published module under torch's autocast to bfloat16, best chunk", f"{statistics.median(best):,.0f} candidates/s")
    ratio = statistics.median(mine / theirs for mine, theirs in zip(ours, best))
    report.add("  ratio to it (12 is asked of AMX, which this processor has not)", f"{ratio:.1f}")
    report.add("TransAct with AVX-512 BF16, training with dropout in bf16", f"{statistics.median(rounded):,.0f} examples/s")
    for name, others in (("ours in float32", exact), ("the published module under autocast, best of batches of 16 to 128", theirs_rounded),
                         ("that in float32", theirs_exact)):
        ratio = statistics.median(mine / other for mine, other in zip(rounded, others))
        report.add(f"  {name}, and the ratio to it", f"{statistics.median(others):,.0f} examples/s, {ratio:.1f}")
    report.add("  the network behind it, 512 rows a step, bf16 to float32", f"{statistics.median(networks):.1f}")
    return statistics.median(ours)


WORLD = ROOT / "recipes/worlds/feed.yaml"
WORLD_EVENTS = 2_000_000
CLOSED_LOOP_DAYS = 7  # after the 60 of the log, which ends on 2026-03-02
CLOSED_LOOP_END = "2026-03-09"


def simulate(*arguments):
    """Processor seconds and peak memory in MB of a log written on one processor."""
    def on_one_processor():
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    process = subprocess.Popen([str(part) for part in (FOURFOLD, "simulate", "--recipe", WORLD, *arguments)],
                               stdout=subprocess.DEVNULL, preexec_fn=on_one_processor)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise RuntimeError(f"simulate ended with {status}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def bench_world_speed(report, work, runs):
    for what, arguments in (("log", ["--out", work / "log.jsonl"]),
                            ("log and truth", ["--out", work / "log.jsonl", "--truth", work / "log.truth"]),
                            ("log, .zst", ["--out", work / "log.jsonl.zst"])):
        measured = [simulate("--events", WORLD_EVENTS, *arguments) for _ in range(runs)]
        rate = WORLD_EVENTS / statistics.median(seconds for seconds, _ in measured)
        target = "500,000 events/s" if what == "log" else ""
        report.add(f"simulate, {what}, {WORLD_EVENTS:,} events, one processor", f"{rate:,.0f} events/s of processor time", target,
                   rate >= 500_000 if target else None)
        report.add("  peak memory", f"{max(memory for _, memory in measured):.0f} MB", "200 MB",
                   max(memory for _, memory in measured) < 200)
        for path in work.glob("log*"):
            path.unlink()


def bench_world(report, work, runs):
    bench_world_speed(report, work, runs)
    log, truth, directory = work / "log.jsonl.zst", work / "log.truth.zst", work / "feed"
    run(FOURFOLD, "simulate", "--recipe", WORLD, "--seed", 7, "--out", log, "--truth", truth)
    run(FOURFOLD, "--directory", directory, "--recipe", ROOT / "recipes/simulated_feed.yaml", "import", log)
    evaluation = evaluate(directory, "--truth", truth)
    for row in evaluation["slates"]["methods"]:
        report.add(f"simulated feed, held slates: {row['method']} nDCG@10", with_interval(row["metrics"]["nDCG@10"]))
        report.add("  (it - popularity) / (truth - popularity)", with_interval(row["metrics"]["share"]))
    run(FOURFOLD, "--directory", directory, "train", "--no-evaluation", "--activate")
    server = Server(directory, CLOSED_LOOP_END)
    try:
        loop = json.loads(run(FOURFOLD, "--format", "json", "simulate", "--recipe", WORLD, "--seed", 7, "--days", CLOSED_LOOP_DAYS,
                              "--against", server.url, "--against", "popularity", "--against", "truth"))
    finally:
        server.stop()
    blend, popularity, best = loop["arms"]
    for name, arm in (("the blend", blend), ("popularity", popularity), ("the truth", best)):
        for score in ("click", "value"):
            report.add(f"closed loop, {arm['sessions']:,} sessions: {score} per session, {name}", with_interval(arm["per_session"][score]))
    for score in ("click", "value"):
        gain, gap = popularity["first_arm_ahead"][score], best["first_arm_ahead"][score]
        report.add(f"closed loop, paired: {score} per session, the blend - popularity", with_interval(gain), "above 0", gain["low"] > 0)
        report.add(f"closed loop, paired: {score} per session, the blend - the truth", with_interval(gap), "below 0", gap["high"] < 0)


PARTS = {"beauty": bench_beauty, "online_retail": bench_online_retail, "ranked_feed": bench_ranked_feed, "transact_feed": bench_transact_feed, "import": bench_import, "server": bench_server,
         "transact": bench_transact, "embeddings": bench_embeddings, "ranker": bench_ranker, "world": bench_world}


def machine():
    model = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return f"{model.group(1) if model else platform.machine()}, {os.cpu_count()} processors"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; without, all")
    parser.add_argument("--runs", type=int, default=3, help="medians are over so many (3)")
    parser.add_argument("--json", help="also write the figures there")
    arguments = parser.parse_args()
    unknown = [part for part in arguments.parts if part not in PARTS]
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    report = Report()
    print(machine())
    work = pathlib.Path(tempfile.mkdtemp(prefix="fourfold-bench-", dir=BUILD))
    try:
        for part in arguments.parts or PARTS:
            print(part, flush=True)
            PARTS[part](report, work, arguments.runs)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    report.print_table()
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps({"machine": machine(), "figures": report.rows}, indent=1))
    return 1 if any(row["held"] is False for row in report.rows) else 0


if __name__ == "__main__":
    sys.exit(main())
