// Photos that are dropped onto the page, or chosen: scored, and sorted, the best first.

import { percentileOf } from "./meter.js";

const SIDE = 320; // pixels of a small picture's longer side

export class Files {
  #list;
  #scorer;
  #percentiles;

  constructor(list, scorer, percentiles) {
    this.#list = list;
    this.#scorer = scorer;
    this.#percentiles = percentiles;
  }

  /** Score photos; `tell` is told how far it is, and of those that this browser cannot show. */
  async add(files, tell) {
    const unread = [];
    for (const [number, file] of files.entries()) {
      tell(`Photo ${number + 1} of ${files.length} …`);
      const picture = await createImageBitmap(file).catch(() => null);
      if (picture) this.#show(file.name, await this.#scorer.score(picture));
      else unread.push(file.name);
    }
    tell(unread.length ? `This browser cannot show ${unread.join(", ")}: give it JPEG, PNG or WebP.` : "");
  }

  #show(name, { probability, picture }) {
    const canvas = document.createElement("canvas");
    draw(canvas, picture, SIDE);
    canvas.setAttribute("aria-hidden", "true");
    picture.close();
    const percentile = document.createElement("b");
    percentile.textContent = `${Math.round(percentileOf(probability, this.#percentiles))} %`;
    const item = document.createElement("li");
    item.append(canvas, percentile, name);
    item.dataset.probability = probability;
    const worse = [...this.#list.children].find((each) => each.dataset.probability < probability);
    this.#list.insertBefore(item, worse ?? null);
  }
}

/** Draw a picture whose longer side gets so many pixels. */
export function draw(canvas, picture, side) {
  const scale = Math.min(1, side / Math.max(picture.width, picture.height));
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
}
