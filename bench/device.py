"""`python -m bench.device`: what the model on the device weighs and costs, beside ONNX Runtime in the same run.

The scorer runs in Node, whose JavaScript engine is Chrome's. Each draft is answered by both, one after the other, so
that a busy machine slows both.
"""

import json
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench.drafts import BODY_CHARS, Writers
from bench.lines import print_row, quantile
from model.commands.export_device import PACKAGED, SHIPPED
from model.serving import Classifier
from store.packages import write_all_packages

SCRIPT = Path(__file__).with_name("device.mjs")
NODE = Path(sys.executable).parent / "node"
STARTS = 7
WARM_UP, DRAFTS = 100, 400
MEGABYTE = 1_000_000


class Device:
    """The model on the device, in a process of its own."""

    def __init__(self, first: dict[str, Any]) -> None:
        """Start it, and answer a first draft; ``start_ms`` says what that took."""
        command = [str(NODE), str(SCRIPT), str(PACKAGED), json.dumps(first)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.start_ms: dict[str, float] = self._receive()

    def answer(self, draft: dict[str, Any]) -> tuple[float, float]:
        """Return the milliseconds that an answer took: by the clock, and of processor time."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(draft) + "\n")
        self._process.stdin.flush()
        took = self._receive()
        return took["ms"], took["cpu_ms"]

    def stop(self) -> None:
        """End the process."""
        self._process.communicate()

    def _receive(self) -> Any:
        assert self._process.stdout
        return json.loads(self._process.stdout.readline())


def answer_natively(classifier: Classifier, draft: dict[str, Any]) -> tuple[float, float]:
    """Return the milliseconds that the service's classifier takes: by the clock, and of processor time."""
    start, cpu = time.perf_counter(), time.process_time()
    classifier.suggest(**draft)
    return (time.perf_counter() - start) * 1e3, (time.process_time() - cpu) * 1e3


def measure_answers(drafts: Sequence[dict[str, Any]]) -> None:
    """Print what an answer costs on the device and natively."""
    classifier, device = Classifier.load(SHIPPED), Device(drafts[0])
    ways: dict[str, Callable[[dict[str, Any]], tuple[float, float]]] = {
        "on the device": device.answer,
        "ONNX Runtime": lambda draft: answer_natively(classifier, draft),
    }
    took: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for draft in drafts:
        for way, answer in ways.items():
            took[way].append(answer(draft))
    device.stop()
    print_row(f"an answer, {BODY_CHARS:,} characters", "p50 ms", "p99 ms", "CPU ms, mean")
    medians = {}
    for way, pairs in took.items():
        clock, cpu = ([pair[i] for pair in pairs[WARM_UP:]] for i in (0, 1))
        medians[way] = median(clock)
        print_row(f"  {way}", f"{medians[way]:.2f}", f"{quantile(clock, 0.99):.2f}", f"{sum(cpu) / len(cpu):.2f}")
    print_row("  ratio of the medians", f"{medians['on the device'] / medians['ONNX Runtime']:.2f}")


def measure_starts(draft: dict[str, Any]) -> None:
    """Print what it takes from the file to the first answer, in processes that never ran the code before."""
    starts = []
    for _ in range(STARTS):
        device = Device(draft)
        device.stop()
        starts.append(device.start_ms)
    print_row("a start, milliseconds", "median", "largest")
    for name in ("read", "load", "first", "verify"):
        values = [start[name] for start in starts]
        label = {"first": "first answer", "verify": "verify (only where a file arrives)"}.get(name, name)
        print_row(f"  {label}", f"{median(values):.1f}", f"{max(values):.1f}")


def measure_sizes() -> None:
    """Print the sizes of the file and of the packages, as they are and compressed as a store would."""
    print_row("sizes, MB", "as it is", "zipped")
    for path in (PACKAGED, *write_all_packages()):
        content = path.read_bytes()
        zipped = len(zlib.compress(content, 9))
        print_row(f"  {path.name}", f"{len(content) / MEGABYTE:.2f}", f"{zipped / MEGABYTE:.2f}")


def main() -> None:
    """Print everything."""
    drafts = [
        {key: draft[key] for key in ("title", "body", "body_format")} for draft in Writers().drafts(WARM_UP + DRAFTS)
    ]
    measure_sizes()
    measure_starts(drafts[0])
    measure_answers(drafts)


if __name__ == "__main__":
    main()
