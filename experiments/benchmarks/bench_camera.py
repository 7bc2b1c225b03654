"""The camera page: what could run the network in a browser, and how fast the page is."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from experiments import data
from experiments.browser import Browser
from experiments.camera_video import served, write_video
from experiments.figures import Line, Panel, draw_lines
from experiments.frame import Experiment, at_once, option
from experiments.pages import Page, Row, table
from features.errors import InputError

SIZES = (224, 320, 448)
BACKBONE, CLASSIFIER = "efficientnet-lite0", "ridge"
FAKE_CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
VIDEO_SIZE, VIDEO_RATE, N_VIDEO, N_PHOTOS = (1280, 720), 30, 12, 40
N_RUNS, SECONDS, SAMPLE_SECONDS, HALT = 10, 20, 30, 0.02
FAST = 5  # frames a second, asked for at half the speed
_LITERT, _ONNX = "LiteRT.js", "onnxruntime-web"
# By runtime, the files of its package that a page of one thread needs.
_FILES = {
    f"{_LITERT}, relaxed SIMD": (
        "dist/index.js",
        "wasm/litert_wasm_internal.js",
        "wasm/litert_wasm_internal.wasm",
    ),
    f"{_LITERT}, plain SIMD": (
        "dist/index.js",
        "wasm/litert_wasm_compat_internal.js",
        "wasm/litert_wasm_compat_internal.wasm",
    ),
    _ONNX: ("dist/ort.wasm.bundle.min.mjs", "dist/ort-wasm-simd-threaded.wasm"),
}
TEXT = f"""\
{CLASSIFIER} regression on the averages of all blocks of {BACKBONE}, in Chromium without a window,
in WebAssembly on one thread: a plain server isolates no page from other origins, which threads
would need. *ms of CPU* is the own time of the worker's thread for one frame, of {N_RUNS}: other
processes on this machine do not count in it. *MB* is what a page fetches of the runtime, as a
server compresses it (gzip). int8 is of the weights.

The page sees a video of {VIDEO_SIZE[0]} × {VIDEO_SIZE[1]} pixels and {VIDEO_RATE} frames a
second; its *ms of CPU* include the resize. *Frames a second* are counted over {SECONDS} seconds by
the clock, beside other work on this machine, and once more with the page's process halted half of
the time; *without other work* is 1,000 / (2 × ms of CPU), what a page at half the speed comes to
where its worker has a core for itself. The *largest difference* is that of the probability of
{N_PHOTOS} photos, given to the page, from what the model gives them."""

_WORKERS = {
    _ONNX: """
const { env, InferenceSession, Tensor } = await import("/onnx/dist/ort.wasm.bundle.min.mjs");
env.wasm.numThreads = 1;
env.wasm.wasmBinary = await bytes("/onnx/dist/ort-wasm-simd-threaded.wasm");
const network = await InferenceSession.create(await bytes(file));
score = async () => {
  const { probability } = await network.run({ photo: new Tensor("uint8", photo, shape) });
  return probability.data[0];
};
""",
    _LITERT: """
Object.defineProperty(navigator, "gpu", { value: undefined });
const text = async (name) => (await fetch(name)).text();
const url = (...texts) => URL.createObjectURL(new Blob(texts, { type: "text/javascript" }));
const make = await import(url(await text(`/litert/${build}.js`), ";export default ModuleFactory"));
const wasmBinary = await bytes(`/litert/${build}.wasm`);
const made = await make.default({ wasmBinary, printErr() {} });
self.createWasmLib = async (LiteRt) => new LiteRt(made);
const library = (await text("/litert/dist/index.js")).replace(
  'import { createWasmLib } from "@litertjs/wasm-utils"', "const { createWasmLib } = self");
