"use strict";
// Rating an album. The server keeps every answer before it tells the next question; of a photo that
// was not rated yet it tells nothing but its number and name.

const $ = (id) => document.getElementById(id);
const count = (n) => n.toLocaleString("en");
// Pixels that a hand's tremble stays below; milliseconds between looks at how far features are.
const TREMBLE = 6, LOOK = 3000, SOON = 400;

let questions = [], grades = [], question = null;
let isShown = false, isEnded = false;
// How many things are being done, or wait until the one before is.
let busy = 0, last = Promise.resolve();
// So much had been said when these questions were told.
let said = 0;
// Until it is looked whether there is a question.
let waiting = 0;
// The photos that were shown, the last first, and which of them is looked back at; −1 is none.
let given = [], back = -1;
// Images by number of the photo, of the questions that are there.
const images = new Map();

async function ask(path, values) {
  const options = values === undefined ? {} : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(values),
  };
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer: start the same command again; it goes on from here.");
  }
  const told = response.headers.get("Content-Type") === "application/json" ? await response.json() : {};
  if (!response.ok && response.status !== 409) {
    throw new Error(told.problem ?? `The server refuses this (${response.status}).`);
  }
  return told;
}

// One thing after the other, and what goes wrong is said; true where nothing did.
function doing(work) {
  busy += 1;
  last = last.then(async () => {
    try {
      if (isEnded) return false;
      await work();
      say("problem", "");
      return true;
    } catch (error) {
      say("problem", error.message);
      return false;
    } finally {
      busy -= 1;
    }
  });
  return last;
}

function say(id, text) {
  $(id).textContent = text;
  if (id === "problem") $(id).hidden = !text;
}

// -- questions

function take(told) {
  // What was asked before the last answer may come after it.
  if (told.said < said) return;
  ({ questions, said } = told);
  if (!grades.length) {
    grades = told.grades;
    makeButtons();
  }
  tellProgress(told.progress);
  for (const each of questions) each.photos.forEach(load);
  const wanted = new Set(questions.flatMap((each) => each.photos));
  for (const photo of images.keys()) if (!wanted.has(photo)) images.delete(photo);
  if (back < 0) show();
}

function load(photo) {
  if (!images.has(photo)) {
    const image = new Image();
    image.draggable = false;
    image.src = `photo/${photo}`;
    image.ready = image.decode().then(() => true, () => false);
    images.set(photo, image);
  }
  return images.get(photo);
}

function show() {
  const next = questions[0] ?? null;
  if (next && question && next.number === question.number) return;
  question = next;
  isShown = false;
  $("stage").classList.toggle("pair", next?.photos.length === 2);
  $("grades").hidden = !next || next.photos.length === 2;
  showOthers(next);
  if (!next) {
    $("stage").replaceChildren();
    say("name", "");
    return;
  }
  const isPair = next.photos.length === 2;
  say("asked", isPair ? "Which one is better?" : "How good is it?");
  say("name", next.names.join("  ·  "));
  const sheets = next.photos.map((photo, side) => sheetOf(photo, next.names[side], isPair ? side : -1));
  $("stage").replaceChildren(...sheets);
  Promise.all(next.photos.map((photo) => load(photo).ready)).then((ready) => {
    if (question !== next) return;
    isShown = true;
    ready.forEach((isThere, side) => {
      if (!isThere) sheets[side].replaceChildren(goneNote());
    });
    $("stage").dataset.number = next.number;
    say("status", isPair ? `Which one is better? ${next.names.join(" or ")}` : next.names[0]);
  });
}

// A pair can be skipped, but neither rejected nor left without a rating.
function showOthers(of) {
  for (const button of $("others").children) {
    const { act } = button.dataset;
    const isOfOne = act === "rejected" || act === "cleared";
    button.hidden = act !== "undo" && act !== "back" && (!of || (of.photos.length === 2 && isOfOne));
  }
}

function goneNote() {
  const note = document.createElement("span");
  note.className = "gone";
  note.textContent = "This photo cannot be shown; skip it.";
  return note;
}

