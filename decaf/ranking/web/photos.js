// The photos, their stacks, and what of their names a search sees.

const $ = (id) => document.getElementById(id);
const count = (n) => n.toLocaleString("en");
const counted = (n, noun) => `${count(n)} ${noun}${n === 1 ? "" : "s"}`;
const percent = (value) => (Number.isInteger(value) ? value : value.toFixed(1)) + " %";

// A photo: n name, u URL, d URL of a preview where browsers do not show the file, i thumbnail (WebP
// in base64, "" for a photo that was gone; only where thumbnails are in the page), w and h its
// pixels, r rank, p percentile, q probability, k stack, m and s the predicted score and its spread,
// v the shares of predicted votes. The page adds `plain`, its name as it is searched, and `at`, its
// place among those that are shown, or -1.
const photos = JSON.parse($("photos").textContent);
$("photos").remove(); // the text of 50,000 photos is 10 MB

const stacks = new Map();
for (const photo of photos) {
  photo.plain = plain(photo.n);
  photo.at = -1;
  if (!photo.k) continue;
  if (!stacks.has(photo.k)) stacks.set(photo.k, []);
  stacks.get(photo.k).push(photo);
}
const reversedStacks = new Map([...stacks].map(([k, members]) => [k, [...members].reverse()]));

// What is looked for comes first, and a closed stack is as bad as its worst photo: where the worst
// come first, that one stands for the others.
function membersOf(photo) {
  if (!photo.k) return [photo];
  return ($("worst").checked ? reversedStacks : stacks).get(photo.k);
}
const topOf = (photo) => membersOf(photo)[0];

// "koln" finds Köln, however its ö is written. Only marks of Latin, Greek and Cyrillic letters are
// dropped; in other scripts they are letters of their own.
function plain(text) {
  if (/^[\0-\x7f]*$/.test(text)) return text.toLowerCase();
  const letters = {
    ß: "ss", æ: "ae", œ: "oe", ø: "o", đ: "d", ð: "d", ħ: "h", ı: "i", ł: "l", þ: "th", ς: "σ",
  };
  return text.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase()
    .replace(/[ßæœøđðħıłþς]/g, (letter) => letters[letter]);
}
