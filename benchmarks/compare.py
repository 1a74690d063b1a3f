"""The stream against the same work by hand and by Bytewax: one topic, a fresh database each, answers compared.

    python benchmarks/compare.py [--events 3000000] [--own-servers] [--only stream,full] [--rounds 3]

Each contender drains the same records after the others, from Kafka into PostgreSQL (synchronous_commit on):

    stream    our Spark job (publishes to Redis, too)
    ids-only  the hand-written consumer: ids, counts per minute and plain sessions only
    full      the hand-written consumer: all that the stream stores
    bytewax   all that the stream stores, as a Bytewax dataflow

Beside a running platform its own streaming job rests; with --own-servers PostgreSQL and Kafka are started for this run
with the platform's settings, and nothing else needs to run. The rate is the sum over the
partitions of the median rate of their transactions, the first fifth of the records (warm-up) left out; and the mean
after warm-up. Progress goes to stderr, a Markdown table and JSON to stdout. Exit code 1 when answers differ.

Examples:
    python benchmarks/compare.py --own-servers --events 300000
    python benchmarks/compare.py --own-servers --only stream,full --rounds 3
"""

import argparse
import contextlib
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from answers import Answers, differences, recomputed, stored
from baselines import ids_only
from bench_servers import Bench, NoPlatformError, bench
from contenders import Contender, install_bytewax
from measure import PARTS, drain
from rich.console import Console
from traffic import produce_history

from clickstream.settings import Settings

console = Console(stderr=True)
TITLES = {
    "stream": "our stream (Spark)",
    "ids-only": "by hand, ids only",
    "full": "by hand, same outputs",
    "bytewax": "Bytewax, same outputs",
}
GOALS = {"full": 0.8, "bytewax": 3.0}  # our stream is at least so many times as fast
IDS_ONLY_GOAL = 70_000
Figures = dict[str, Any]


def main() -> int:
    """Run the contenders and print what they did; 1 when their answers differ."""
    given = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # servers and contenders end with us
    contenders = [
        Contender(name, TITLES[name], given.bytewax_share if name == "bytewax" else 1.0) for name in given.only
    ]
    if "bytewax" in given.only:
        install_bytewax()
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="clickstream-bench-")))
        servers = stack.enter_context(bench(directory, given.own_servers))
        topic = Settings(kafka_bootstrap=servers.bootstrap, topic=servers.topic)
        console.print(f"producing about {given.events:,} events …")
        produced = produce_history(topic, given.events, directory)
        figures: dict[str, list[Figures]] = {name: [] for name in given.only}
        answers: dict[str, Answers] = {}
        for number in range(given.rounds):
            for contender in contenders:
                console.print(f"{contender.title}, round {number + 1} …")
                measured, found = _measure(servers, contender, int(produced["records"]))
                figures[contender.name].append(measured)
                if contender.share == 1:
                    answers[contender.name if number == 0 else f"{contender.name} {number + 1}"] = found
                console.print(f"  {measured['drained_per_second_median']:,} events/s")
        if given.recompute:
            console.print("recomputing the answers by DuckDB …")
            answers["duckdb"] = recomputed(topic)
    wrong = differences(answers)
    report = _report(produced, figures, answers, wrong)
    print(_markdown(report))
    print(json.dumps(report, indent=2))
    for line in wrong:
        console.print(f"answers differ: {line}", style="red")
    return 1 if wrong else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=3_000_000, help="visitors' events; repeats come on top")
    parser.add_argument("--rounds", type=int, default=1, help="of all contenders; figures are the medians")
    parser.add_argument("--only", type=_names, default=list(TITLES), help=f"some of {','.join(TITLES)}")
    parser.add_argument("--bytewax-share", type=float, default=1.0, help="stop Bytewax after this share of the input")
    parser.add_argument("--own-servers", action="store_true", help="start servers for this run")
    parser.add_argument("--no-recompute", dest="recompute", action="store_false", help="without DuckDB's answers")
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = text.split(",")
    unknown = set(names) - set(TITLES)
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: choose from {', '.join(TITLES)}")
    return names