function sheetOf(photo, name, side) {
  const sheet = document.createElement(side < 0 ? "div" : "button"), image = load(photo);
  sheet.className = "sheet";
  image.alt = name;
  sheet.append(image);
  if (side >= 0) {
    const mark = document.createElement("span");
    mark.className = "mark";
    mark.textContent = side + 1;
    sheet.append(mark);
    sheet.type = "button";
    sheet.setAttribute("aria-label", `Photo ${side + 1}: ${name}`);
    sheet.onclick = () => prefer(side);
  } else {
    move(sheet);
  }
  return sheet;
}

// -- answers

function answer(act, grade) {
  // What is not on the screen yet, or was answered, is not answered.
  if (busy) return undefined;
  if (back >= 0) return change(act, grade);
  if (!question || !isShown) return undefined;
  if (question.photos.length === 2 && act !== "skipped") return undefined;
  return send({ number: question.number, act, grade });
}

function prefer(side) {
  if (busy || !question || !isShown || question.photos.length !== 2) return undefined;
  return send({ number: question.number, act: "preferred", better: question.photos[side] });
}

async function send(values) {
  const answered = question;
  const isDone = await doing(async () => {
    const told = await ask("answer", values);
    take(told);
    if (told.told) tellAfter(told.told, answered, values);
  });
  if (isDone) await ready();
}

// What follows the next question is loaded while that is looked at.
async function ready() {
  try {
    take(await ask("state?next"));
  } catch (error) {
    say("problem", error.message);
  }
  clearTimeout(waiting);
  if (!questions.length && !isEnded) waiting = setTimeout(ready, SOON);
}

async function undo() {
  const isDone = await doing(async () => {
    if (back >= 0) return now();
    const told = await ask("undo", {});
    $("told").hidden = true;
    take(told);
    return say("status", told.undone ? "Taken back" : "There is nothing to take back");
  });
  if (isDone) await ready();
}

const wordOf = (act, grade) => ({
  rejected: "rejected it", cleared: "gave it no rating", skipped: "skipped it",
  rated: grades.length === 2 ? `said “${grade ? "better" : "not"}”` : `gave it ${grade}`,
})[act];

function tellAfter(told, answered, values) {
  $("nearest").replaceChildren();
  $("told").hidden = false;
  if (answered.photos.length === 2) {
    say("told-text", values.act === "preferred" ? "You compared two of one burst." : "You skipped a pair.");
    return;
  }
  const parts = [];
  if (told.purpose === "check") parts.push("This one was drawn at random, to tell how well it knows you.");
  if (told.purpose === "repeat") parts.push("You saw this one before.");
  parts.push(`You ${wordOf(values.act, values.grade)}.`);
  if (told.predicted === null) parts.push("Nothing was expected yet.");
  else parts.push(`Expected was ${expected(told.predicted)}${
    told.deviation === null ? "" : ` ± ${told.deviation.toFixed(1)}`}${told.nearest.length ? ", by these:" : "."}`);
  say("told-text", parts.join(" "));
  for (const [photo, grade] of told.nearest) {
    const figure = document.createElement("figure"), image = new Image();
    image.src = `photo/${photo}?small`;
    image.alt = "A photo like it";
    figure.append(image, grades.length === 2 ? (grade ? "better" : "not") : `you gave ${grade}`);
    $("nearest").append(figure);
  }
}

const expected = (score) => grades.length === 2 ? `${Math.round(100 * score)} % better` : score.toFixed(1);

// -- looking back

const look = (by) => doing(async () => {
  if (back < 0 && by < 0) return;
  if (back < 0) ({ given } = await ask("given"));
  if (given.length) lookAt(by);
});

function lookAt(by) {
  back = Math.min(back + by, given.length - 1);
  if (back < 0) return now();
  const { photo, name, act, grade } = given[back];
  $("stage").classList.remove("pair");
  $("grades").hidden = false;
  showOthers({ photos: [photo] });
  say("asked", `Looking back, ${back + 1} of ${given.length}: you ${wordOf(act, grade)}.`);
  say("name", name);
  say("status", `${name}: you ${wordOf(act, grade)}`);
  const image = new Image();
  image.src = `photo/${photo}`;
  image.alt = name;
  image.draggable = false;
  const sheet = document.createElement("div");
  sheet.className = "sheet";
  sheet.append(image);
  image.onerror = () => sheet.replaceChildren(goneNote());
  move(sheet);
  $("stage").replaceChildren(sheet);
}

