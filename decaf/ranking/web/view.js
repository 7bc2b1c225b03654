// The view of one photo: fitted, or at 100 %, a pixel of it on a pixel of the screen, to be moved.

const view = $("view"), sheet = $("sheet"), small = $("small");
// CSS pixels that a finger goes at least for a swipe, that two go apart for 100 %, that a hand's
// tremble stays below; and milliseconds between two taps that are one double tap.
const SWIPE = 40, SPREAD = 40, TREMBLE = 6, DOUBLE_TAP = 300;
// `large` is the photo's own image, once it is there; `isWhole` says that 100 % is wanted, for the
// next photos, too, and `middle` which point of a photo is in the middle then, as shares of its sides.
let viewed = null, lastAt = 0, large = null, arriving = null;
let isWhole = false, middle = { x: 0.5, y: 0.5 };

const isZoomed = () => isWhole && large !== null;

function open(photo) {
  if (isZoomed()) middle = middleNow();
  viewed = photo;
  if (isShown(photo) || isShown(topOf(photo))) lastAt = isShown(photo) ? photo.at : topOf(photo).at;
  fill(small, photo);
  small.alt = photo.n;
  showLarge(photo);
  tellOf(photo);
  $("previous").disabled = lastAt <= 0;
  $("next").disabled = lastAt >= shown.length - 1;
  const isNew = !view.open;
  if (isNew) view.showModal();
  holdFocus(isNew || !view.contains(document.activeElement) || document.activeElement.disabled);
  loadParts();
}

// The focus stays in the view where the element that had it goes, or can have it no longer.
function holdFocus(isLost) {
  if (view.open && isLost) view.focus();
}

function showLarge(photo) {
  if (arriving) arriving.onload = null;
  large?.remove();
  large = null;
  const image = arriving = new Image();
  image.className = "large";
  image.draggable = false;
  image.alt = photo.n;
  // What cannot be shown, such as a photo that was moved, stays the thumbnail.
  image.onload = () => {
    large = image;
    small.alt = ""; // only one of the two is there for who does not see them
    sheet.append(image);
    scale();
  };
  image.src = photo.d ?? photo.u;
  scale();
}

function tellOf(photo) {
  const of = document.createElement("small");
  of.textContent = ` of ${count(photos.length)}`;
  $("view-rank").replaceChildren(count(photo.r), of);
  $("view-percentile").textContent = `ranked above ${percent(photo.p)} of the others`;
  $("view-name").textContent = photo.n;
  $("view-score").textContent = `professional with probability ${photo.q.toFixed(2)}`;
  $("view-preview").hidden = !photo.d;
  $("view-file").href = photo.u;
  $("view-pick").checked = picked.has(photo);
  showVotes(photo);
  showStack(photo);
}

function showVotes(photo) {
  $("view-votes").replaceChildren();
  if (photo.m === undefined) return;
  const title = document.createElement("h3"), bars = document.createElement("ul");
  const figures = `${photo.m.toFixed(2)} ± ${photo.s.toFixed(2)}`;
  title.textContent = photo.v ? `Predicted votes: ${figures}` : `Predicted score: ${figures}`;
  $("view-votes").append(title);
  if (!photo.v) return;
  bars.className = "votes";
  const highest = Math.max(...photo.v);
  photo.v.forEach((share, step) => {
    const item = document.createElement("li"), bar = document.createElement("i");
    bar.style.height = `${75 * share / highest}%`;
    item.title = `${step + 1}: ${percent(100 * share)}`;
    item.setAttribute("aria-label", item.title);
    item.append(bar, String(step + 1));
    bars.append(item);
  });
  $("view-votes").append(bars);
}

function showStack(photo) {
  $("view-stack").replaceChildren();
  if (!photo.k) return;
  const title = document.createElement("h3"), strip = document.createElement("div");
  const members = membersOf(photo);
  title.textContent = `Stack of ${members.length}, ${$("worst").checked ? "worst" : "best"} first`;
  strip.className = "strip";
  for (const member of members) {
    const button = document.createElement("button"), image = document.createElement("img");
    button.type = "button";
    button.setAttribute("aria-label", `${member.n}: rank ${member.r}`);
    button.setAttribute("aria-current", member === photo);
    button.onclick = () => open(member);
    image.alt = "";
    image.style.aspectRatio = `${member.w} / ${member.h}`;
    fill(image, member);
    button.append(image);
    strip.append(button);
  }
  $("view-stack").append(title, strip);
}

function step(by) {
  const photo = shown[lastAt + by];
  if (photo) open(photo);
}

function scale() {
  const zoomed = isZoomed();
  sheet.classList.toggle("whole", zoomed);
  $("zoom").disabled = large === null;
  $("zoom").setAttribute("aria-pressed", zoomed);
  small.hidden = zoomed;
  holdFocus(document.activeElement === sheet && !zoomed);
  // What scrolls must be within the reach of the keyboard, under a name.
  for (const [name, value] of [["tabindex", 0], ["role", "group"], ["aria-label", "Photo at 100 %"]]) {
    if (zoomed) sheet.setAttribute(name, value); else sheet.removeAttribute(name);
  }
  if (!large) return;
  large.style.width = zoomed ? `${large.naturalWidth / devicePixelRatio}px` : "";
  large.style.height = zoomed ? `${large.naturalHeight / devicePixelRatio}px` : "";
  if (!zoomed) return;
  sheet.scrollLeft = middle.x * large.offsetWidth - sheet.clientWidth / 2;
  sheet.scrollTop = middle.y * large.offsetHeight - sheet.clientHeight / 2;
}

