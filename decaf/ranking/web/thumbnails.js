// Thumbnails: in the page, or in parts beside it. A part is a script, since pages that are files may
// load no other data; it is loaded when one of its photos comes near, and forgotten later.

const { files, identity } = document.body.dataset;
const perPart = Number(document.body.dataset.perPart); // 0: they are in the page
// A part of 64 is some 350 kB: these fill 14 MB at most.
const MOST_PARTS = 40, MOST_LOADING = 2;
const parts = new Map(), loadingParts = new Set(), missingParts = new Set();

const partOf = (photo) => Math.floor((photo.r - 1) / perPart);

// In base64; "" where there is none, undefined where it is not there yet.
function thumbnailOf(photo) {
  if (!perPart) return photo.i;
  const number = partOf(photo), part = parts.get(number);
  if (!part) return missingParts.has(number) ? "" : undefined;
  parts.delete(number); // what was used last is the last to be forgotten
  parts.set(number, part);
  return part[(photo.r - 1) % perPart];
}

// Let an image show a photo's thumbnail, as soon as it is there.
function fill(image, photo) {
  const data = thumbnailOf(photo);
  image.photo = photo;
  image.waits = data === undefined;
  if (data) image.src = "data:image/webp;base64," + data;
  else image.removeAttribute("src");
}

function loadParts() {
  for (const image of document.images) {
    if (loadingParts.size >= MOST_LOADING) return;
    if (image.waits && !loadingParts.has(partOf(image.photo))) loadPart(partOf(image.photo));
  }
}

function loadPart(number) {
  const script = document.createElement("script");
  loadingParts.add(number);
  script.onload = script.onerror = () => {
    script.remove();
    loadingParts.delete(number);
    if (!parts.has(number)) {
      missingParts.add(number);
      $("no-parts").hidden = false;
    }
    for (const image of document.images) {
      if (image.waits && partOf(image.photo) === number) fill(image, image.photo);
    }
    while (parts.size > MOST_PARTS) parts.delete(parts.keys().next().value);
    loadParts();
  };
  script.src = `${files}/thumbnails-${number}.js`;
  document.head.append(script);
}

// What a part calls. One of another ranking, written since, is none of this page's.
function takePart(ranking, number, thumbnails) {
  if (ranking === identity) parts.set(number, thumbnails);
}