def _measure(servers: Bench, contender: Contender, records: int) -> tuple[Figures, Answers]:
    """One contender on a fresh database: its figures and its answers."""
    with servers.platform(contender.name) as (platform, environment):
        owner = platform.postgres_owner.get_secret_value()
        if contender.name == "ids-only":
            ids_only.create(owner)
        batch = platform.stream_max_batch_events // platform.topic_partitions  # a transaction's records, as ours
        began, log = time.time(), servers.directory / f"{contender.name}.log"
        job = contender.start(environment, log, batch)
        try:
            figures = drain(platform, int(records * contender.share), job, began)
            job.stop()
        except BaseException:
            console.print(log.read_text(errors="replace")[-3_000:], markup=False)
            raise
        finally:
            job.close()
        return figures, stored(owner, contender.name == "ids-only")


def _report(
    produced: Figures, figures: dict[str, list[Figures]], answers: dict[str, Answers], wrong: list[str]
) -> Figures:
    """Everything that was measured; rates are medians over the rounds."""
    rates = {
        name: statistics.median(each["drained_per_second_median"] for each in runs) for name, runs in figures.items()
    }
    ours = rates.get("stream")
    ratios = {name: round(ours / rate, 2) for name, rate in rates.items() if ours and rate and name != "stream"}
    return {
        "machine": f"{os.cpu_count()} cores, {psutil.virtual_memory().total >> 30} GiB",
        "command": " ".join(["python", "benchmarks/compare.py", *sys.argv[1:]]),
        "input": produced,
        "figures": figures,
        "stream_times_as_fast_as": ratios,
        "answers": answers,
        "answers_differ": wrong,
    }


def _markdown(report: Figures) -> str:
    """The table for benchmarks/README.md, and what is to be said of it."""
    lines = [
        "| contender | events/s (median) | mean | first commit s | CPU µs a record"
        " (JVM / Python / PostgreSQL / Kafka / rest) | peak PSS MB | our stream is … times as fast | goal |",
        "|---|---|---|---|---|---|---|---|",
    ]
    ratios = report["stream_times_as_fast_as"]
    for name, runs in report["figures"].items():
        middle = {key: statistics.median(run[key] for run in runs) for key in runs[0] if key != "cpu_us_per_record"}
        cpu = [statistics.median(run["cpu_us_per_record"][part] for run in runs) for part in PARTS]
        cells = [
            TITLES[name],
            ", ".join(f"{run['drained_per_second_median']:,}" for run in runs),
            f"{middle['drained_per_second_mean']:,.0f}",
            str(middle["first_commit_seconds"]),
            f"{sum(cpu):.0f} ({' / '.join(f'{part:.0f}' for part in cpu)})",
            f"{middle['job_peak_pss_mb']:,.0f}",
            str(ratios.get(name, "")),
            f"≥ {GOALS[name]}" if name in GOALS else "",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", *_remarks(report), ""])


def _remarks(report: Figures) -> list[str]:
    said = "; ".join(report["answers_differ"]) or "equal in every figure"
    remarks = [f"Answers of {', '.join(report['answers'])}: {said}."]
    runs = report["figures"]
    if any(run["drained_per_second_median"] == 0 for each in runs.values() for run in each):
        remarks.append("A rate of 0: too few transactions after warm-up; take more events.")
    if "ids-only" in runs:
        reached = statistics.median(run["drained_per_second_median"] for run in runs["ids-only"])
        verdict = "it is no straw man" if reached >= IDS_ONLY_GOAL else "the ratio counts for nothing"
        remarks.append(f"By hand, ids only: {reached:,.0f} events/s of the {IDS_ONLY_GOAL:,} asked for: {verdict}.")
    return remarks


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except NoPlatformError as error:
        console.print(str(error), style="red")
        sys.exit(2)