const { loadLiteRt, loadAndCompile, Tensor } = await import(url(library));
await loadLiteRt("here.js");
const network = await loadAndCompile(await bytes(file), { accelerator: "wasm" });
score = async () => {
  const input = new Tensor(photo, shape), [output] = await network.run(input);
  const [value] = output.toTypedArray();
  input.delete();
  output.delete();
  return value;
};
""",
}
_WORKER = """
let score;
const bytes = async (name) => new Uint8Array(await (await fetch(name)).arrayBuffer());
async function load({ file, size, build }) {
  const shape = [1, size, size, 3];
  const photo = new Uint8Array(size * size * 3).map((_, i) => (i * 7919) % 256);
  LOADED
}
onmessage = async ({ data }) => {
  try {
    if (data.file) await load(data);
    for (let run = 0; run < (data.runs ?? 0); run++) await score();
    postMessage("done");
  } catch (error) { postMessage(String(error)); }
};
"""
_ASK = """new Promise((done) => {
  worker.onmessage = ({ data }) => done(data);
  worker.onerror = ({ message }) => done(message);
  worker.postMessage(%s);
})"""


def bench_camera(args) -> Page:
    """Export at every size, and measure runtimes and pages."""
    rated = data.read_rated(args, "score", "its ratings have no scores, by which order is judged")
    runtimes: list[Row] = []
    pages: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for package, place in ((args.litert, "litert"), (args.onnx, "onnx")):
            shutil.copytree(package, folder / place)
        for size in args.size:
            photos = _export(rated, size, folder, args)
            precisions = ("float32", "int8") if size == args.size[0] else ("float32",)
            for row in _measure_runtimes(folder, size, precisions):
                runtimes.append(row)
                print(row, flush=True)
            minutes = args.minutes if size == args.size[0] else 0
            pages.append(_measure_page(folder / str(size), size, photos, minutes))
            print(pages[-1], flush=True)
    return _page(runtimes, pages, args)


def _export(rated, size: int, folder: Path, args) -> list[tuple[str, float]]:
    """Write the page and the other files of a size; give photos, and the model's probabilities."""
    from decaf.camera.page import export_camera_page
    from decaf.models.formats import write_scorer
    from decaf.models.scorer import predict_photos, probability_network
    from experiments.choices.exported_sizes import fit_model

    training = data.training_photos(rated, BACKBONE, (size,), args)
    photos = data.divide(training.rated, args)
    model = fit_model(training, photos.folds, args.seed)
    export_camera_page(model, folder / str(size), runtime=args.litert, progress=False)
    network = probability_network(model)
    shutil.copy(folder / str(size) / "scorer.tflite", folder / f"{size}-float32.tflite")
    write_scorer(network, folder / f"{size}-float32.onnx")
    if size == args.size[0]:
        write_scorer(network, folder / f"{size}-int8.tflite", "int8")
        write_scorer(network, folder / f"{size}-int8.onnx", "int8")
    (test,) = (fold.test for fold in photos.folds)
    paths = [str(path) for path in photos.rated.paths[test[:N_PHOTOS]]]
    expected = predict_photos(model, "classifier", data.read_square(paths, size))
    return list(zip(paths, map(float, expected), strict=True))


def _measure_runtimes(folder: Path, size: int, precisions) -> Iterator[Row]:
    (folder / "index.html").write_text("<!doctype html><title>runtimes</title>")
    for runtime, files in _FILES.items():
        kind, package, suffix = _LITERT, "litert", "tflite"
        if runtime == _ONNX:
            kind, package, suffix = _ONNX, "onnx", "onnx"
        fetched = [gzip.compress((folder / package / name).read_bytes()) for name in files]
        (folder / "worker.js").write_text(_WORKER.replace("LOADED", _WORKERS[kind]))
        for precision in precisions:
            told = {"file": f"/{size}-{precision}.{suffix}", "size": size}
            told |= {"build": files[-1].removesuffix(".wasm")}
            with _opened(folder) as (browser, _):
                browser.run("window.worker = new Worker('/worker.js', { type: 'module' }), 0")
                for ask in (told, {"runs": 3}):
                    answer = browser.run(_ASK % json.dumps(ask))
                    if answer != "done":
                        raise InputError(f"{runtime}: {answer}")
                with _busiest_thread(browser) as spent:
                    browser.run(_ASK % json.dumps({"runs": N_RUNS}))
            yield {
                "runtime": runtime,
                "pixels": size,
                "precision": precision,
                "mb": sum(map(len, fetched)) / 1e6,
                "network_mb": (folder / f"{size}-{precision}.{suffix}").stat().st_size / 1e6,
                "ms": spent[0] / N_RUNS,
            }


def _measure_page(page: Path, size: int, photos: list[tuple[str, float]], minutes: float) -> Row:
    """What the page does with photos, and with a camera."""
    with tempfile.TemporaryDirectory() as folder:
        seen = [path for path, _ in photos[:N_VIDEO]]
        video = write_video(Path(folder, "camera.y4m"), seen, VIDEO_SIZE, rate=VIDEO_RATE)
        source = f"--use-file-for-fake-video-capture={video}"
        with _opened(page, *FAKE_CAMERA, source) as (browser, _):
            browser.wait_for("!document.getElementById('start').disabled", 300)
            difference = _compare_photos(browser, photos)
            browser.run(
                "window.n = 0; new MutationObserver(() => n++).observe(score, "
                "{ attributes: true }); document.getElementById('start').click()"
            )
            browser.wait_for("n > 2", 300)
            row: Row = {"pixels": size, "photos": len(photos), "difference": difference}
            row["fps"], row["ms"] = _count_frames(browser)
            with _halved(browser.renderer_process()):
                row["fps at half"], _ = _count_frames(browser)
            row["fps at half, alone"] = 1000 / (2 * row["ms"])
            return row | _memory(browser, minutes)


def _compare_photos(browser: Browser, photos: list[tuple[str, float]]) -> float:
    root = browser.call("DOM.getDocument")["root"]["nodeId"]
    node = browser.call("DOM.querySelector", nodeId=root, selector="#choose")["nodeId"]
    paths = [path for path, _ in photos]
    browser.call("DOM.setFileInputFiles", nodeId=node, files=paths)
    browser.wait_for(f"files.children.length === {len(paths)}", 600)
    script = "[...files.children].map((each) => [each.lastChild.data, +each.dataset.probability])"
    found = dict(browser.run(script))
    return max(abs(found[os.path.basename(path)] - expected) for path, expected in photos)


