// The network, in a worker of its own: it scores pictures, one after another.

const MODULE = "wasm/litert_wasm_compat_internal"; // for browsers without relaxed SIMD, too

async function fetched(address, options) {
  const url = new URL(address, location);
  const answer = await fetch(url, options).catch(() => {
    throw new Error(`${url} cannot be fetched, or is not the file that it should be`);
  });
  if (!answer.ok) throw new Error(`${url} is not there (${answer.status})`);
  return answer;
}

function urlOf(...texts) {
  return URL.createObjectURL(new Blob(texts, { type: "text/javascript" }));
}

export class Scorer {
  #worker;
  #last = Promise.resolve();

  /** Pictures that wait to be scored, and the one that is. */
  waiting = 0;

  /** Fetch the network and its runtime, whose files are checked by their digests, and start them. */
  static async load(settings) {
    const { base, files } = settings.runtime;
    const runtime = (name) => fetched(base + name, { integrity: files[name] });
    const [library, module, wasm, file, code] = await Promise.all([
      runtime("dist/index.js").then((answer) => answer.text()),
      runtime(`${MODULE}.js`).then((answer) => answer.text()),
      runtime(`${MODULE}.wasm`).then((answer) => answer.arrayBuffer()),
      fetched(settings.network).then((answer) => answer.arrayBuffer()),
      fetched("worker.js").then((answer) => answer.text()),
    ]);
    const urls = {
      // The package that this names only finds and runs the module, which is at hand.
      library: urlOf(
        library.replace('import { createWasmLib } from "@litertjs/wasm-utils"', "const { createWasmLib } = self"),
      ),
      module: urlOf(module, "\nexport default ModuleFactory;"),
      resize: new URL("resize.js", location).href,
    };
    const scorer = new Scorer();
    // Not from its address: only of a blob does the page's content security policy hold in a worker.
    scorer.#worker = new Worker(urlOf(code), { type: "module" });
    await scorer.#ask({ settings, urls, wasm, file }, [wasm, file]);
    return scorer;
  }

  /** The probability of professional of an ImageBitmap, and this back. */
  score(picture) {
    this.waiting++;
    const scored = this.#last.then(() => this.#ask({ picture }, [picture]));
    this.#last = scored.catch(() => {}).then(() => this.waiting--);
    return scored;
  }

  #ask(message, transfer) {
    return new Promise((resolve, reject) => {
      this.#worker.onmessage = ({ data }) => ("failed" in data ? reject(new Error(data.failed)) : resolve(data));
      this.#worker.onerror = (event) => reject(new Error(event.message || "the worker ended"));
      this.#worker.postMessage(message, transfer);
    });
  }
}