function middleNow() {
  return {
    x: (sheet.scrollLeft + sheet.clientWidth / 2) / Math.max(large.offsetWidth, sheet.clientWidth),
    y: (sheet.scrollTop + sheet.clientHeight / 2) / Math.max(large.offsetHeight, sheet.clientHeight),
  };
}

// To 100 % and back; the photo's point at (x, y) of the window stays there, so far as can be.
function zoom(x, y) {
  if (!large) return;
  isWhole = !isWhole;
  const box = sheet.getBoundingClientRect();
  const fitted = Math.min(box.width / large.naturalWidth, box.height / large.naturalHeight);
  const pointed = (at, start, room, pixels) => {
    const share = ((at ?? start + room / 2) - start - room / 2) / (pixels * fitted) + 0.5;
    const away = ((at ?? start + room / 2) - start - room / 2) * devicePixelRatio / pixels;
    return Math.min(Math.max(share, 0), 1) - away;
  };
  middle = {
    x: pointed(x, box.left, box.width, large.naturalWidth),
    y: pointed(y, box.top, box.height, large.naturalHeight),
  };
  scale();
}

// Fingers and mice on the photo. At 100 % the browser itself moves it under fingers.
const pointers = new Map();
let spread = 0, hasMoved = false, lastTap = { time: -Infinity };

const distance = (a, b) => Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);

sheet.addEventListener("pointerdown", (event) => {
  pointers.set(event.pointerId, { from: event, last: event });
  hasMoved = pointers.size > 1;
  if (pointers.size === 2) spread = distance(...[...pointers.values()].map((pointer) => pointer.last));
  sheet.setPointerCapture(event.pointerId);
});
sheet.addEventListener("pointermove", (event) => {
  const pointer = pointers.get(event.pointerId);
  if (!pointer) return;
  if (distance(pointer.from, event) > TREMBLE) hasMoved = true;
  if (event.pointerType === "mouse" && isZoomed() && hasMoved) {
    sheet.scrollBy(pointer.last.clientX - event.clientX, pointer.last.clientY - event.clientY);
  }
  pointer.last = event;
  if (pointers.size !== 2) return;
  const [a, b] = [...pointers.values()].map(({ last }) => last);
  if (distance(a, b) > spread + SPREAD && !isZoomed()) {
    zoom((a.clientX + b.clientX) / 2, (a.clientY + b.clientY) / 2);
    pointers.clear();
  }
});
sheet.addEventListener("pointerup", (event) => {
  const pointer = pointers.get(event.pointerId), isAlone = pointers.size === 1;
  pointers.delete(event.pointerId);
  if (!pointer || !isAlone || event.pointerType === "mouse") return;
  const right = event.clientX - pointer.from.clientX, down = event.clientY - pointer.from.clientY;
  if (!isZoomed() && Math.abs(right) > Math.max(SWIPE, 2 * Math.abs(down))) step(right < 0 ? 1 : -1);
  if (hasMoved) return;
  const isSecond = event.timeStamp - lastTap.time < DOUBLE_TAP;
  lastTap = { time: isSecond ? -Infinity : event.timeStamp };
  if (isSecond) zoom(event.clientX, event.clientY);
});
sheet.addEventListener("pointercancel", (event) => pointers.delete(event.pointerId));
sheet.addEventListener("click", (event) => {
  if (event.pointerType !== "touch" && !hasMoved) zoom(event.clientX, event.clientY);
});

// Not of the view: after its last button the Tab key leads to the browser's own.
document.addEventListener("keydown", (event) => {
  if (!view.open || event.ctrlKey || event.altKey || event.metaKey) return;
  const across = { ArrowLeft: -1, ArrowRight: 1 }[event.key], down = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  const page = { PageUp: -1, PageDown: 1 }[event.key];
  if (isZoomed() && (across || down)) {
    sheet.scrollBy((across ?? 0) * sheet.clientWidth / 8, (down ?? 0) * sheet.clientHeight / 8);
  } else if (across || page) step(across ?? page);
  else if (event.key === "z") zoom();
  else if (event.key === "x") pick(viewed);
  else if (event.key === "Escape" && isZoomed()) zoom();
  else return;
  event.preventDefault();
});
view.addEventListener("close", () => {
  const photo = [viewed, topOf(viewed), current].find(isShown);
  viewed = null;
  isWhole = false;
  pointers.clear();
  arriving.onload = null;
  if (photo) focus(photo); else $("search").focus();
});
$("view-pick").onchange = (event) => pick(viewed, event.target.checked);
$("previous").onclick = () => step(-1);
$("next").onclick = () => step(1);
$("close").onclick = () => view.close();
$("zoom").onclick = () => zoom();
