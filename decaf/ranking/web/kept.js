// What survives reloading: what is selected and where one is. The tab's own memory comes first, then
// the browser's, for a tab that is new; where it keeps none, there is none.

const KEY = `decaf ${identity}`;
// Milliseconds without a change.
const SOON = 500;
let keeping = null;

function keep() {
  clearTimeout(keeping);
  const from = scrollY > 0 ? placeNow() : null;
  const text = JSON.stringify({
    picked: toRanges([...picked].map((photo) => photo.r).sort((a, b) => a - b)),
    opened: [...opened],
    share: $("share").value,
    worst: $("worst").checked,
    stacks: $("stacks").checked,
    search: $("search").value,
    wanted: wanted?.r,
    viewed: viewed?.r,
    first: from?.photo.r,
    below: from?.below,
  });
  for (const memory of ["sessionStorage", "localStorage"]) {
    try {
      window[memory].setItem(KEY, text);
    } catch { /* refused, or full */ }
  }
}

function keepSoon() {
  clearTimeout(keeping);
  keeping = setTimeout(keep, SOON);
}

function readKept() {
  for (const memory of ["sessionStorage", "localStorage"]) {
    try {
      const kept = JSON.parse(window[memory].getItem(KEY));
      if (kept) return kept;
    } catch { /* refused, or damaged */ }
  }
  return null;
}

function restore() {
  const kept = readKept();
  if (!kept) return show();
  for (const [first, last] of kept.picked) photos.slice(first - 1, last).forEach((photo) => picked.add(photo));
  for (const stack of kept.opened) opened.add(stack);
  $("share").value = kept.share;
  $("worst").checked = kept.worst;
  $("stacks").checked = kept.stacks;
  $("search").value = kept.search;
  wanted = photos[kept.wanted - 1];
  show();
  if (photos[kept.first - 1]) goBack({ photo: photos[kept.first - 1], below: kept.below });
  if (photos[kept.viewed - 1]) open(photos[kept.viewed - 1]);
}

// [1, 2, 3, 7] → [[1, 3], [7, 7]]
function toRanges(ranks) {
  const ranges = [];
  for (const rank of ranks) {
    const last = ranges.at(-1);
    if (last && last[1] === rank - 1) last[1] = rank; else ranges.push([rank, rank]);
  }
  return ranges;
}

history.scrollRestoration = "manual";
addEventListener("pagehide", keep);
document.addEventListener("visibilitychange", () => { if (document.hidden) keep(); });
