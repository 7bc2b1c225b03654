// Photos at the network's size, to the last bit as Pillow's bilinear filter makes them, which widens
// with the reduction: canvases resize otherwise, and scores would differ from those of rank-photos.

const BITS = 22; // of Pillow's weights, which are whole numbers
const PADDING = [123, 117, 104]; // the mean of ImageNet's photos

/** The first input of each output, and the weights of these and the next ones. */
function weigh(start, end, length, size) {
  const scale = (end - start) / size, support = Math.max(scale, 1);
  const n = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(size), count = new Int32Array(size);
  const weights = new Int32Array(size * n), each = new Float64Array(n);
  for (let i = 0; i < size; i++) {
    const centre = start + (i + 0.5) * scale;
    const low = Math.max(0, Math.trunc(centre - support + 0.5));
    const high = Math.min(length, Math.trunc(centre + support + 0.5));
    let sum = 0;
    for (let j = low; j < high; j++) {
      each[j - low] = Math.max(0, 1 - Math.abs((j - centre + 0.5) * (1 / support)));
      sum += each[j - low];
    }
    for (let j = 0; j < high - low; j++)
      weights[i * n + j] = Math.trunc(0.5 + (each[j] / sum) * 2 ** BITS);
    first[i] = low;
    count[i] = high - low;
  }
  return { n, first, count, weights };
}

/** Rows of RGBA pixels, narrowed or widened to `width` of RGB. */
function alongRows(rgba, columns, rows, start, end, width) {
  const { n, first, count, weights } = weigh(start, end, columns, width);
  const out = new Uint8Array(rows * width * 3);
  for (let y = 0, to = 0; y < rows; y++) {
    for (let x = 0; x < width; x++, to += 3) {
      let r = 1 << (BITS - 1), g = r, b = r;
      let from = 4 * (y * columns + first[x]);
      for (let j = x * n, last = j + count[x]; j < last; j++, from += 4) {
        const weight = weights[j];
        r += rgba[from] * weight;
        g += rgba[from + 1] * weight;
        b += rgba[from + 2] * weight;
      }
      out[to] = r >> BITS;
      out[to + 1] = g >> BITS;
      out[to + 2] = b >> BITS;
    }
  }
  return out;
}

/** Columns of RGB pixels, shortened or lengthened to `height`. */
function alongColumns(rgb, width, rows, start, end, height) {
  const { n, first, count, weights } = weigh(start, end, rows, height);
  const stride = 3 * width;
  const out = new Uint8Array(stride * height), sum = new Int32Array(stride);
  for (let y = 0; y < height; y++) {
    sum.fill(1 << (BITS - 1));
    for (let j = 0; j < count[y]; j++) {
      const weight = weights[y * n + j];
      for (let i = 0, from = stride * (first[y] + j); i < stride; i++, from++)
        sum[i] += rgb[from] * weight;
    }
    for (let i = 0, to = stride * y; i < stride; i++, to++) out[to] = sum[i] >> BITS;
  }
  return out;
}

function resized(rgba, columns, rows, width, height, [left, top, right, bottom]) {
  // Where a side keeps its length its weights are 1 and 0, and change nothing.
  const narrow = alongRows(rgba, columns, rows, left, right, width);
  return alongColumns(narrow, width, rows, top, bottom, height);
}

function roundHalfToEven(value) {
  const whole = Math.floor(value), rest = value - whole;
  return rest > 0.5 || (rest === 0.5 && whole % 2) ? whole + 1 : whole;
}

/** RGBA pixels as a square of RGB, size × size: squashed, its centre cropped, or padded. */
export function squareOf(rgba, columns, rows, size, mode) {
  if (mode === "squash") return resized(rgba, columns, rows, size, size, [0, 0, columns, rows]);
  if (mode === "crop") {
    const side = Math.min(columns, rows), left = (columns - side) / 2, top = (rows - side) / 2;
    return resized(rgba, columns, rows, size, size, [left, top, left + side, top + side]);
  }
  const scale = size / Math.max(columns, rows);
  const width = Math.max(1, roundHalfToEven(columns * scale));
  const height = Math.max(1, roundHalfToEven(rows * scale));
  const inner = resized(rgba, columns, rows, width, height, [0, 0, columns, rows]);
  const left = Math.floor((size - width) / 2), top = Math.floor((size - height) / 2);
  const out = new Uint8Array(3 * size * size);
  for (let i = 0; i < out.length; i++) out[i] = PADDING[i % 3];
  for (let y = 0; y < height; y++)
    out.set(inner.subarray(3 * width * y, 3 * width * (y + 1)), 3 * ((top + y) * size + left));
  return out;
}
