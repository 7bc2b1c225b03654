// What is made of the scores of frames: a quiet meter, a mark, and the best frames of late.

/** Where a probability stands among the percentiles 0, 1 … 100 of the photos compared with. */
export function percentileOf(probability, percentiles) {
  const above = percentiles.findIndex((each) => each > probability);
  if (above < 0) return 100;
  if (above === 0) return 0;
  const low = percentiles[above - 1];
  return above - 1 + (probability - low) / (percentiles[above] - low);
}

const SMOOTHING = 0.6; // seconds, in which two thirds of a change are told
const STEP = 3; // percent, which the figure must be wrong by before it moves
const BACK = 1; // seconds; a view is compared with what was seen before these
const ENOUGH = 3; // seconds, before which too little was seen to call anything the best
const HOLD = 1.5; // seconds, for which a mark stays at least
export const BEST_SECONDS = 10;

export class Meter {
  /** The percentile that is told; null before the first frame. */
  shown = null;
  /** Whether the view is better than all of the last BEST_SECONDS. */
  isBest = false;
  #level = null;
  #seen = [];
  #since = 0;

  /** Take the percentile of a frame, at so many seconds. */
  add(percentile, now) {
    const before = this.#seen.at(-1)?.now;
    const share = before === undefined ? 1 : 1 - Math.exp((before - now) / SMOOTHING);
    this.#level = this.#level === null ? percentile : this.#level + share * (percentile - this.#level);
    if (this.shown === null || Math.abs(this.#level - this.shown) >= STEP) this.shown = Math.round(this.#level);
    this.#mark(now);
    this.#seen.push({ now, level: this.#level });
    while (this.#seen[0].now < now - BEST_SECONDS) this.#seen.shift();
  }

  #mark(now) {
    // A view that has the mark is compared with what was seen before it got that.
    const until = (this.isBest ? this.#since : now) - BACK;
    const earlier = this.#seen.filter((each) => each.now <= until).map(({ level }) => level);
    const isEnough = this.isBest ? earlier.length > 0 : now - this.#seen[0]?.now >= ENOUGH;
    // It takes a step to get it, and all of the step to lose it.
    const isBest = isEnough && this.#level >= Math.max(...earlier) + (this.isBest ? 0 : STEP);
    if (isBest && !this.isBest) this.#since = now;
    this.isBest = isBest || (this.isBest && now < this.#since + HOLD);
  }
}

const KEPT = 3; // seconds

/** The best frame of the last seconds: of each second one is held, so that memory stays flat. */
export class BestFrames {
  #of = new Map();

  /** Take a frame, an ImageBitmap with its probability, at so many seconds; worse ones are closed. */
  add(frame, now) {
    const second = Math.floor(now);
    const there = this.#of.get(second);
    if (there && there.probability >= frame.probability) frame.picture.close();
    else {
      there?.picture.close();
      this.#of.set(second, frame);
    }
    for (const [each, { picture }] of this.#of)
      if (each < second - KEPT) {
        picture.close();
        this.#of.delete(each);
      }
  }

  get best() {
    const frames = [...this.#of.values()];
    return frames.reduce((best, each) => (best && best.probability >= each.probability ? best : each), null);
  }

  clear() {
    for (const { picture } of this.#of.values()) picture.close();
    this.#of.clear();
  }
}