function now() {
  back = -1;
  question = null;
  show();
}

async function change(act, grade) {
  if (act === "skipped") return now();
  const { photo } = given[back];
  await doing(async () => {
    const told = await ask("change", { photo, act, grade });
    take(told);
    Object.assign(given[back], { act, grade });
  });
  return look(-1);
}

// -- 100 %

const sheets = () => [...document.querySelectorAll(".sheet")].filter((sheet) => sheet.querySelector("img"));

function zoom(x = 0.5, y = 0.5) {
  for (const sheet of sheets()) {
    const image = sheet.querySelector("img"), isWhole = sheet.classList.toggle("whole");
    image.style.width = isWhole ? `${image.naturalWidth / devicePixelRatio}px` : "";
    image.style.height = isWhole ? `${image.naturalHeight / devicePixelRatio}px` : "";
    if (sheet.tagName === "DIV") {
      for (const [name, value] of [["tabindex", 0], ["role", "group"], ["aria-label", "Photo at 100 %"]]) {
        if (isWhole) sheet.setAttribute(name, value); else sheet.removeAttribute(name);
      }
    }
    sheet.scrollLeft = x * image.offsetWidth - sheet.clientWidth / 2;
    sheet.scrollTop = y * image.offsetHeight - sheet.clientHeight / 2;
  }
  const isWhole = sheets().some((sheet) => sheet.classList.contains("whole"));
  document.querySelector("[data-act=zoom]")?.setAttribute("aria-pressed", isWhole);
}

// Where of the photo, as shares of its sides, a point of the window lies.
function shareAt(sheet, event) {
  const image = sheet.querySelector("img"), box = sheet.getBoundingClientRect();
  const fitted = Math.min(box.width / image.naturalWidth, box.height / image.naturalHeight);
  const share = (at, start, room, pixels) => Math.min(Math.max((at - start - room / 2) / (pixels * fitted) + 0.5, 0), 1);
  return [share(event.clientX, box.left, box.width, image.naturalWidth), share(event.clientY, box.top, box.height, image.naturalHeight)];
}

function move(sheet) {
  let last = null, hasMoved = false;
  sheet.onpointerdown = (event) => {
    last = event;
    hasMoved = false;
  };
  sheet.onpointermove = (event) => {
    if (!last || !event.buttons) return;
    if (Math.hypot(event.clientX - last.clientX, event.clientY - last.clientY) > TREMBLE) hasMoved = true;
    if (!hasMoved || event.pointerType !== "mouse") return;
    sheet.scrollBy(last.clientX - event.clientX, last.clientY - event.clientY);
    last = event;
  };
  sheet.onclick = (event) => {
    last = null;
    if (!hasMoved && sheet.querySelector("img")) zoom(...shareAt(sheet, event));
  };
}

// -- the album so far

let order = [], tiles = new Map(), drawn = "";
const lowest = () => grades[0], highest = () => grades[grades.length - 1];

async function openAlbum() {
  await doing(async () => {
    order = (await ask("order")).order;
    const middle = (lowest() + highest()) / 2;
    $("line").max = order.length;
    if ($("album").dataset.moved === undefined) $("line").value = order.filter(([, score]) => score > middle).length;
    drawn = "";
    view("album");
    tellLine();
  });
}

// Between the last photo that is good and the first that is not; within the scale.
function lineScore() {
  const n = Number($("line").value);
  const above = order[n - 1]?.[1] ?? highest(), below = order[n]?.[1] ?? lowest();
  const edge = (highest() - lowest()) / 1000;
  return Math.min(Math.max((above + below) / 2, lowest() + edge), highest() - edge);
}

function tellLine() {
  const n = Number($("line").value);
  const from = grades.length === 2 ? "" : `, from ${lineScore().toFixed(1)} on`;
  say("line-text", order.length ? `${count(n)} good${from}; ${count(order.length - n)} not` : "Nothing is learnt yet: rate some photos first.");
  draw();
}

