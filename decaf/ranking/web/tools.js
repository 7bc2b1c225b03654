// What is shown, what is selected, and the tools for both.

const picked = new Set(), opened = new Set();

const isFlat = () => $("search").value !== "" || !$("stacks").checked;

function choose() {
  const limit = Math.ceil(photos.length * $("share").value / 100), words = plain($("search").value);
  const range = $("worst").checked ? photos.slice(photos.length - limit).reverse() : photos.slice(0, limit);
  if (isFlat()) return range.filter((photo) => photo.plain.includes(words));
  return range.filter((photo) => topOf(photo) === photo)
    .flatMap((photo) => (opened.has(photo.k) ? membersOf(photo) : photo));
}

function show() {
  setShown(choose());
  const direction = $("worst").checked ? "worst" : "best", words = $("search").value;
  $("share-text").textContent = `the ${direction} ${$("share").value} %`;
  $("range").textContent = `${counted(shown.length, "photo")} of ${count(photos.length)}: `
    + `the ${direction} ${$("share").value} %${words && `, found by “${words}”`}`
    + (isFlat() || !stacks.size ? "" : ", the others of closed stacks left out");
  $("empty").hidden = shown.length > 0;
  $("select").disabled = $("print").disabled = shown.length === 0;
  tell();
}

function tell(message) {
  $("copy").textContent = picked.size ? `Copy ${counted(picked.size, "name")}` : "Copy names";
  $("copy").disabled = $("clear").disabled = picked.size === 0;
  $("status").textContent = message || `${count(shown.length)} of ${count(photos.length)} shown`;
  keepSoon();
}

function pick(photo, isWanted = !picked.has(photo)) {
  if (isWanted) picked.add(photo); else picked.delete(photo);
  if (viewed) $("view-pick").checked = picked.has(viewed);
  if (tiles.has(photo)) mark(tiles.get(photo));
  tell();
}

function turn(photo) {
  if (!photo.k || isFlat()) return;
  if (opened.has(photo.k)) opened.delete(photo.k); else opened.add(photo.k);
  show();
  focus(topOf(photo));
}

async function copy() {
  const names = photos.filter((photo) => picked.has(photo)).map((photo) => photo.n).join("\n");
  try {
    await navigator.clipboard.writeText(names);
  } catch {
    // Browsers that keep the clipboard from pages that are files still obey a selection.
    const text = document.createElement("textarea");
    text.value = names;
    document.body.append(text);
    text.select();
    const done = document.execCommand("copy");
    text.remove();
    $("copy").focus();
    if (!done) return tell("The browser does not let this page copy");
  }
  tell(`${counted(picked.size, "name")} copied`);
}

// Where one was before a search.
let isSearching = false, placeBefore = null;

$("search").addEventListener("input", () => {
  if (!isSearching) placeBefore = placeNow();
  isSearching = $("search").value !== "";
  show();
  if (isSearching) goToTop(); else goBack(placeBefore);
});
for (const [id, kind] of [["share", "input"], ["stacks", "change"]]) {
  $(id).addEventListener(kind, () => {
    const from = placeNow();
    show();
    goBack(from);
  });
}
$("worst").addEventListener("change", () => {
  show();
  goToTop();
});
$("stacks-label").hidden = stacks.size === 0;
$("select").onclick = () => {
  shown.forEach((photo) => picked.add(photo));
  tiles.forEach(mark);
  tell();
};
$("clear").onclick = () => {
  picked.clear();
  tiles.forEach(mark);
  tell();
};
$("copy").onclick = copy;
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || view.open || event.target === $("search")) return;
  event.preventDefault();
  $("search").focus();
});
