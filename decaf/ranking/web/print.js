// Printing: all photos of the shown range, in a list of their own.

let isPrinting = false;

function fillPrinted() {
  if ($("printed").childElementCount) return;
  $("printed").append(...shown.map((photo) => {
    const item = document.createElement("li"), image = document.createElement("img");
    const rank = document.createElement("b"), name = document.createElement("div");
    rank.textContent = count(photo.r);
    image.alt = "";
    image.style.aspectRatio = `${photo.w} / ${photo.h}`;
    item.style.setProperty("--shape", photo.w / photo.h);
    fill(image, photo);
    name.textContent = photo.n;
    item.append(image, rank, ` ${percent(Math.floor(photo.p))}`, name);
    return item;
  }));
  tellUnprinted();
}

// The browser's own menu prints what is there.
function tellUnprinted() {
  $("unprinted").hidden = ![...$("printed").querySelectorAll("img")].some((image) => image.waits);
}

const emptyPrinted = () => $("printed").replaceChildren();

// Thumbnails that lie in parts come only while a page waits for them.
async function printShown() {
  if (isPrinting) return;
  isPrinting = true;
  fillPrinted();
  loadParts();
  const images = [...$("printed").querySelectorAll("img")];
  while (images.some((image) => image.waits || !image.complete)) {
    tell(`${count(images.filter((image) => !image.waits).length)} of ${count(images.length)} ready to print`);
    await new Promise((resolve) => { setTimeout(resolve, 50); });
  }
  tell();
  tellUnprinted();
  print();
  emptyPrinted();
  isPrinting = false;
}

addEventListener("beforeprint", fillPrinted);
addEventListener("afterprint", () => { if (!isPrinting) emptyPrinted(); });
addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() !== "p" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
  event.preventDefault();
  printShown();
});
$("print").onclick = printShown;
