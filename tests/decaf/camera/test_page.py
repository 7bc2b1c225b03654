"""The camera page: its folder, and in a browser, with a camera that shows a video of photos."""

import base64
import importlib.util
import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from browser import Browser
from litert_js import runtime
from PIL import Image
from small_model import SIZE, make_model, noise

from decaf.camera.litert_js import ADDRESS
from decaf.camera.page import check_page_folder, export_camera_page
from decaf.models.record import percentiles_of
from decaf.models.runtime import open_scorer
from experiments.camera_video import served, write_video
from features.errors import InputError, NoPercentiles
from features.photos import read_square, resize_photo

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="only TensorFlow exports"
)
START = "Start the camera"
FAKE_CAMERA = "--use-fake-device-for-media-stream=device-count=2"
ALLOWED = "--use-fake-ui-for-media-stream"


@pytest.fixture(scope="module")
def model():
    """A model whose scores of photos differ, and which tells how photos score."""
    model = make_model(noise())
    scores = np.linspace(model.record.calibration.lowest, model.record.calibration.highest, 60)
    return replace(model, record=replace(model.record, percentiles=percentiles_of(scores)))


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages") / "camera"
    export_camera_page(model, folder, runtime=runtime(), progress=False)
    return folder


@pytest.fixture(scope="module")
def score(folder):
    """What rank-photos gives a photo: the file was checked against the model."""
    scorer = open_scorer(folder / "scorer.tflite")
    return lambda path: scorer(read_square(path, SIZE)[0])


@pytest.fixture(scope="module")
def pair(samples, score):
    """Of two photos the worse one, and the better."""
    photos = sorted(samples.glob("*.jpg"), key=score)
    assert score(photos[0]) + 0.2 < score(photos[-1])
    return photos[0], photos[-1]


@pytest.fixture(scope="module")
def address(folder):
    with served(folder) as address:
        yield address


@pytest.fixture(scope="module")
def browser(pair, tmp_path_factory):
    """A browser whose camera shows the two photos in turn, a second each."""
    folder = tmp_path_factory.mktemp("browser")
    video = write_video(folder / "pair.y4m", pair)
    source = f"--use-file-for-fake-video-capture={video}"
    browser = Browser(folder / "profile", FAKE_CAMERA, ALLOWED, source)
    browser.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    browser.downloads = folder
    yield browser
    browser.close()


@pytest.fixture
def page(browser, address):
    """The page, ready."""
    browser.resize(1280, 720)
    open_page(browser, address)
    yield browser
    assert browser.errors() == []
    browser.run("start.textContent === 'Pause' && start.click()")


def open_page(browser, address):
    browser.visit(address)
    browser.wait_for("!document.getElementById('start').disabled", 120)


def start(browser):
    """Start the camera, and wait until its first frame has a score."""
    browser.click("#start")
    browser.wait_for("score.dataset.probability !== undefined")


def told(browser):
    return browser.run("told.textContent")


def choose(browser, *paths):
    """Let the page score files."""
    root = browser.call("DOM.getDocument")["root"]["nodeId"]
    node = browser.call("DOM.querySelector", nodeId=root, selector="#choose")["nodeId"]
    browser.call("DOM.setFileInputFiles", nodeId=node, files=[str(path) for path in paths])


def in_module(browser, name, script):
    """The value of what a script, with the exports of one of the page's modules, gives."""
    return browser.run(f"import('./{name}.js').then(async (module) => {{ {script} }})")


@pytest.fixture(scope="module")
def without_runtime(samples, tmp_path_factory):
    """The page of a model that does not tell how photos score, compared with sample photos."""
    folder = tmp_path_factory.mktemp("pages") / "camera"
    model = make_model(noise())
    with pytest.raises(NoPercentiles, match="does not tell how photos score"):
        export_camera_page(model, folder)
    assert not folder.exists()
    exported = export_camera_page(model, folder, photos=samples, progress=False)
    assert exported.description.compared_with == "the 60 photos that checked the file"
    return folder


def settings_of(folder):
    page = (folder / "index.html").read_text()
    return json.loads(page.split('id="settings">')[1].split("</script>")[0])


def test_frames_are_compared_with_the_photos_that_judged_the_model_or_are_given(
    folder, without_runtime, model
):
    for each in (folder, without_runtime):
        percentiles = settings_of(each)["percentiles"]
        assert len(percentiles) == 101 and percentiles == sorted(percentiles)
    calibration = model.record.calibration
    ends = calibration.probability(np.array([calibration.lowest, calibration.highest]))
    assert settings_of(folder)["percentiles"][::100] == pytest.approx(ends, abs=1e-5)
    assert "the 60 photos that judged the model" in (folder / "index.html").read_text()


