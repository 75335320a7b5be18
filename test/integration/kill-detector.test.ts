// `reviewkd train` with detectors: killed or stopped at several moments and resumed, it ends with the bytes of an
// uninterrupted run.
import { existsSync } from "node:fs";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { writeCocoFolder } from "../support/coco-folder.js";
import { FaultyFiles, outcomeOf, type Fault } from "./fit-programs.js";
import { jsonEvents, start, useDirectory, type Finished } from "./helpers.js";

/** Where a process ends: by a signal once it has printed a line, or before a file operation. */
type Moment = { readonly signal: "SIGKILL" | "SIGINT"; readonly after: RegExp } | { readonly fault: Fault };

const WITHIN: Moment = { signal: "SIGKILL", after: /"type":"progress"/ };
const BETWEEN: Moment = { signal: "SIGKILL", after: /"type":"epoch"/ };
const STOPPED: Moment = { signal: "SIGINT", after: /"type":"progress"/ };
/** Before the second block of a file's bytes, when a checkpoint is complete but not in its place, and seldom calls. */
const WRITING: Moment = { fault: "write last.safetensors 1 kill" };
const RENAMING: Moment = { fault: "rename last.safetensors 1 kill" };
const EARLY: Moment = { fault: "any * 4 kill" };

const TRAINING = {
  epochs: 3,
  evaluationBatchSize: 2,
  seed: 3,
  threads: 1,
  // Saves after every step.
  checkpointMinutes: 1e-6,
  optimizer: { kind: "sgd", learningRate: 0.005, normWeightDecay: 0 },
  schedule: { kind: "cosine", warmupEpochs: 0.5 },
};

interface Case {
  readonly what: string;
  readonly config: (root: string) => object;
  readonly moments: readonly Moment[];
}

/** Small images, so that a step is fast, and few classes. The normalizer of detectron2's RetinaNet is state. */
const CASES: readonly Case[] = [
  {
    what: "a RetinaNet of flavor detectron2 on drawn scenes, with accumulated batches",
    config: () => ({
      model: { name: "retinanet-mobilenetv2-fpn", flavor: "detectron2", detection: { minSize: 64, maxSize: 64 } },
      data: { kind: "scenes", numClasses: 2, trainSamples: 12, testSamples: 2, imageSize: 64, trainSizes: [48, 64] },
      training: { ...TRAINING, batchSize: 2, accumulateBatches: 2, clipNorm: 5 },
    }),
    moments: [EARLY, WITHIN, WRITING, STOPPED, BETWEEN, RENAMING],
  },
  {
    what: "a Mask R-CNN on a folder of COCO",
    config: (root) => ({
      model: { name: "mask-rcnn-mobilenetv2-fpn",
        detection: { minSize: 64, maxSize: 96, rpnPreNmsTopNTrain: 60, rpnPostNmsTopNTrain: 40, rpnPreNmsTopNTest: 30,
          rpnPostNmsTopNTest: 20, rpnBatchSizePerImage: 32, boxBatchSizePerImage: 16, boxDetectionsPerImg: 10 } },
      data: { kind: "coco", root },
      training: { ...TRAINING, batchSize: 2 },
    }),
    moments: [WITHIN, RENAMING, STOPPED, WRITING, BETWEEN],
  },
];

describe("a detector's training that is killed or stopped", function () {
  this.timeout(900_000);
  const directory = useDirectory();
  let files: FaultyFiles;
  before(async () => {
    files = new FaultyFiles();
    await writeCocoFolder(join(directory.path, "coco"), { train: 8, val: 3 });
  });
  after(() => {
    files.remove();
  });

  /** Starts or resumes a run, and waits until it ends or its moment comes. */
  async function runUntil(run: string, config: string, moment?: Moment): Promise<Finished> {
    const begun = existsSync(join(run, "config.json"));
    const words = ["train", "--run", run, "--json", ...(begun ? ["--resume"] : ["--config", config])];
    if (moment === undefined) return start(words).finished;
    if ("fault" in moment) return start(words, { env: files.environment(run, [moment.fault]) }).finished;
    const running = start(words);
    await running.until(moment.after);
    running.child.kill(moment.signal);
    return running.finished;
  }

  for (const [index, { what, config: configOf, moments }] of CASES.entries()) {
    it(`ends like an uninterrupted one: ${what}`, async () => {
      const [calm, run, config] = ["calm", "run", "config.json"].map((name) =>
        join(directory.path, String(index), name)
      ) as [string, string, string];
      await mkdir(join(directory.path, String(index)));
      await writeFile(config, JSON.stringify({ task: "train", ...configOf(join(directory.path, "coco")) }));
      const whole = await runUntil(calm, config);
      expect(whole.code, whole.stderr).to.equal(0);

      const count = { halfWritten: 0, resumedWithin: 0 };
      for (const moment of [...moments, undefined]) {
        const { code, signal, stdout, stderr } = await runUntil(run, config, moment);
        const context = `${JSON.stringify(moment)}\n${stderr}`;
        const expected = moment === undefined ? { code: 0, signal: null }
          : "signal" in moment && moment.signal === "SIGINT" ? { code: 130, signal: null }
          : { code: null, signal: "SIGKILL" };
        expect({ code, signal }, context).to.deep.equal(expected);
        const lines = stdout.slice(0, stdout.lastIndexOf("\n") + 1);
        const begin = lines === "" ? undefined : jsonEvents(lines).find(({ type }) => type === "start");
        count.resumedWithin += Number(begin?.["startStep"] ?? 0) > 0 ? 1 : 0;
        const names = await readdir(run).catch((): string[] => []);
        count.halfWritten += names.some((name) => name.includes(".tmp-")) ? 1 : 0;
      }
      expect(await outcomeOf(run)).to.deep.equal(await outcomeOf(calm));
      expect((await readdir(run)).sort()).to.deep.equal((await readdir(calm)).sort());
      expect(count.halfWritten, "kills while a checkpoint was written").to.be.at.least(2);
      expect(count.resumedWithin, "resumed within an epoch").to.be.at.least(1);
    });
  }
});
