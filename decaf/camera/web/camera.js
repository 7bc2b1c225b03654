// The page: camera, meter, the frames that are worth saving, and photos that are given to it.

import { draw, Files } from "./files.js";
import { BestFrames, Meter, percentileOf } from "./meter.js";
import { Scorer } from "./scorer.js";

const SLOW = 2; // frames a second, below which the meter is no help
const SMALL = 160; // pixels of the best frame's small picture
const settings = JSON.parse(document.getElementById("settings").textContent);
const element = (id) => document.getElementById(id);
const video = element("video"), told = element("told"), start = element("start"), other = element("switch");
const frames = new BestFrames();
let scorer, meter, camera = { facingMode: { ideal: "environment" } };
// A number for each start of a camera, so that frames of an earlier one are left alone; 0 where none is.
let running = 0, starts = 0;
let times = [];

const REASONS = {
  NotAllowedError: "The camera was refused. Allow it in the browser's settings for this page, then start it again; or choose photos.",
  NotFoundError: "There is no camera here. Choose photos, or drop them onto the page.",
  OverconstrainedError: "There is no camera here. Choose photos, or drop them onto the page.",
  NotReadableError: "The camera does not answer: another program may use it. Close that, and start it again.",
};
const NO_HTTPS = "Browsers give a camera only to pages of this machine itself or of an address that begins with https: serve the page so, or choose photos.";

function tell(text) {
  if (told.textContent !== text) told.textContent = text;
}

async function startCamera() {
  stopCamera("");
  if (!navigator.mediaDevices) return tell(NO_HTTPS);
  const own = ++starts;
  const wanted = { ...camera, width: { ideal: 1920 }, height: { ideal: 1080 } };
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
    const [track] = stream.getVideoTracks();
    if (own !== starts) return track.stop();
    track.onended = () => own === running && stopCamera("The camera has gone. Start it again.");
    video.srcObject = stream;
    await video.play();
  } catch (error) {
    return stopCamera(REASONS[error.name] ?? `The camera cannot be used: ${error.message}`);
  }
  meter = new Meter();
  times = [];
  running = own;
  start.textContent = "Pause";
  other.hidden = (await listCameras()).length < 2;
  nextFrame(own);
}

async function listCameras() {
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter(({ kind }) => kind === "videoinput").map(({ deviceId }) => deviceId);
}

/** From front to back, or the other way; cameras that have no side are taken in turn. */
async function switchCamera() {
  const { facingMode, deviceId } = video.srcObject?.getVideoTracks()[0].getSettings() ?? {};
  if (facingMode) {
    camera = { facingMode: { ideal: facingMode === "user" ? "environment" : "user" } };
  } else {
    const cameras = await listCameras();
    camera = { deviceId: { exact: cameras[(cameras.indexOf(deviceId) + 1) % cameras.length] } };
  }
  return startCamera();
}

function stopCamera(text) {
  running = 0;
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  start.textContent = "Start the camera";
  element("mark").hidden = true;
  tell(text);
}

function nextFrame(own) {
  video.requestVideoFrameCallback(async () => {
    if (own !== running) return;
    // The newest frame only: what comes while the network is busy is passed over. No frame comes while
    // the page is hidden.
    if (!scorer.waiting) await scoreFrame(own).catch(({ message }) => stopCamera(`Scoring failed: ${message}`));
    if (own === running) nextFrame(own);
  });
}

async function scoreFrame(own) {
  const frame = await scorer.score(await createImageBitmap(video));
  if (own !== running) return frame.picture.close();
  const now = performance.now() / 1000;
  const percentile = percentileOf(frame.probability, settings.percentiles);
  meter.add(percentile, now);
  frame.percentile = percentile;
  frame.time = new Date();
  frames.add(frame, now);
  show(frame, now);
}

function show({ probability }, now) {
  element("score").dataset.probability = probability;
  element("percentile").textContent = meter.shown;
  element("meter").setAttribute("aria-valuenow", meter.shown);
  element("level").style.transform = `scaleX(${meter.shown / 100})`;
  element("mark").hidden = !meter.isBest;
  const { best } = frames;
  if (best !== shownBest) {
    shownBest = best;
    draw(element("best-picture"), best.picture, SMALL);
    element("best-percentile").textContent = `${Math.round(best.percentile)} %`;
    element("best").hidden = false;
  }
  times = [...times.slice(-10), now];
  const rate = (times.length - 1) / (now - times[0]);
  if (times.length < 5) return;
  element("speed").textContent = `${rate.toFixed(1)} frames a second`;
  if (rate < SLOW) tell(`This device scores only ${rate.toFixed(1)} frames a second: hold the camera still for a moment. A model of smaller photos is faster.`);
  else if (isSlow) tell("");
  isSlow = rate < SLOW;
}
let shownBest = null, isSlow = false;

async function saveBest() {
  const { best } = frames;
  if (!best) return;
  const canvas = document.createElement("canvas");
  draw(canvas, best.picture, Infinity);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.95));
  const link = document.createElement("a");
  const time = best.time.toISOString().slice(0, 19).replace("T", " ").replaceAll(":", ".");
  link.href = URL.createObjectURL(blob);
  link.download = `${time} ${Math.round(best.percentile)} percent.jpg`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  element("save").dataset.probability = best.probability;
}

function takePhotos(files) {
  const given = [...files];
  if (given.length && scorer) photos.add(given, tell).catch(({ message }) => tell(`Scoring failed: ${message}`));
}
let photos;

function listen() {
  start.onclick = () => (running ? stopCamera("Paused.") : startCamera());
  other.onclick = switchCamera;
  element("save").onclick = saveBest;
  element("choose").onchange = ({ target }) => {
    takePhotos(target.files);
    target.value = "";
  };
  const over = (is) => (event) => {
    event.preventDefault();
    document.body.classList.toggle("over", is);
  };
  Object.assign(document, { ondragover: over(true), ondragleave: over(false) });
  document.ondrop = (event) => {
    over(false)(event);
    takePhotos(event.dataTransfer.files);
  };
  document.onvisibilitychange = () => {
    if (!running) return;
    times = [];
    tell(document.hidden ? "Waiting: this page is not in view." : "");
  };
}

async function main() {
  tell("Loading the network …");
  try {
    scorer = await Scorer.load(settings);
  } catch (error) {
    return tell(`The network could not be loaded: ${error.message}. Reload the page to try again.`);
  }
  photos = new Files(element("files"), scorer, settings.percentiles);
  listen();
  start.disabled = element("choose").disabled = false;
  tell(window.isSecureContext ? "" : NO_HTTPS);
}

main();