def test_a_page_fetches_its_runtime_from_a_public_address_and_checks_it(without_runtime, tmp_path):
    page = (without_runtime / "index.html").read_text()
    policy = page.split('http-equiv="Content-Security-Policy" content="')[1].split('"')[0]
    assert f"connect-src 'self' {ADDRESS};" in policy and "unsafe-inline" not in policy
    runtime = settings_of(without_runtime)["runtime"]
    assert runtime["base"] == ADDRESS
    assert all(digest.startswith("sha256-") for digest in runtime["files"].values())
    assert not (without_runtime / "runtime").exists()
    browser = Browser(tmp_path)
    try:
        with served(without_runtime) as address:
            browser.visit(address)
            browser.wait_for(f"told.textContent.includes('{ADDRESS}')")
        assert told(browser).startswith("The network could not be loaded: ")
        assert not any("Content Security Policy" in each for each in browser.errors())
    finally:
        browser.close()


def test_a_page_that_somebody_has_changed_is_not_replaced_unasked(without_runtime, tmp_path):
    check_page_folder(shutil.copytree(without_runtime, tmp_path / "camera"))
    (tmp_path / "camera" / "camera.css").write_text("mine")
    with pytest.raises(InputError, match=r"'camera\.css' in it was changed"):
        check_page_folder(tmp_path / "camera")
    check_page_folder(tmp_path / "camera", force=True)


def test_another_runtime_is_refused_before_the_work(model, tmp_path):
    for name in ("dist", "wasm"):
        (tmp_path / "package" / name).mkdir(parents=True)
    with pytest.raises(InputError, match=r"index\.js: No such file.*; give the folder that `npm"):
        export_camera_page(model, tmp_path / "camera", runtime=tmp_path / "package")
    (tmp_path / "package" / "dist" / "index.js").write_text("another version")
    with pytest.raises(InputError, match=r"index\.js: is not the file of @litertjs/core@"):
        export_camera_page(model, tmp_path / "camera", runtime=tmp_path / "package")
    assert not (tmp_path / "camera").exists()


def test_frames_score_as_rank_photos_scores_them_and_the_better_photo_of_a_pair_higher(
    page, pair, score, tmp_path
):
    start(page)
    scores = set()
    end = time.monotonic() + 4
    while time.monotonic() < end:
        scores.add(float(page.run("score.dataset.probability")))
    expected = []
    for number, path in enumerate(pair):
        with Image.open(path) as photo:
            photo.convert("RGB").resize((320, 240)).save(tmp_path / f"{number}.png")
        expected.append(score(tmp_path / f"{number}.png"))
    # The video holds half of the colours, and the codes of another range.
    assert min(scores) == pytest.approx(expected[0], abs=0.03)
    assert max(scores) == pytest.approx(expected[1], abs=0.03)


def test_the_best_frame_of_late_is_saved_at_full_size_and_scores_as_it_did(page, score):
    start(page)
    page.wait_for("speed.textContent !== ''")
    page.click("#save")
    page.wait_for("save.dataset.probability !== undefined")
    end = time.monotonic() + 30
    while not (saved := list(page.downloads.glob("*percent.jpg"))):
        assert time.monotonic() < end
        time.sleep(0.02)
    with Image.open(saved[0]) as photo:
        assert photo.size == (320, 240)
    probability = float(page.run("save.dataset.probability"))
    assert score(saved[0]) == pytest.approx(probability, abs=0.01)
    saved[0].unlink()


def test_photos_are_scored_as_by_rank_photos_and_sorted(page, samples, score, tmp_path):
    photos = sorted(samples.glob("*.jpg"))[:12]
    with Image.open(photos[0]) as photo:
        photo.putalpha(photo.convert("L"))
        photo.save(tmp_path / "alpha.png")
        photo.convert("RGB").transpose(Image.Transpose.ROTATE_90).save(
            tmp_path / "turned.jpg",
            quality=100,
            exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0",
        )
    (tmp_path / "raw.cr2").write_bytes(b"no photo")
    photos += [tmp_path / "alpha.png", tmp_path / "turned.jpg"]
    choose(page, *photos, tmp_path / "raw.cr2")
    page.wait_for("told.textContent.startsWith('This browser cannot show raw.cr2')")
    script = "[...files.children].map((each) => [each.lastChild.data, +each.dataset.probability])"
    found = dict(page.run(script))
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert found == pytest.approx({path.name: score(path) for path in photos}, abs=0.01)


