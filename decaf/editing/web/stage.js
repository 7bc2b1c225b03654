// One photo, before and after: the picture after lies on that before where its frame is, so that
// nothing moves under the slider; what is cut away is dark.

const stage = $("stage"), sheet = $("sheet"), bar = $("bar");
// Per cent of the sheet's width, from the left, that show the photo as it was.
const STEP = 2, LEAP = 10;
let share = 50, isAlone = false;

function element(name, className, url) {
  const made = document.createElement(name);
  made.className = className;
  if (url) {
    made.src = url;
    made.alt = "";
    made.draggable = false;
  }
  return made;
}

function urls(photo) {
  const found = [settings.before.replace("#", photo.place)];
  if (isSuggested(photo)) found.push(settings.after.replace("#", photo.place));
  return found;
}

function showPictures(photo) {
  sheet.replaceChildren();
  isAlone = false;
  if (!photo.b) {
    const gone = element("div", "gone");
    gone.textContent = "This photo could not be read when the page was made.";
    sheet.append(gone);
  } else {
    const [before, after] = urls(photo), [left, top, right, bottom] = photo.f;
    const per = (value) => `${100 * value}%`;
    const frame = { left: per(left), top: per(top), width: per(right - left), height: per(bottom - top) };
    for (const [name, value] of Object.entries(frame)) sheet.style.setProperty(`--${name}`, value);
    if (!after) {
      sheet.append(element("img", "only", before));
    } else {
      const was = element("div", "was");
      was.append(element("img", "", before));
      const isCut = right - left < 1 || bottom - top < 1;
      if (isCut) was.append(element("div", "frame"));
      sheet.append(...(isCut ? [element("img", "away", before)] : []), element("img", "after", after), was);
    }
    const [image] = sheet.getElementsByClassName(after ? "after" : "only");
    image.alt = photo.n;
  }
  arrange();
}

// The sheet has the shape of what is shown on it.
function arrange() {
  const photo = current(), isCompared = isSuggested(photo) && photo.b && !isAlone;
  const [width, height] = (isAlone ? photo.a : photo.b) ?? [3, 2];
  sheet.style.setProperty("--shape", width / height);
  sheet.classList.toggle("alone", isAlone);
  $("alone").setAttribute("aria-pressed", isAlone);
  $("alone").hidden = !isCompared && !isAlone;
  bar.hidden = $("before-label").hidden = !isCompared;
  $("after-label").hidden = !isCompared && !isAlone;
  slide(share);
}

function slide(to) {
  share = Math.min(Math.max(to, 0), 100);
  sheet.style.setProperty("--at", `${share}%`);
  bar.style.left = `${sheet.offsetLeft + sheet.offsetWidth * share / 100}px`;
  bar.setAttribute("aria-valuenow", Math.round(share));
  bar.setAttribute("aria-valuetext", `${Math.round(share)} % of the width as it was`);
  $("before-label").style.opacity = share > 0 ? 1 : 0;
  if (!isAlone) $("after-label").style.opacity = share < 100 ? 1 : 0;
}

function slideTo(event) {
  const box = sheet.getBoundingClientRect();
  slide(100 * (event.clientX - box.left) / box.width);
}

stage.addEventListener("pointerdown", (event) => {
  if (bar.hidden || event.button !== 0 || event.target === $("alone")) return;
  stage.setPointerCapture(event.pointerId);
  slideTo(event);
  bar.focus({ preventScroll: true });
  event.preventDefault();
});
stage.addEventListener("pointermove", (event) => {
  if (stage.hasPointerCapture(event.pointerId)) slideTo(event);
});
bar.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const by = {
    ArrowLeft: -STEP, ArrowDown: -STEP, ArrowRight: STEP, ArrowUp: STEP,
    PageDown: -LEAP, PageUp: LEAP, Home: -100, End: 100,
  }[event.key];
  if (!by) return;
  slide(share + by);
  event.preventDefault();
  event.stopPropagation(); // the arrows of the page go to other photos
});
new ResizeObserver(() => { if (current()) slide(share); }).observe(stage);