def _count_frames(browser: Browser) -> tuple[float, float]:
    """Frames a second, and the worker's milliseconds of CPU a frame."""
    with _busiest_thread(browser) as spent:
        before, start = browser.run("n"), time.monotonic()
        time.sleep(SECONDS)
        n, seconds = browser.run("n") - before, time.monotonic() - start
    return n / seconds, spent[0] / max(n, 1)


def _memory(browser: Browser, minutes: float) -> Row:
    """Megabytes of the page's process: the first minute's most, and the last's."""
    sizes, start = [], time.monotonic()
    while time.monotonic() < start + 60 * minutes:
        time.sleep(SAMPLE_SECONDS)
        browser.events.clear()
        sizes.append(browser.renderer_megabytes())
    if not sizes:
        return {}
    a_minute = int(60 / SAMPLE_SECONDS)
    found = {"minutes": minutes, "first MB": max(sizes[:a_minute]), "most MB": max(sizes)}
    return found | {"last MB": max(sizes[-a_minute:])}


@contextlib.contextmanager
def _opened(folder: Path, *more: str) -> Iterator[tuple[Browser, str]]:
    with tempfile.TemporaryDirectory() as profile, served(folder) as address:
        browser = Browser(profile, *more)
        try:
            browser.visit(address)
            yield browser, address
        finally:
            browser.close()


@contextlib.contextmanager
def _busiest_thread(browser: Browser) -> Iterator[list[float]]:
    """Milliseconds of CPU of that thread of the page that is busiest meanwhile: the worker's."""
    process, spent = browser.renderer_process(), []
    before = _thread_times(process)
    yield spent
    after = _thread_times(process)
    spent.append(max(after[thread] - before.get(thread, 0) for thread in after))


def _thread_times(process: int) -> dict[str, float]:
    times = {}
    for thread in Path(f"/proc/{process}/task").iterdir():
        with contextlib.suppress(OSError):  # it has ended
            times[thread.name] = int((thread / "schedstat").read_text().split()[0]) / 1e6
    return times


@contextlib.contextmanager
def _halved(process: int) -> Iterator[None]:
    """Halt a process half of the time."""
    ended = threading.Event()

    def halt() -> None:
        while not ended.is_set():
            os.kill(process, signal.SIGSTOP)
            time.sleep(HALT)
            os.kill(process, signal.SIGCONT)
            time.sleep(HALT)

    thread = threading.Thread(target=halt)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _page(runtimes: list[Row], pages: list[Row], args: Any) -> Page:
    of_runtime = {
        "runtime": "{runtime}",
        "MB": "{mb:.2f}",
        "pixels": "{pixels}",
        "weights": "{precision}",
        "network, MB": "{network_mb:.1f}",
        "ms of CPU": "{ms:.0f}",
    }
    of_page = {
        "pixels": "{pixels}",
        "largest difference": "{difference:.4f}",
        "ms of CPU": "{ms:.0f}",
        "frames a second": "{fps:.1f}",
        "at half the speed": "{fps at half:.1f}",
        "without other work": "{fps at half, alone:.1f}",
    }
    memory = {
        "pixels": "{pixels}",
        "minutes": "{minutes:g}",
        "first minute, MB": "{first MB:.0f}",
        "most, MB": "{most MB:.0f}",
        "last minute, MB": "{last MB:.0f}",
    }
    lines = [
        Line(
            [row["pixels"] for row in runtimes if (row["runtime"], row["precision"]) == key],
            [row["ms"] for row in runtimes if (row["runtime"], row["precision"]) == key],
            label=", ".join(key),
            colour=colour,
        )
        for colour, key in enumerate(
            dict.fromkeys((row["runtime"], row["precision"]) for row in runtimes)
        )
    ]
    axes = {"ylim": (0, None), "xlabel": "pixels", "ylabel": "ms of CPU a frame"}
    timed = [row for row in pages if "minutes" in row]
    return Page(
        title=f"The camera page by the size of the photo, on {args.data.resolve().name}",
        text=TEXT,
        tables={
            "Runtimes": table(runtimes, of_runtime),
            "The page": table(pages, of_page),
            "Memory of the page's process": table(timed, memory),
        },
        rows={"runtimes": runtimes, "results": pages},
        figure=draw_lines(Panel(lines, axes, {"y": 1000 / (2 * FAST)}), size=(6, 3.5)),
    )


EXPERIMENT = Experiment(
    __doc__,
    bench_camera,
    (
        data.data_options,
        data.BLOCKS,
        at_once("--size", "of the photo", SIZES),
        option("--litert", "the package @litertjs/core, unpacked", type=Path, required=True),
        option("--onnx", "the package onnxruntime-web, unpacked", type=Path, required=True),
        option("--minutes", "that the page runs for at the first size, for its memory", 10.0),
    ),
)