def test_what_is_told_of_photos_stays_while_frames_are_scored(page, tmp_path):
    (tmp_path / "raw.cr2").write_bytes(b"no photo")
    start(page)
    choose(page, tmp_path / "raw.cr2")
    page.wait_for("told.textContent.startsWith('This browser cannot show raw.cr2')")
    page.run("window.n = 0; new MutationObserver(() => n++).observe(score, { attributes: true })")
    page.wait_for("n > 10")
    assert told(page).startswith("This browser cannot show raw.cr2")


def test_photos_become_squares_to_the_last_bit_as_pillow_makes_them(page):
    rng = np.random.default_rng(0)
    for height, width, size in [(37, 91, 32), (480, 640, 224), (20, 9, 64), (32, 32, 32)]:
        rgba = rng.integers(0, 256, (height, width, 4), np.uint8)
        text = base64.b64encode(rgba.tobytes()).decode()
        for mode in ("squash", "crop", "pad"):
            script = f"const rgba = Uint8Array.from(atob('{text}'), (c) => c.charCodeAt());"
            script += f"const out = module.squareOf(rgba, {width}, {height}, {size}, '{mode}');"
            script += "return btoa(Array.from(out, (each) => String.fromCharCode(each)).join(''))"
            found = np.frombuffer(base64.b64decode(in_module(page, "resize", script)), np.uint8)
            expected = resize_photo(np.ascontiguousarray(rgba[..., :3]), size, mode)
            np.testing.assert_array_equal(found.reshape(size, size, 3), expected)


def test_nothing_is_asked_of_other_hosts_and_nothing_could_be(page, address, samples):
    start(page)
    choose(page, next(samples.glob("*.jpg")))
    page.wait_for("files.children.length === 1")
    asked = [
        event["params"]["request"]["url"]
        for event in page.events
        if event.get("method") == "Network.requestWillBeSent"
    ]
    assert len(asked) > 5
    assert [url for url in asked if not url.startswith((address, f"blob:{address}"))] == []
    script = "fetch('https://example.com').then(() => 'sent', () => 'refused')"
    assert page.run(script) == "refused"
    in_worker = f'new Worker(URL.createObjectURL(new Blob(["{script}.then(postMessage)"])))'
    heard = f"new Promise((done) => {{ {in_worker}.onmessage = ({{ data }}) => done(data) }})"
    assert page.run(heard) == "refused"
    refusals = [each for each in page.errors() if "Content Security Policy" in each]
    assert len(refusals) >= 2
    page.events.clear()


def test_a_runtime_that_was_changed_is_not_run(browser, folder, tmp_path):
    changed = shutil.copytree(folder, tmp_path / "camera")
    with open(changed / "runtime" / "dist" / "index.js", "a") as file:
        file.write(" ")
    with served(changed) as address:
        browser.visit(address)
        browser.wait_for("told.textContent.includes('or is not the file that it should be')")
    assert browser.run("start.disabled")


def test_a_page_in_the_background_scores_nothing_and_goes_on_afterwards(page):
    start(page)
    own = page._of_browser("Target.getTargets")["targetInfos"]
    own = next(each["targetId"] for each in own if each["url"].startswith("http"))
    cover = page._of_browser("Target.createTarget", url="about:blank")["targetId"]
    page._of_browser("Target.activateTarget", targetId=cover)
    page.wait_for("document.hidden && told.textContent === 'Waiting: this page is not in view.'")
    time.sleep(0.5)  # what was under way is done
    before = page.run("score.dataset.probability = 'none'")
    time.sleep(1)
    assert page.run("score.dataset.probability") == before
    page._of_browser("Target.closeTarget", targetId=cover)
    page._of_browser("Target.activateTarget", targetId=own)
    page.wait_for("!document.hidden && score.dataset.probability !== 'none'")
    assert told(page) == ""


def test_the_camera_is_paused_started_again_and_changed(address, tmp_path):
    browser = Browser(tmp_path, FAKE_CAMERA, ALLOWED)
    device = "video.srcObject?.getVideoTracks()[0].getSettings().deviceId"
    try:
        open_page(browser, address)
        start(browser)
        first = browser.run(device)
        browser.click("#switch")
        browser.wait_for(f"video.srcObject.active && {device} !== '{first}'")
        browser.wait_for("start.textContent === 'Pause'")
        browser.click("#start")
        assert told(browser) == "Paused." and browser.run("start.textContent") == START
        assert browser.run("video.srcObject.active") is False
        browser.click("#start")
        browser.wait_for("video.srcObject.active && start.textContent === 'Pause'")
        browser.run("video.srcObject.getVideoTracks()[0].onended()")
        assert told(browser).startswith("The camera has gone.")
    finally:
        browser.close()