// Only what is seen is there: an album may have 50,000 photos.
function draw() {
  const room = $("tiles").clientWidth, columns = Math.max(Math.floor(room / 150), 2);
  const side = room / columns, line = Number($("line").value);
  $("tiles").style.height = `${Math.ceil(order.length / columns) * side}px`;
  const top = $("album").scrollTop - $("tiles").offsetTop;
  const from = Math.max(Math.floor(top / side) - 2, 0) * columns;
  const to = Math.min((Math.ceil((top + $("album").clientHeight) / side) + 2) * columns, order.length);
  const now = [from, to, columns, room, line].join();
  if (now === drawn) return;
  drawn = now;
  for (const [place, tile] of tiles) {
    if (place < from || place >= to || tile.photo !== order[place][0]) {
      tile.remove();
      tiles.delete(place);
    }
  }
  for (let place = from; place < to; place++) {
    if (!tiles.has(place)) tiles.set(place, tileOf(place));
    const tile = tiles.get(place);
    tile.className = place >= line ? "other" : place === line - 1 ? "last" : "";
    tile.style.width = tile.style.height = `${side}px`;
    tile.style.left = `${(place % columns) * side}px`;
    tile.style.top = `${Math.floor(place / columns) * side}px`;
    const before = tiles.get(place - 1);
    if (!tile.isConnected) before?.isConnected ? before.after(tile) : $("tiles").prepend(tile);
  }
}

function tileOf(place) {
  const [photo, score, own] = order[place];
  const tile = document.createElement("li"), button = document.createElement("button");
  const image = new Image(), figure = document.createElement("span");
  tile.photo = photo;
  button.type = "button";
  image.src = `photo/${photo}?small`;
  image.alt = "";
  image.decoding = "async";
  figure.textContent = expected(score);
  button.append(image, figure);
  if (own !== null) {
    const mine = document.createElement("span");
    mine.className = "own";
    mine.textContent = own;
    button.append(mine);
  }
  button.setAttribute("aria-label", `Place ${count(place + 1)}, expected ${expected(score)}${own === null ? "" : `, you gave ${own}`}: draw the line after it`);
  button.onclick = () => {
    $("line").value = place + 1;
    moved();
  };
  tile.append(button);
  return tile;
}

function moved() {
  $("album").dataset.moved = lineScore();
  tellLine();
}

function view(name) {
  $("rate").hidden = name !== "rate";
  $("album").hidden = name !== "album";
  $("to-rate").setAttribute("aria-pressed", name === "rate");
  $("to-album").setAttribute("aria-pressed", name === "album");
  if (name !== "album") {
    // What is expected of photos that are not rated yet is not left in the page.
    order = [];
    tiles = new Map();
    drawn = "";
    $("tiles").replaceChildren();
  }
}

// -- what is told beside

function tellProgress(progress) {
  const known = progress.n_measured + progress.n_failed;
  say("counts", `${count(progress.n_rated)} of ${count(progress.n_photos)} photos rated, ${count(progress.n_asked)} questions answered.`);
  $("measured").hidden = $("measured-text").hidden = known >= progress.n_photos;
  $("measured").max = progress.n_photos;
  $("measured").value = known;
  say("measured-text", `${count(known)} photos looked at by the network${progress.n_failed ? `, ${count(progress.n_failed)} of which cannot be read` : ""}.`);
  if (progress.certainty.length) {
    $("certainty").replaceChildren(...progress.certainty.map((sentence) => {
      const line = document.createElement("p");
      line.textContent = sentence;
      return line;
    }));
  }
  if (progress.problem) say("problem", progress.problem);
  if (!questions.length) {
    say("asked", known < progress.n_photos ? "One moment: the network is looking at the first photos." : "Nothing is left to ask.");
  }
}

