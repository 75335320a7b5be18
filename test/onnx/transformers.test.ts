// Directories for transformers.js, loaded by transformers.js itself, which test/onnx has for itself.
import { createRequire } from "node:module";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect } from "chai";
import { createModel, type Dataset, type Model, type Prediction } from "../../lib/index.js";
import { halves, LANDSCAPES, landscape, trainLandscapes } from "../support/landscapes.js";
import { hasRuntime } from "./runtime.js";

/** The part of @huggingface/transformers that is used here. */
interface Transformers {
  readonly env: { allowRemoteModels: boolean; localModelPath: string };
  pipeline(task: "image-classification", model: string): Promise<Classify>;
}

interface Classify {
  (image: string, options: { top_k: number }): Promise<{ label: string; score: number }[]>;
  dispose(): Promise<unknown>;
}

/** Photographs that are resized and cropped; two landscapes in one are between classes, where small changes count. */
const PHOTOGRAPHS = {
  "wide.jpg": async () => (await halves("beach", "tulips", 1600, 1000)).jpeg(),
  "high.jpg": async () => (await halves("night", "mountains", 300, 500)).jpeg(),
  "turned.jpg": async () => (await halves("mountains", "beach", 480, 640)).jpeg().withMetadata({ orientation: 6 }),
  "clear.png": async () => Promise.resolve(landscape("forest", 5, 400, 300).png()),
};

describe("directories for transformers.js", function () {
  this.timeout(120_000);
  let directory = "";
  let model: Model;
  let data: Dataset;
  let transformers: Transformers;
  const warnings: unknown[][] = [];
  const { warn } = console;

  before(async function () {
    if (!hasRuntime) {
      console.log("    skipped: transformers.js is not installed. `npm run test:onnx` installs it.");
      this.skip();
    }
    directory = await mkdtemp(join(tmpdir(), "reviewkd-transformers-"));
    for (const [name, encode] of Object.entries(PHOTOGRAPHS))
      await writeFile(join(directory, name), await (await encode()).toBuffer());
    ({ model, data } = await trainLandscapes(join(directory, "landscapes")));
    const module = createRequire(import.meta.url).resolve("@huggingface/transformers");
    transformers = await import(pathToFileURL(module).href) as Transformers;
    Object.assign(transformers.env, { allowRemoteModels: false, localModelPath: directory });
    console.warn = (...words) => warnings.push(words);
  });

  after(async () => {
    console.warn = warn;
    if (directory === "") return;
    model.dispose();
    data.dispose();
    await rm(directory, { recursive: true, force: true });
  });

  /** The largest difference of a probability for each photograph. */
  async function differences(name: string, expected: Model): Promise<Record<string, number>> {
    const classify = await transformers.pipeline("image-classification", name);
    try {
      const found: Record<string, number> = {};
      for (const photograph of Object.keys(PHOTOGRAPHS)) {
        const path = join(directory, photograph);
        const own: Prediction[] = await expected.classify(path, { topK: LANDSCAPES.length });
        const others = await classify(path, { top_k: LANDSCAPES.length });
        found[photograph] = Math.max(
          ...own.map(({ className, probability }) =>
            Math.abs(probability - others.find(({ label }) => label === className)!.score)
          ),
        );
      }
      return found;
    } finally {
      await classify.dispose();
    }
  }

  // transformers.js resizes by Lanczos' kernel, the package bilinearly: probabilities of these pictures differ by
  // 0.009, and without antialiasing by 0.07. float16 adds 0.001; int8 differs by 0.027. Another processor trains
  // another network.
  for (const [name, precision, tolerance] of [["fp32", "float32", 0.03], ["fp16", "float16", 0.03], ["q8", "int8",
    0.06]] as const) {
    it(`in ${precision} are loaded without options or a network, and have the package's classes and probabilities`, async () => {
      await model.exportTransformers(join(directory, name),
        precision === "int8" ? { quantize: precision, calibration: data.train } : { dtype: precision });
      for (const [photograph, difference] of Object.entries(await differences(name, model)))
        expect(difference, photograph).to.be.below(tolerance);
      expect(warnings).to.deep.equal([]);
    });
  }

  it("cut the center out of photographs whose short side becomes the network's, as of CIFAR", async () => {
    const weights = join(directory, "square.safetensors");
    await model.save(weights, { resizeSize: 64 });
    using square = await createModel(model.name, { numClasses: LANDSCAPES.length, weights });
    await square.exportTransformers(join(directory, "square"));
    const config = JSON.parse(await readFile(join(directory, "square", "preprocessor_config.json"), "utf8")) as object;
    expect(config).to.deep.include({ image_processor_type: "ViTImageProcessor", size: { shortest_edge: 64 },
      crop_size: { height: 64, width: 64 } });
    for (const [photograph, difference] of Object.entries(await differences("square", square)))
      expect(difference, photograph).to.be.below(0.03);
  });

  it("name classes as the caller does", async () => {
    const classNames = LANDSCAPES.map((name) => `a picture of ${name}`);
    await model.exportTransformers(join(directory, "named"), { classNames });
    const classify = await transformers.pipeline("image-classification", "named");
    const found = await classify(join(directory, "clear.png"), { top_k: 1 });
    await classify.dispose();
    expect(found.map(({ label }) => label)).to.deep.equal(["a picture of forest"]);
  });
});