def test_a_device_that_is_too_slow_is_told_so(page):
    page.run(
        "(() => { const made = createImageBitmap; window.createImageBitmap = async (source) => {"
        "await new Promise((done) => setTimeout(done, 700)); return made(source) } })()"
    )
    start(page)
    page.wait_for("told.textContent.startsWith('This device scores only ')")


@pytest.mark.parametrize(
    "switches, host, said",
    [
        ([FAKE_CAMERA], "127.0.0.1", "The camera was refused."),
        ([], "127.0.0.1", "There is no camera here."),
        ([FAKE_CAMERA, ALLOWED], "a.test", "Browsers give a camera only to pages of"),
    ],
)
def test_why_there_is_no_camera_is_told_in_words(address, tmp_path, switches, host, said):
    here = "--host-resolver-rules=MAP a.test 127.0.0.1"
    browser = Browser(tmp_path, *switches, here)
    try:
        open_page(browser, address.replace("127.0.0.1", host))
        browser.click("#start")
        browser.wait_for(f"told.textContent.startsWith('{said}')")
        assert browser.run("start.textContent") == START
        assert browser.errors() == []
    finally:
        browser.close()


def test_the_figure_is_quiet_and_a_better_view_is_marked(page):
    script = """
        const meter = new module.Meter(), shown = [], marks = [];
        for (let frame = 0; frame < 200; frame++) {
            // 10 frames a second: noise about 40, then about 60.
            const of = frame < 60 ? 40 : 60;
            meter.add(of + 4 * ((frame * 7) % 3 - 1), frame / 10);
            shown.push(meter.shown); marks.push(meter.isBest);
        }
        return [shown, marks];
    """
    shown, marks = in_module(page, "meter", script)
    assert len(set(shown[20:60])) == 1 and abs(shown[59] - 40) <= 3
    assert abs(shown[-1] - 60) <= 3
    assert not any(marks[10:60]) and any(marks[60:75])
    # It stays for a while, and goes when nothing else has been seen of late.
    assert marks.index(True) < 75 and sum(marks) >= 50 and not any(marks[165:])


def test_percentiles_lie_between_those_of_the_photos_compared_with(page):
    script = "return [0.1, 0.2, 0.25, 0.4, 0.9].map((each) => module.percentileOf(each, [0.2, 0.3, "
    script += "0.3, 0.5]))"
    assert in_module(page, "meter", script) == pytest.approx([0, 0, 0.5, 2.5, 100])


def test_of_all_frames_a_few_are_held_among_them_the_best_of_the_last_seconds(page):
    script = """
        const frames = new module.BestFrames(), best = [];
        let open = 0, most = 0;
        for (let frame = 0; frame < 1000; frame++) {
            const probability = (frame * 37) % 101 / 101;
            most = Math.max(most, ++open);
            frames.add({ probability, picture: { close() { open-- } } }, frame / 10);
            best.push(frames.best.probability);
        }
        return [best, most];
    """
    best, most = in_module(page, "meter", script)
    scores = [frame * 37 % 101 / 101 for frame in range(1000)]
    for frame in range(40, 1000):
        assert max(scores[frame - 30 : frame + 1]) <= best[frame]
        assert best[frame] <= max(scores[frame - 40 : frame + 1])
    assert most <= 6


@pytest.mark.parametrize("width, height", [(1280, 720), (390, 844), (844, 390)])
def test_axe_finds_nothing_and_no_button_is_out_of_sight(page, samples, width, height):
    package = importlib.util.find_spec("axe_playwright_python")
    if package is None:
        pytest.skip("needs axe-core: pip install --no-deps axe-playwright-python")
    page.resize(width, height)
    start(page)
    choose(page, *sorted(samples.glob("*.jpg"))[:3])
    page.wait_for("files.children.length === 3 && !best.hidden")
    page.run("document.querySelector('details').open = true; mark.hidden = false")
    axe = Path(package.origin).with_name("axe.min.js").read_text(encoding="utf-8")
    page.call("Runtime.evaluate", expression=axe)
    script = "axe.run().then((found) => found.violations.map((violation) => violation.id + ': '"
    script += " + violation.nodes.map((node) => node.html).join(' ').slice(0, 300)))"
    assert page.run(script) == []
    assert page.run("document.documentElement.scrollWidth") <= width
    shown = "['start', 'save'].map((id) => document.getElementById(id).getBoundingClientRect())"
    assert page.run(f"{shown}.every((at) => at.bottom <= innerHeight && at.right <= innerWidth)")
