// Rows of photos, each as wide as the page and near a wished height.

// Narrower photos are cut at their tops and ends, wider ones at their sides.
const NARROWEST = 0.5, WIDEST = 4;

// Places of photos: `rows` with first, end, top and height, and of each photo its row, its left edge
// and its width; all in whole CSS pixels. With them the width of the page and the height of all.
function layOut(list, width, wished, gap) {
  const rows = [], rowOf = new Int32Array(list.length);
  const left = new Int32Array(list.length), wide = new Int32Array(list.length);
  const shapeOf = (photo) => Math.min(Math.max(photo.w / photo.h, NARROWEST), WIDEST);
  let top = 0;
  for (let first = 0, end; first < list.length; first = end) {
    let shapes = 0, height = Infinity;
    for (end = first; end < list.length && height > wished; end++) {
      const more = shapes + shapeOf(list[end]), lower = (width - gap * (end - first)) / more;
      // The last photo stays out where the row is nearer to the wished height without it.
      if (lower < wished && height / wished < wished / lower) break;
      shapes = more;
      height = lower;
    }
    // The last row need not fill the width.
    if (end === list.length) height = Math.min(height, Math.max(wished, rows.at(-1)?.height ?? 0));
    let edge = 0;
    for (let i = first; i < end; i++) {
      rowOf[i] = rows.length;
      left[i] = Math.round(edge);
      edge += shapeOf(list[i]) * height;
      wide[i] = Math.max(1, Math.round(edge) - left[i]);
      edge += gap;
    }
    height = Math.max(1, Math.round(height));
    rows.push({ first, end, top, height });
    top += height + gap;
  }
  return { rows, rowOf, left, wide, width, height: top };
}

// The row at a height of the page, or the nearest.
function rowAt(rows, y) {
  let low = 0, high = rows.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (rows[middle].top <= y) low = middle; else high = middle - 1;
  }
  return low;
}
