// The tiles of the photos that are shown. Only those near the part of the page that is seen exist.

const grid = $("grid"), tiles = new Map();
// CSS pixels above and below that part.
const MARGIN = 600;
const GAP = 4;
// `wanted` is the photo that was gone to last; `current`, whose tile is in the order of the Tab key,
// is that one, or another where it is not shown; none where none is shown.
let shown = [], wanted = photos[0], current = null, layout = layOut([], 1, 1, GAP);

const isShown = (photo) => Boolean(photo) && photo.at >= 0;

function setShown(list) {
  for (const photo of shown) photo.at = -1;
  list.forEach((photo, at) => { photo.at = at; });
  shown = list;
  current = [wanted, wanted && topOf(wanted), shown[0]].find(isShown) ?? null;
  arrange();
}

// For other photos, or another width.
function arrange() {
  const wished = parseFloat(getComputedStyle(grid).getPropertyValue("--row"))
    * parseFloat(getComputedStyle(document.documentElement).fontSize);
  layout = layOut(shown, grid.clientWidth, wished, GAP);
  grid.style.height = `${layout.height}px`;
  for (const [photo, tile] of tiles) if (isShown(photo)) dress(tile, photo);
  render();
}

// Where one is: the first photo below the tools, and how far below the window's top it is. It stays
// the same one, whatever row it comes into, until somebody scrolls.
let place = null, placedAt = null;

function placeNow() {
  if (scrollY === placedAt) return place;
  const top = grid.getBoundingClientRect().top, row = layout.rows[rowAt(layout.rows, toolsHeight() - top)];
  placedAt = scrollY;
  place = row ? { photo: shown[row.first], below: top + row.top } : null;
  return place;
}

// Scroll to where a photo, or its stack, is as far below as it was.
function goBack(to) {
  const photo = to && [to.photo, topOf(to.photo)].find(isShown);
  if (!photo) return;
  const { top } = layout.rows[layout.rowOf[photo.at]];
  scrollBy(0, grid.getBoundingClientRect().top + top - to.below);
  place = to;
  placedAt = scrollY;
  render();
}

// Scroll up to the first photo, but not beyond it.
function goToTop() {
  scrollBy(0, Math.min(0, grid.getBoundingClientRect().top - toolsHeight() - GAP));
  render();
}

// Make the tiles that are near, and drop the others; the current one stays, for it may have the focus.
function render() {
  const { rows } = layout, top = grid.getBoundingClientRect().top;
  const from = rows.length && rows[rowAt(rows, -top - MARGIN)].first;
  const to = rows.length && rows[rowAt(rows, innerHeight - top + MARGIN)].end;
  for (const [photo, tile] of tiles) {
    if ((photo.at >= from && photo.at < to) || photo === current) continue;
    tile.remove();
    tiles.delete(photo);
  }
  const near = shown.slice(from, to);
  if (current && current.at < from) near.unshift(current);
  if (current && current.at >= to) near.push(current);
  let next = grid.firstElementChild;
  for (const photo of near) {
    if (!tiles.has(photo)) tiles.set(photo, newTile(photo));
    const tile = tiles.get(photo);
    if (tile === next) next = next.nextElementSibling;
    else grid.insertBefore(tile, next);
  }
  loadParts();
}

function newTile(photo) {
  const tile = $("tile").content.firstElementChild.cloneNode(true), button = tile.querySelector(".open");
  tile.photo = photo;
  button.title = photo.n;
  button.setAttribute("aria-label",
    `${photo.n}: rank ${photo.r} of ${photos.length}, above ${percent(photo.p)} of the others`);
  tile.querySelector("b").textContent = count(photo.r);
  tile.querySelector(".place span").textContent = percent(Math.floor(photo.p));
  tile.querySelector(".pick .unseen").textContent = "Select " + photo.n;
  fill(tile.querySelector("img"), photo);
  dress(tile, photo);
  return tile;
}

