// Failures around a device's steps, and their consequences. Like training.test.ts, on a GPU or on the host emulation.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { createDistiller, createModel, createSession, loadDataset, Tensor, type Dataset,
  type Session } from "../../lib/index.js";
import type { MethodInput } from "../../lib/config/schemas/method.js";
import { TEST_DEVICE } from "../support/device.js";
import { failureOf } from "../support/errors.js";
import { valuesOf } from "../support/numeric.js";

const DEVICE = TEST_DEVICE === "cuda" ? "cuda" : "cpu";
const CLASSES = 10;
const SIDE = 32;
const BATCH = 8;
const STEPS = 6;

async function sessionOn(method: MethodInput = { kind: "review", weight: 0.6 }, learningRate = 0.05): Promise<Session> {
  const distiller = await createDistiller({
    teacher: await createModel("resnet14", { numClasses: CLASSES, seed: 1 }),
    student: await createModel("resnet8", { numClasses: CLASSES, seed: 2 }),
    method,
    seed: 3,
  });
  return createSession({ distiller, device: DEVICE, optimizer: { kind: "sgd", learningRate } });
}

const epochOptions = (epoch = 0) => ({ epoch, epochs: 2, batchSize: BATCH, seed: 7 });

async function bitsOf(session: Session): Promise<Record<string, number[]>> {
  return Object.fromEntries(
    Object.entries(await session.model.stateDict()).map(([name, tensor]) => [name, valuesOf(tensor)]),
  );
}

/** A stream of images that fails at the image number that `failAt` returns. */
function streamed(failAt: () => number): Promise<Dataset> {
  const split = {
    samples: BATCH * STEPS,
    *items({ firstImage }: { firstImage: number }) {
      for (let i = firstImage; i < BATCH * STEPS; ++i) {
        if (i >= failAt()) throw new Error("the camera is gone");
        yield { image: new Uint8Array(3 * SIDE * SIDE).map((_, k) => (i * 37 + k * 11) % 256), label: i % CLASSES };
      }
    },
  };
  return loadDataset({ kind: "stream", numClasses: CLASSES, height: SIDE, width: SIDE, train: split, test: split });
}

async function expectSourceFailure(session: Session, images: Dataset): Promise<void> {
  const outcome = await session.trainEpoch(images, epochOptions()).then(() => "the epoch ended",
    (error: unknown) => (error as Error).message);
  expect(outcome).to.include("the camera is gone");
}

describe("a device's steps", function () {
  this.timeout(300_000);
  let data: Dataset;
  let folder: string;

  before(async () => {
    data = await loadDataset({ kind: "synthetic", numClasses: CLASSES, trainSamples: BATCH * STEPS, testSamples: 20,
      seed: 3 });
    folder = await mkdtemp(join(tmpdir(), "reviewkd-faults-"));
  });
  after(async () => {
    data.dispose();
    await rm(folder, { recursive: true, force: true });
  });

  it("report the error of a source that fails before the first step of a resumed epoch, and can be resumed again", async () => {
    let failAt = 3 * BATCH;
    using images = await streamed(() => failAt);
    using first = await sessionOn();
    await expectSourceFailure(first, images);
    const path = join(folder, "within.safetensors");
    await first.saveCheckpoint(path);
    const { step } = await first.position();
    expect(step).to.be.greaterThan(0);
    using second = await sessionOn();
    await second.loadCheckpoint(path);
    failAt = step * BATCH;
    await expectSourceFailure(second, images);
    expect((await second.position()).step).to.equal(step);
    failAt = Number.POSITIVE_INFINITY;
    const resumed = await second.trainEpoch(images, epochOptions());
    using whole = await sessionOn();
    const uninterrupted = await whole.trainEpoch(images, epochOptions());
    expect(resumed.losses).to.deep.equal(uninterrupted.losses);
    expect(await bitsOf(second)).to.deep.equal(await bitsOf(whole));
  });

  it("count in the sums and the position of a checkpoint as far as they were finite", async () => {
    using session = await sessionOn({ kind: "review", weight: 0.6 }, 1e6);
    await failureOf("NON_FINITE_LOSS", () => session.trainEpoch(data, epochOptions()));
    const path = join(folder, "not-finite.safetensors");
    await session.saveCheckpoint(path);
    const file = await readFile(path);
    const header = JSON.parse(file.subarray(8, 8 + Number(file.readBigUInt64LE(0))).toString()) as {
      __metadata__: Record<string, string>;
    };
    const field = (name: string): number => Number(header.__metadata__[`session.${name}`]);
    expect(field("epoch-step")).to.be.within(1, STEPS - 1);
    expect(field("epoch-images")).to.equal(BATCH * field("epoch-step"));
  });

  it("continue without graphs to the same bits when recording fails, and report the reason", async () => {
    process.env["REVIEWKD_HOST_EMULATION_RECORDING"] = "fail";
    try {
      using failing = await sessionOn();
      const summary = await failing.trainEpoch(data, epochOptions());
      // The variable has no effect on a GPU.
      if (DEVICE === "cpu")
        expect(summary.graph).to.deep.equal({ replayed: false,
          reason: "a step could not be recorded: REVIEWKD_HOST_EMULATION_RECORDING requests a failure" });
      process.env["REVIEWKD_CUDA_GRAPHS"] = "0";
      using plain = await sessionOn();
      const wanted = await plain.trainEpoch(data, epochOptions());
      expect(summary.losses).to.deep.equal(wanted.losses);
      expect(await bitsOf(failing)).to.deep.equal(await bitsOf(plain));
    } finally {
      delete process.env["REVIEWKD_HOST_EMULATION_RECORDING"];
      delete process.env["REVIEWKD_CUDA_GRAPHS"];
    }
  });

  it("leave no stream unjoined when the student fails after its teacher", async () => {
    using session = await sessionOn({ kind: "kd", weight: 1 });
    // One image of 4×4: the student's last maps are a single value, which cannot be normalized in training; the
    // teacher does not train.
    const small = { images: Tensor.from(new Float32Array(3 * 4 * 4), [1, 3, 4, 4]),
      labels: Tensor.from(BigInt64Array.of(0n), [1]) };
    await failureOf("BATCH_TOO_SMALL", () => session.step(small));
    const { graph } = await session.trainEpoch(data, epochOptions());
    expect(graph).to.deep.equal({ replayed: true, reason: null });
  });
});
