import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { createModel, createSession, fit, loadDataset, readWeightsInfo, Tensor, writeStateDict, type ClassifyOptions,
  type Dataset, type ImageInput, type Model, type Prediction } from "../../../lib/index.js";
import { useDirectory } from "../../integration/helpers.js";
import { failureOf } from "../../support/errors.js";
import { gradient, picture, writeFiles, writeImageFolder } from "../../support/image-files.js";
import { setLogits } from "../../support/networks.js";
import { drain, SMALL_DATA, SMALL_TRAINING } from "../lib/small-run.js";

const NORMALIZATION: Dataset["normalization"] = { mean: [0.5, 0.4, 0.3], std: [0.3, 0.25, 0.2] };
const OPTIONS: ClassifyOptions = { imageSize: 32, resizeSize: 32, normalization: NORMALIZATION };

/** The pixels of an image as values from 0 to 1. */
function valuesOf(pixels: Uint8Array, height: number, width: number): Float32Array {
  const planes = new Float32Array(3 * height * width);
  for (let channel = 0; channel < 3; ++channel) {
    for (let pixel = 0; pixel < height * width; ++pixel)
      planes[channel * height * width + pixel] = pixels[3 * pixel + channel]! / 255;
  }
  return planes;
}

const tensorOf = (seed: number): Tensor => Tensor.from(valuesOf(gradient(32, 32, seed), 32, 32), [3, 32, 32]);

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const list: Item[] = [];
  for await (const item of items) list.push(item);
  return list;
}

/** Float32 networks on other batches and by other operations round differently. */
const ROUNDING = 1e-5;

function expectClose(actual: readonly Prediction[], expected: readonly Prediction[]): void {
  expect(actual.map(({ label }) => label)).to.deep.equal(expected.map(({ label }) => label));
  for (const [index, { probability }] of actual.entries())
    expect(probability).to.be.closeTo(expected[index]!.probability, ROUNDING);
}