// What of a tile depends on other things than its photo.
function dress(tile, photo) {
  const { at } = photo, row = layout.rows[layout.rowOf[at]], pile = tile.querySelector(".pile");
  tile.style.cssText = `left: ${layout.left[at]}px; top: ${row.top}px; `
    + `width: ${layout.wide[at]}px; height: ${row.height}px`;
  tile.setAttribute("aria-posinset", at + 1);
  tile.setAttribute("aria-setsize", shown.length);
  const inStack = !isFlat() && Boolean(photo.k), isTop = inStack && topOf(photo) === photo;
  const isOpen = opened.has(photo.k);
  pile.hidden = !isTop;
  if (isTop) {
    const others = membersOf(photo).length - 1;
    pile.textContent = `${isOpen ? "−" : "+"}${others}`;
    pile.setAttribute("aria-expanded", isOpen);
    pile.setAttribute("aria-label", `Stack of ${others + 1} photos`);
  }
  tile.classList.toggle("stacked", isTop && !isOpen);
  tile.classList.toggle("member", inStack && isOpen);
  mark(tile);
  setStop(tile, photo === current);
}

function mark(tile) {
  tile.classList.toggle("picked", picked.has(tile.photo));
  tile.querySelector(".pick input").checked = picked.has(tile.photo);
}

function setStop(tile, isStop) {
  for (const element of tile.querySelectorAll("button, input")) element.tabIndex = isStop ? 0 : -1;
}

// One tile at a time is in the order of the Tab key; arrow keys pass it on.
function pass(photo) {
  if (tiles.has(current)) setStop(tiles.get(current), false);
  wanted = current = photo;
  if (tiles.has(current)) setStop(tiles.get(current), true);
}

function focus(photo) {
  if (!isShown(photo)) return;
  pass(photo);
  reveal(photo);
  render();
  tiles.get(photo).querySelector(".open").focus({ preventScroll: true });
}

// Scroll no further than is needed to see a photo's row below the tools.
function reveal(photo) {
  const row = layout.rows[layout.rowOf[photo.at]], hidden = toolsHeight();
  const top = grid.getBoundingClientRect().top + row.top;
  if (top < hidden + GAP) scrollBy(0, top - hidden - GAP);
  else if (top + row.height > innerHeight - GAP) {
    scrollBy(0, Math.min(top + row.height - innerHeight + GAP, top - hidden - GAP));
  }
}

// Of the tools, where they stay above the photos.
const toolsHeight = () => (getComputedStyle($("tools")).position === "sticky" ? $("tools").offsetHeight : 0);

// The nearest photo of another row; where there is no such row, of the last one before.
function inRow(photo, number) {
  const { rows, rowOf, left, wide } = layout;
  const row = rows[Math.min(Math.max(number, 0), rows.length - 1)];
  if (row === rows[rowOf[photo.at]]) return photo;
  const awayFrom = (i) => Math.abs(left[i] + wide[i] / 2 - left[photo.at] - wide[photo.at] / 2);
  let best = row.first;
  for (let i = row.first; i < row.end; i++) if (awayFrom(i) < awayFrom(best)) best = i;
  return shown[best];
}

function goneTo(key, photo) {
  const { rows, rowOf } = layout, row = rowOf[photo.at], page = innerHeight - toolsHeight();
  switch (key) {
    case "ArrowLeft": return shown[photo.at - 1] ?? photo;
    case "ArrowRight": return shown[photo.at + 1] ?? photo;
    case "ArrowUp": return inRow(photo, row - 1);
    case "ArrowDown": return inRow(photo, row + 1);
    case "PageUp": return inRow(photo, Math.min(row - 1, rowAt(rows, rows[row].top - page) + 1));
    case "PageDown": return inRow(photo, Math.max(row + 1, rowAt(rows, rows[row].top + page)));
    case "Home": return shown[0];
    case "End": return shown[shown.length - 1];
    default: return null;
  }
}

grid.addEventListener("focusin", (event) => {
  const photo = event.target.closest(".tile").photo;
  if (photo !== current) pass(photo);
});
grid.addEventListener("click", (event) => {
  const tile = event.target.closest(".tile");
  if (!tile) return;
  pass(tile.photo); // Safari gives buttons no focus
  if (event.target.closest(".open")) open(tile.photo);
  else if (event.target.closest(".pile")) turn(tile.photo);
});
grid.addEventListener("change", (event) => pick(event.target.closest(".tile").photo, event.target.checked));
grid.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const { photo } = event.target.closest(".tile"), next = goneTo(event.key, photo);
  if (next) {
    event.preventDefault();
    focus(next);
  } else if (event.key === "x") pick(photo);
  else if (event.key === "s") turn(photo);
});
