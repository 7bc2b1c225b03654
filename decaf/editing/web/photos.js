// The photos, which of them are shown, and what a person has decided.

const $ = (id) => document.getElementById(id);
const count = (n) => n.toLocaleString("en");

// A photo: e its entry in the parameter file, n its name as it is shown, s its steps (what is done,
// and what that brings), b and a the pixels of its pictures before and after, f the frame that is
// left (left, top, right, bottom, from 0 to 1); without b, a and f where it could not be read. The
// page adds `place`, by which its pictures are called.
const settings = JSON.parse($("settings").textContent);
const photos = JSON.parse($("photos").textContent);
$("photos").remove();
photos.forEach((photo, place) => { photo.place = place; });

const accepted = new Set(), declined = new Set();
let shown = photos, at = 0;

const current = () => shown[at];
const isSuggested = (photo) => photo.s.length > 0;
const FILTERS = {
  all: () => true,
  suggested: isSuggested,
  open: (photo) => isSuggested(photo) && !accepted.has(photo) && !declined.has(photo),
  accepted: (photo) => accepted.has(photo),
};

// Stays on the photo that was shown, or goes to the first one behind it.
function choose() {
  const from = current()?.place ?? 0;
  shown = photos.filter(FILTERS[$("filter").value]);
  at = Math.max(shown.findIndex((photo) => photo.place >= from), 0);
}

function decide(photo, into) {
  for (const decided of [accepted, declined]) decided.delete(photo);
  into.add(photo);
  keep();
}

// What survives reloading. The tab's own memory comes first, then the browser's, for a tab that is
// new; where it keeps none, there is none.
const KEY = `decaf edits ${settings.identity}`;
const MEMORIES = ["sessionStorage", "localStorage"];

function keep() {
  const places = (decided) => [...decided].map((photo) => photo.place);
  const text = JSON.stringify({
    accepted: places(accepted), declined: places(declined), place: current()?.place,
  });
  for (const memory of MEMORIES) {
    try {
      window[memory].setItem(KEY, text);
    } catch { /* refused, or full */ }
  }
}

function readKept() {
  for (const memory of MEMORIES) {
    try {
      const kept = JSON.parse(window[memory].getItem(KEY));
      if (kept) return kept;
    } catch { /* refused, or damaged */ }
  }
  return { accepted: [], declined: [], place: 0 };
}

function restore() {
  const kept = readKept();
  for (const place of kept.accepted) accepted.add(photos[place]);
  for (const place of kept.declined) declined.add(photos[place]);
  at = kept.place ?? 0;
}

// The parameter file of what was accepted, in the page's order.
function chosen() {
  const entries = photos.filter((photo) => accepted.has(photo)).map((photo) => photo.e);
  return JSON.stringify({ version: settings.version, photos: entries }, null, 1) + "\n";
}