describe("naming the classes of images", function () {
  this.timeout(60_000);
  const directory = useDirectory();
  const at = (...names: string[]): string => join(directory.path, ...names);
  let model: Model;

  before(async () => {
    model = await createModel("resnet8", { numClasses: 7, seed: 5 });
    const files: Record<string, Uint8Array> = { "broken/no.png": Buffer.from("no image"),
      "upside.jpg": await picture(60, 40, 4).jpeg().withMetadata({ orientation: 6 }).toBuffer() };
    for (let seed = 1; seed <= 5; ++seed)
      files[`${seed === 5 ? "broken" : "folder"}/${seed}.png`] = await picture(32, 32, seed).png().toBuffer();
    await writeFiles(directory.path, files);
  });

  after(() => {
    model.dispose();
  });

  it("gives the softmax of the logits of a normalized image", async () => {
    const planes = valuesOf(gradient(32, 32, 1), 32, 32);
    const normalized = planes.map((value, index) => {
      const channel = Math.floor(index / 1024);
      return (value - NORMALIZATION.mean[channel]!) / NORMALIZATION.std[channel]!;
    });
    const { logits } = await model.forward(Tensor.from(normalized, [1, 3, 32, 32]));
    const powers = Array.from(logits.toTypedArray() as Float32Array, Math.exp);
    const sum = powers.reduce((a, b) => a + b);
    const expected = powers.map((power, label) => ({ label, className: String(label), probability: power / sum }))
      .sort((a, b) => b.probability - a.probability);
    for (const image of [tensorOf(1), at("folder/1.png"), await readFile(at("folder/1.png"))]) {
      const [found = []] = await model.classify([image], { ...OPTIONS, topK: 7 });
      expectClose(found, expected);
      expect(found.reduce((total, { probability }) => total + probability, 0)).to.be.closeTo(1, 1e-12);
    }
  });

  it("finds exactly the same in a file and its content, and almost the same in a Tensor", async () => {
    const path = at("folder/2.png");
    const [file, content, tensor] = await Promise.all([model.classify(path, OPTIONS),
      model.classify(await readFile(path), OPTIONS), model.classify([tensorOf(2)], OPTIONS)]);
    expect(content).to.deep.equal(file);
    expectClose(tensor[0]!, file);
    expect(file).to.have.length(5);
  });

  it("gives a list for a list and for several images in a Tensor, one ranking for one image", async () => {
    const both = Float32Array.from([...tensorOf(1).toTypedArray() as Float32Array,
      ...tensorOf(3).toTypedArray() as Float32Array]);
    const batch = Tensor.from(both, [2, 3, 32, 32]);
    const ofBatch = (await model.classify(batch as ImageInput, OPTIONS)) as Prediction[][];
    const ofList = await model.classify([at("folder/1.png"), batch, tensorOf(3)], OPTIONS);
    const ofOne = (await model.classify(tensorOf(3) as ImageInput, OPTIONS)) as Prediction[];
    expect([ofBatch.length, ofList.length, ofOne.length]).to.deep.equal([2, 4, 5]);
    for (const [index, expected] of [ofBatch[0]!, ofBatch[0]!, ofBatch[1]!, ofBatch[1]!].entries())
      expectClose(ofList[index]!, expected);
    expectClose(ofOne, ofBatch[1]!);
    expect(await model.classify([], OPTIONS)).to.deep.equal([]);
  });

  it("does not depend on the other images of a batch, but for rounding", async () => {
    const list = [1, 2, 3, 4].flatMap((seed) => [tensorOf(seed), at(`folder/${seed}.png`)]);
    const alone = await model.classify(list, { ...OPTIONS, batchSize: 1 });
    for (const batchSize of [2, 3, 64]) {
      const found = await model.classify(list, { ...OPTIONS, batchSize });
      for (const [index, predictions] of found.entries()) expectClose(predictions, alone[index]!);
    }
  });

  it("takes Tensors of other sizes as they are, each size in its own batch", async () => {
    const small = Tensor.from(new Float32Array(3 * 16 * 24).fill(0.5), [3, 16, 24]);
    const found = await model.classify([small, tensorOf(1), small], OPTIONS);
    expect(found[2]).to.deep.equal(found[0]);
    expectClose(found[1]!, (await model.classify([tensorOf(1)], OPTIONS))[0]!);
  });

  it("ranks equal probabilities by their labels, and keeps topK of them", async () => {
    using equal = await createModel("resnet8", { numClasses: 6 });
    await setLogits(equal, [0, 2, 0, 2, 0, 1]);
    const [found = []] = await equal.classify([tensorOf(1)], { ...OPTIONS, topK: 4 });
    expect(found.map(({ label }) => label)).to.deep.equal([1, 3, 5, 0]);
    const [all = []] = await equal.classify([tensorOf(1)], { ...OPTIONS, topK: 100 });
    expect(all.map(({ label }) => label)).to.deep.equal([1, 3, 5, 0, 2, 4]);
  });

  it("uses running statistics, and changes nothing", async () => {
    const before = await model.stateDict();
    const expected = await model.classify([tensorOf(1)], OPTIONS);
    await model.forward(Tensor.from(valuesOf(gradient(32, 32, 9), 32, 32), [1, 3, 32, 32]));
    expect(await model.classify([tensorOf(1)], OPTIONS)).to.deep.equal(expected);
    const after = await model.stateDict();
    for (const [name, tensor] of Object.entries(before))
      expect(after[name]!.toTypedArray(), name).to.deep.equal(tensor.toTypedArray());
  });

  it("turns files upright, and crops their center", async () => {
    const upright = await picture(60, 40, 4).jpeg().toBuffer();
    const turned = await model.classify(at("upside.jpg"), OPTIONS);
    expect(turned).to.not.deep.equal(await model.classify(upright, OPTIONS));
    expect(turned).to.have.length(5);
  });

  it("reports progress, and stops when its signal is aborted", async () => {
    const list = [1, 2, 3, 4].map((seed) => at(`folder/${seed}.png`));
    const done: number[] = [];
    await model.classify(list, { ...OPTIONS, batchSize: 3, onProgress: (count) => done.push(count) });
    expect(done).to.deep.equal([3, 4]);
    const controller = new AbortController();
    await failureOf("ABORTED",
      () =>
        model.classify(list, { ...OPTIONS, batchSize: 1, signal: controller.signal, onProgress: () => {
          controller.abort();
        } }));
    await failureOf("ABORTED", () => model.classify(list, { ...OPTIONS, signal: AbortSignal.abort() }));
  });

  it("names the classes of all files of a folder, in order, and skips what is no image", async () => {
    const found = await collect(model.classifyAll(at("folder"), { ...OPTIONS, batchSize: 3 }));
    expect(found.map(({ path }) => path)).to.deep.equal([1, 2, 3, 4].map((seed) => at("folder", `${seed}.png`)));
    const list = await model.classify(found.map(({ path }) => path), { ...OPTIONS, batchSize: 3 });
    expect(found.map(({ predictions }) => predictions)).to.deep.equal(list);

    await failureOf("FILE_CORRUPT", () => collect(model.classifyAll(at("broken"), OPTIONS)));
    const skipped = await collect(
      model.classifyAll([at("broken"), at("folder/1.png")], { ...OPTIONS, batchSize: 1, onDecodeError: "skip" }),
    );
    expect(skipped.map(({ path, predictions }) => [path, predictions?.length])).to.deep.equal([[at("broken/5.png"), 5],
      [
        at("broken/no.png"),
        undefined,
      ], [at("folder/1.png"), 5]]);
    expect(skipped[1]!.reason).to.include("cannot decode the image");
  });

  it("has the accuracy of an evaluation of the same files", async () => {
    const root = at("images");
    await writeImageFolder(root, { ant: { train: 4, val: 9 }, bee: { train: 4, val: 8 }, cat: { train: 4, val: 11 } });
    using data = await loadDataset({ kind: "image-folder", root, imageSize: 32 });
    using network = await createModel("resnet8", { numClasses: 3, seed: 2 });
    await drain(fit({ model: network, data, ...SMALL_TRAINING, epochs: 4, batchSize: 4 }));
    await network.save(at("folder.safetensors"));
    using saved = await createModel("resnet8", { numClasses: 3, weights: at("folder.safetensors") });
    const { top1, samples, loss } = await saved.evaluate(data.test, { batchSize: 8 }) as unknown as Record<string,
      number>;
    let [correct, count, sum] = [0, 0, 0];
    for await (const { path, predictions } of saved.classifyAll(join(root, "val"), { batchSize: 8 })) {
      const truth = predictions.find(({ className }) =>
        path.includes(`${className}/`) || path.includes(`${className}\\`)
      );
      if (predictions[0] === truth) ++correct;
      sum -= Math.log(truth!.probability);
      ++count;
    }
    expect([count, 100 * correct / count]).to.deep.equal([samples, top1]);
    expect(sum / count).to.be.closeTo(loss!, 1e-9);
  });

  it("knows classes and input by the weights, through every kind of file", async () => {
    using data = await loadDataset({ ...SMALL_DATA, normalization: NORMALIZATION });
    using network = await createModel("resnet8", { numClasses: 4, seed: 2 });
    expect([network.classNames, network.preprocessing.assumed.length]).to.deep.equal([null, 3]);
    await drain(fit({ model: network, data, ...SMALL_TRAINING, epochs: 1, runDirectory: at("run") }));
    await network.save(at("own.pt"));
    const known = { imageSize: [32, 32], resizeSize: 32, normalization: NORMALIZATION };
    expect(data.preprocessing).to.deep.equal(known);
    for (const path of [at("own.pt"), at("run", "student.safetensors"), at("run", "last.safetensors")]) {
      using loaded = await createModel("resnet8", { numClasses: 4, weights: path });
      expect(loaded.classNames, path).to.deep.equal(data.classNames);
      expect(loaded.preprocessing, path).to.deep.equal({ ...known, assumed: [] });
      expect((await readWeightsInfo(path)).preprocessing, path).to.deep.equal(known);
      await loaded.save(at("again.safetensors"), { classNames: ["w", "x", "y", "z"], resizeSize: 37 });
      const { classNames, preprocessing, metadata } = await readWeightsInfo(at("again.safetensors"));
      expect([classNames, preprocessing]).to.deep.equal([["w", "x", "y", "z"], { ...known, resizeSize: 37 }]);
      expect([metadata["model"], metadata["numClasses"]]).to.deep.equal(["resnet8", "4"]);
    }
    const [best] = await network.classify(at("folder/1.png"), { topK: 1 });
    expect(data.classNames).to.include(best!.className);
  });

  it("remembers the data of an own loop's epochs", async () => {
    using data = await loadDataset({ ...SMALL_DATA });
    using network = await createModel("resnet8", { numClasses: 4 });
    using session = await createSession({ model: network });
    await session.trainEpoch(data, { epoch: 0, epochs: 1, batchSize: 32 });
    expect([network.classNames, network.preprocessing.assumed]).to.deep.equal([data.classNames, []]);
  });

  it("keeps the classes of other weights out, but for those of as many classes", async () => {
    using other = await createModel("resnet8", { numClasses: 3 });
    await other.save(at("three.safetensors"), { classNames: ["a", "b", "c"], resizeSize: 40 });
    using network = await createModel("resnet8", { numClasses: 7 });
    await network.load(at("three.safetensors"), { strict: false });
    expect([network.classNames, network.preprocessing.resizeSize]).to.deep.equal([null, 40]);
  });

  it("warns once of what it assumes", async () => {
    await writeStateDict(at("bare.pt"), await model.stateDict());
    using bare = await createModel("resnet8", { numClasses: 7, weights: at("bare.pt") });
    const warnings: string[] = [];
    const listen = (warning: Error): number => warnings.push(warning.message);
    process.on("warning", listen);
    try {
      await bare.classify(at("folder/1.png"), OPTIONS);
      await new Promise(setImmediate);
      expect(warnings).to.deep.equal([]);
      for (let count = 0; count < 2; ++count) await bare.classify(at("folder/1.png"), { normalization: NORMALIZATION });
      await new Promise(setImmediate);
    } finally {
      process.off("warning", listen);
    }
    expect(warnings).to.have.length(1);
    expect(warnings[0]).to.include("the weights of resnet8 do not record imageSize, resizeSize: classify assumes");
  });

  it("names the value of a normalization that it cannot use", async () => {
    const of = async (mean: readonly number[], std: readonly number[]): Promise<string> => {
      const normalization = { mean, std } as unknown as Dataset["normalization"];
      return (await failureOf("INVALID_ARGUMENT", () => model.classify([tensorOf(1)], { normalization }))).message;
    };
    expect(await of([0.5, 0.5, 103], [1, 1, 1])).to.equal(
      "invalid normalization.mean[2] in classify options: expected a mean from -4 to 4 (of pixels divided by 255), received 103.",
    );
    expect(await of([0.5, 0.5, 0.5], [0, 1, 1])).to.equal(
      "invalid normalization.std[0] in classify options: expected a standard deviation above 0 and up to 4 (of pixels divided by 255), received 0.",
    );
    for (const values of [[0.5, 0.5], [0.5, 0.5, 0.5, 0.5]]) {
      expect(await of(values, [1, 1, 1])).to.equal(
        `invalid normalization.mean in classify options: expected an array of exactly 3 numbers, received an array of ${values.length} elements.`,
      );
    }
  });

  it("rejects images and options that it cannot use, saying what it expects", async () => {
    const bytes = Tensor.from(new Uint8Array(3 * 8 * 8), [3, 8, 8]);
    await failureOf("DTYPE_MISMATCH", () => model.classify([bytes], OPTIONS));
    await failureOf("SHAPE_MISMATCH", () => model.classify([Tensor.from(new Float32Array(64), [1, 8, 8])], OPTIONS));
    await failureOf("INVALID_ARGUMENT", () => model.classify([3 as unknown as string], OPTIONS));
    await failureOf("INVALID_ARGUMENT", () => model.classify([tensorOf(1)], { topK: 0 }));
    const normalized = Tensor.from(new Float32Array(3 * 32 * 32).fill(-1.5), [3, 32, 32]);
    const { message } = await failureOf("INVALID_ARGUMENT", () => model.classify([normalized], OPTIONS));
    expect(message).to.include("invalid images[0]: value 0 is -1.5: expected values from 0 to 1.");
    const identity: Dataset["normalization"] = { mean: [0, 0, 0], std: [1, 1, 1] };
    expect(await model.classify([normalized], { ...OPTIONS, normalization: identity })).to.have.length(1);
    const names = await failureOf("INVALID_ARGUMENT", () => model.classify([tensorOf(1)], { classNames: ["a"] }));
    expect(names.message).to.include("expected 7 names");
    const empty = await failureOf("INVALID_ARGUMENT",
      () => model.classify([tensorOf(1)], { classNames: ["a", "", "c", "d", "e", "f", "g"] }));
    expect(empty.message).to.equal(
      'invalid classNames[1] in classify options: expected a string that is not empty, received "".',
    );
    await failureOf("FILE_NOT_FOUND", () => model.classify(at("missing.png"), OPTIONS));
    await writeFile(at("text.png"), "no image");
    await failureOf("FILE_CORRUPT", () => model.classify(at("text.png"), OPTIONS));
    const gone = await createModel("resnet8", { numClasses: 2 });
    gone.dispose();
    await failureOf("DISPOSED", () => gone.classify([tensorOf(1)], OPTIONS));
  });

  it("names the image and the value of a Tensor that is not from 0 to 1", async () => {
    for (const [at, value, shape, place] of [[5, NaN, [3, 32, 32], "value 5 is NaN"], [3072 + 5, 1.5, [2, 3, 32, 32],
      "image 1, value 5 is 1.5"]] as const) {
      const values = new Float32Array(3072 * (shape.length === 4 ? 2 : 1)).fill(0.5);
      values[at] = value;
      const { message } = await failureOf("INVALID_ARGUMENT", () =>
        model.classify([tensorOf(1), Tensor.from(values, shape)], OPTIONS));
      expect(message).to.include(`invalid images[1]: ${place}: expected values from 0 to 1.`);
    }
  });

  it("names the image of a list that is missing, broken or cannot be read", async () => {
    const png = await readFile(at("folder/1.png"));
    const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>');
    const unread = Object.defineProperty([png, png], 1, { get: () => {
      throw new Error("boom");
    } });
    for (const [code, images, says] of [
      ["INVALID_ARGUMENT", [png, , png],
        "invalid images[1]: expected a Tensor, an encoded image or the path of an image " +
        "file, received nothing."],
      ["INVALID_ARGUMENT", unread, "invalid images: expected values that can be read, received one that throws: boom."],
      ["FILE_CORRUPT", [png, png, Buffer.from("xx")], "cannot decode the image images[2]: "],
      ["FILE_UNSUPPORTED", [png, svg], "invalid image images[1]: expected a JPEG"],
      ["FILE_UNSUPPORTED", svg, "invalid image in memory: expected a JPEG"],
    ] as const) {
      const { message } = await failureOf(code, () => model.classify(images as ImageInput[], OPTIONS));
      expect(message).to.include(says);
    }
  });

  it("bounds the sizes that images are resized to", async () => {
    for (const [options, name] of [[{ imageSize: 1e6 }, "imageSize"], [{ imageSize: [32, 1e6] }, "imageSize[1]"], [{
      resizeSize: 1e6,
    }, "resizeSize"]] as const) {
      const { message } = await failureOf("INVALID_ARGUMENT", () => model.classify(at("folder/1.png"), options));
      expect(message).to.equal(
        `invalid ${name} in classify options: expected a whole number ≤ 16384, received 1000000.`,
      );
    }
  });

  it("refuses weights whose outputs are no numbers", async () => {
    using diverged = await createModel("resnet8", { numClasses: 2 });
    await setLogits(diverged, [Number.NaN, 1]);
    const { message } = await failureOf("INVALID_ARGUMENT", () => diverged.classify([tensorOf(1)], OPTIONS));
    expect(message).to.include("invalid outputs of resnet8: expected finite numbers");
  });
});