function makeButtons() {
  const isTwo = grades.length === 2;
  const keys = isTwo ? [["1", "Not", 0], ["2", "Better", 1]] : grades.map((grade) => [String(grade), String(grade), grade]);
  $("grades").replaceChildren(...keys.map(([key, word, grade]) => button(key, word, `rate-${grade}`, () => answer("rated", grade), isTwo ? word : `${grade} of ${highest()}`)));
  $("others").replaceChildren(
    button("x", "Reject", "rejected", () => answer("rejected")),
    button("0", "No rating", "cleared", () => answer("cleared")),
    button("Space", "Skip", "skipped", () => answer("skipped")),
    button("u", "Undo", "undo", undo),
    button("←", "Back", "back", () => look(1)),
    button("z", "100 %", "zoom", () => zoom()),
  );
  const told = [
    [isTwo ? "1 2" : "1 2 3 4 5", isTwo ? "not, better" : "rate the photo, 5 is the best"], ["x", "reject it"],
    ["0", "no rating, and none wanted"], ["Space", "skip it"], ["u", "take the last answer back, as often as you like"],
    ["1 2", "of two photos of a burst: the left or upper one, the other"], ["← →", "look back at what you rated, and forward"],
    ["z", "100 % and back; a click on the photo, too"], ["Esc", "back to rating"], ["?", "this help"],
  ];
  $("keys").replaceChildren(...told.flatMap(([names, meaning]) => {
    const term = document.createElement("dt"), description = document.createElement("dd");
    for (const name of names.split(" ")) {
      const key = document.createElement("kbd");
      key.textContent = name;
      term.append(key, " ");
    }
    description.textContent = meaning;
    return [term, description];
  }));
}

function button(key, word, act, work, label) {
  const made = document.createElement("button"), hint = document.createElement("small");
  made.type = "button";
  made.dataset.act = act;
  made.textContent = word;
  if (label) made.setAttribute("aria-label", label);
  if (key !== word) {
    hint.textContent = ` ${key}`;
    hint.setAttribute("aria-hidden", true);
    made.append(hint);
  }
  made.setAttribute("aria-keyshortcuts", { "←": "ArrowLeft" }[key] ?? key);
  made.onclick = (event) => {
    // After a click the space bar is the page's again, and not this button's.
    if (event.detail) made.blur();
    work();
  };
  return made;
}

// -- keys

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || isEnded) return;
  const isButton = Boolean(event.target.closest?.("button"));
  // A key that is held down does one thing only.
  if (event.repeat && isButton) event.preventDefault();
  if ($("help").open || $("finish").open) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (key === "?") return $("help").showModal();
  if (key === "Escape") {
    if (sheets().some((sheet) => sheet.classList.contains("whole"))) zoom();
    else if (back >= 0) now();
    else view("rate");
    return;
  }
  if ($("rate").hidden) return;
  // The space bar and Enter are a focused button's own.
  if (isButton && key === " ") return;
  const isMoving = event.target.classList?.contains("whole") && key.startsWith("Arrow");
  const place = grades.length === 2 ? Number(key) - 1 : Number(key);
  const isPair = back < 0 && question?.photos.length === 2;
  const acts = {
    x: () => answer("rejected"), 0: () => answer("cleared"), " ": () => answer("skipped"), u: undo,
    ArrowLeft: () => look(1), ArrowRight: () => look(-1), z: () => zoom(),
  };
  let act = acts[key];
  if (isPair && (key === "1" || key === "2")) act = () => prefer(Number(key) - 1);
  else if (/^[1-9]$/.test(key) && grades.includes(place)) act = () => answer("rated", place);
  if (!act || isMoving) return;
  event.preventDefault();
  if (!event.repeat) act();
});

$("to-rate").onclick = () => {
  view("rate");
  if (back >= 0) now();
};
$("to-album").onclick = openAlbum;
$("to-help").onclick = () => $("help").showModal();
$("to-finish").onclick = () => $("finish").showModal();
$("stay").onclick = () => $("finish").close();
$("line").oninput = moved;
$("album").onscroll = draw;
addEventListener("resize", () => {
  if (!$("album").hidden) draw();
});
$("write").onclick = async () => {
  const line = $("album").dataset.moved;
  $("write").disabled = true;
  await doing(async () => {
    const told = await ask("finish", { line: line === undefined ? null : Number(line) });
    isEnded = true;
    view("");
    say("next-command", told.written);
    $("ended").hidden = false;
    for (const id of ["to-rate", "to-album", "to-help", "to-finish"]) $(id).disabled = true;
  });
  $("write").disabled = false;
  $("finish").close();
};

async function start() {
  await ready();
  setInterval(async () => {
    if (!$("measured").hidden && !isEnded && questions.length) await ready();
  }, LOOK);
}

start();
