// The part of the data that each of several processes reads, wherever they come from.
import { readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { expect } from "chai";
import { writeImageFolder } from "../../support/image-files.js";
import { useDirectory } from "../helpers.js";
import { allFinished, errorsOf, reportsOf, startOne, startRanks, succeedTogether, textOf } from "./ranks.js";

interface Trained {
  readonly checksum: string;
  readonly opened: readonly string[];
}

describe("the data of several processes", function () {
  this.timeout(120_000);
  const directory = useDirectory();

  /** Trains in two processes, and in one that splits its batches in two; statistics are of no batch. */
  async function trainBoth(
    data: object,
  ): Promise<{ readonly together: readonly Trained[]; readonly losses: unknown[][] }> {
    const words = (
      microBatches: number,
    ): string[] => [
      JSON.stringify([{ name: "data", data, dtype: "float64",
        fit: { epochs: 1, batchSize: 8, microBatches, augment: true, evaluationBatchSize: 4 } }]),
    ];
    const alone = await startOne({ program: "train.mjs", words: words(2) }).finished;
    const results = await succeedTogether(2, { program: "train.mjs", words: words(1) });
    const lossesOf = (result: typeof alone): unknown[] =>
      reportsOf(result).filter(({ type }) => type === "epoch").map(({ train }) =>
        (train as { losses: unknown }).losses
      );
    return { together: reportsOf(...results).filter(({ type }) => type === "trained") as unknown as Trained[],
      losses: [alone, ...results].map(lossesOf) };
  }

  it("are decoded by the one process that needs them", async () => {
    const root = join(directory.path, "folder");
    await writeImageFolder(root, { cup: { train: 10, val: 6 }, fork: { train: 9, val: 5 } });
    const { together, losses } = await trainBoth({ kind: "image-folder", root, imageSize: 16, numWorkers: 2 });
    const [first, second] = together.map(({ opened }) => opened.map((path) => path.slice(root.length + 1)).sort());
    // The batches of 8, 8 and 3 are split; those of 4, 4 and 3 in the evaluation are taken in turn.
    expect(first!.filter((path) => path.startsWith("train"))).to.have.length(4 + 4 + 1);
    expect(second!.filter((path) => path.startsWith("train"))).to.have.length(4 + 4 + 2);
    expect(first!.filter((path) => path.startsWith("val"))).to.have.length(4 + 3);
    expect(second!.filter((path) => path.startsWith("val"))).to.have.length(4);
    expect(new Set([...first!, ...second!])).to.have.property("size", 30);
    expect(losses[1]).to.deep.equal(losses[0]);
    expect(losses[2]).to.deep.equal(losses[0]);
    expect(together[1]?.checksum).to.equal(together[0]?.checksum);
  });

  it("are the own part of what a program produces", async () => {
    const { together, losses } = await trainBoth({ streamed: 19 });
    expect(losses[1]).to.deep.equal(losses[0]);
    expect(losses[2]).to.deep.equal(losses[0]);
    expect(together[1]?.checksum).to.equal(together[0]?.checksum);
  });

  it("replace broken images, which the process that met them reports, by others", async () => {
    const root = join(directory.path, "broken");
    await writeImageFolder(root, { cup: { train: 10, val: 2 }, fork: { train: 10, val: 2 } });
    for (const path of ["train/cup/3.jpg", "train/fork/4.jpg"]) await writeFile(join(root, path), "broken");
    const results = await succeedTogether(2, { program: "train.mjs", words: [
      JSON.stringify([{ name: "broken", data: { kind: "image-folder", root, imageSize: 16, onDecodeError: "skip" },
        fit: { epochs: 1 } }]),
    ] });
    const reports = reportsOf(...results);
    const broken = reports.filter(({ type }) => type === "broken-image").map(({ path }) => String(path));
    expect([...new Set(broken.map((path) => `${basename(dirname(path))}/${basename(path)}`))].sort()).to.deep.equal([
      "cup/3.jpg",
      "fork/4.jpg",
    ]);
    const epochs = reports.filter(({ type }) => type === "epoch");
    expect(epochs.map(({ train }) => (train as { brokenImages: number }).brokenImages)).to.deep.equal([2, 2]);
  });

  it("need an image for each process in a batch", async () => {
    const words = [
      JSON.stringify([{ name: "small", fit: { batchSize: 2 }, data: { trainSamples: 8, testSamples: 4 } }]),
    ];
    const results = await allFinished(await startRanks(3, { program: "train.mjs", words }));
    expect(results.map((result) => errorsOf(result)[0]?.code), textOf(results)).to.deep.equal(
      ["BATCH_TOO_SMALL", "BATCH_TOO_SMALL", "BATCH_TOO_SMALL"],
    );
    expect(errorsOf(results[1]!)[0]?.message).to.include("invalid batchSize: expected 3 or more").and.include(
      "received 2",
    );
  });

  it("refuse a last batch of too few images for each before the first step", async () => {
    const fits = (fit: object): readonly string[] => [
      JSON.stringify([{ name: "last", teacher: "resnet8", fit: { batchSize: 8, epochs: 1, ...fit },
        data: { trainSamples: 19, testSamples: 4 } }]),
    ];
    const results = await allFinished(await startRanks(2, { program: "train.mjs", words: fits({}) }));
    for (const result of results) {
      const [error] = errorsOf(result);
      expect(error?.code, textOf(results)).to.equal("BATCH_TOO_SMALL");
      expect(error?.message).to.include("expected at least 4 images in the last batch of an epoch, 2 for each of 2 " +
        "processes, received 3 of 19 images in batches of 8").and.include("syncBatchNorm");
      expect(reportsOf(result).filter(({ type }) => type === "progress")).to.deep.equal([]);
    }
    await succeedTogether(2, { program: "train.mjs", words: fits({ syncBatchNorm: true }) });
  });

  it("have batches by the size of each process's part on the command line", async () => {
    const run = join(directory.path, "own-batches");
    const words = ["train", "--model", "resnet8", "--data", "synthetic:numClasses=4,trainSamples=16,testSamples=4",
      "--threads", "1", "--epochs", "1", "--run", run, "--batch-size-per-process", "4"];
    await succeedTogether(2, { words });
    const config = JSON.parse(await readFile(join(run, "config.json"), "utf8")) as { training: { batchSize: number } };
    expect(config.training.batchSize).to.equal(8);
    const results = await allFinished(await startRanks(2, { words: [...words, "--batch-size", "8"] }));
    expect(results.map(({ code }) => code), textOf(results)).to.deep.equal([2, 2]);
    expect(results[0]?.stderr).to.include("either --batch-size or --batch-size-per-process");
  });
});
