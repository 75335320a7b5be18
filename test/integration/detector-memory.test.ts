import { setTimeout } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect } from "chai";
import { createDetector, createSession, Tensor } from "../../lib/index.js";
import { testingAddon } from "../support/testing-addon.js";

const KIB = 2 ** 10;
/** Height and width of the images of a batch, together as large as photographs that keep few pixels. */
const SIZES = [[[160, 120], [96, 150]], [[65, 160], [160, 33]], [[128, 128], [80, 140]], [[157, 159], [40, 90]], [[110,
  70], [101, 103]], [[150, 160], [160, 97]]] as const;
/** Of CPU tensors, of malloc, and of JavaScript. */
type Kind = "heap" | "malloc" | "tensors";
type Size = (typeof SIZES)[number][number];
/**
 * Three rounds have 18 batches, whose images alone are 5 MiB. Scratch memory may still grow a little, because counts
 * of proposals vary, and V8 frees some of its own long after.
 */
const NEGLIGIBLE = 384 * KIB;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** An image with one object, and its mask. */
function drawn([height, width]: Size) {
  const image = Tensor.from(new Float32Array(3 * height * width).fill(0.5), [3, height, width]);
  const box = Float32Array.of(2, 3, width / 2, height / 2 + 3);
  const target = { boxes: Tensor.from(box, [1, 4]), labels: Tensor.from(BigInt64Array.of(1n), [1]),
    masks: Tensor.from(new Uint8Array(height * width).fill(1), [1, height, width]) };
  return { image, target };
}

/** The memory in use: the least of several readings, because V8's compiler allocates in other threads. */
async function heldMemory() {
  const readings: Record<Kind, number>[] = [];
  for (let i = 0; i < 6; ++i) {
    collectGarbage();
    await setTimeout(20);
    readings.push({ ...testingAddon().heldMemory(), heap: process.memoryUsage().heapUsed });
  }
  const least = (name: Kind) => Math.min(...readings.map((reading) => reading[name]));
  return { tensors: least("tensors"), malloc: least("malloc"), heap: least("heap") };
}

/** By how much the memory in use grows in three rounds of `work` through the sizes, after two others. */
async function growth(work: (samples: ReturnType<typeof drawn>[]) => Promise<unknown>) {
  const held: Record<Kind, number>[] = [];
  for (let round = 0; round < 5; ++round) {
    for (const sizes of SIZES) await work(sizes.map(drawn));
    held.push(await heldMemory());
  }
  const grown = (kind: Kind) => held[4]![kind] - held[1]![kind];
  return { tensors: grown("tensors"), malloc: grown("malloc"), heap: grown("heap") };
}

describe("a process with a detector", function () {
  this.timeout(600_000);
  this.slow(90_000);

  it("has more memory in use with tensors than without them", async () => {
    const before = await heldMemory();
    const [large, ...small] = [256, ...Array<number>(64).fill(32)].map((kib) =>
      Tensor.from(new Uint8Array(kib * KIB), [kib * KIB])
    );
    const most = await heldMemory();
    expect(most.tensors - before.tensors).to.be.within(256 * KIB, 320 * KIB);
    // The 2 MiB of the small ones, of which V8 may have freed some elsewhere.
    if (before.malloc > 0) expect(most.malloc - before.malloc).to.be.above(1536 * KIB);
    for (const tensor of [large!, ...small]) tensor.dispose();
    expect((await heldMemory()).tensors).to.equal(before.tensors);
  });

  it("holds no more memory after steps and detections with images of changing sizes once it is warm", async () => {
    const detector = await createDetector("mask-rcnn-mobilenetv2-fpn", { numClasses: 3,
      detection: { minSize: null, rpnPreNmsTopNTrain: 60, rpnPostNmsTopNTrain: 40, rpnPreNmsTopNTest: 60,
        rpnPostNmsTopNTest: 40, boxBatchSizePerImage: 32 } });
    const session = await createSession({ model: detector, threads: 1,
      optimizer: { kind: "sgd", learningRate: 1e-5 } });
    const training = await growth((samples) =>
      session.step({ images: samples.map(({ image }) => image), targets: samples.map(({ target }) => target) })
    );
    const detecting = await growth((samples) => detector.detect(samples.map(({ image }) => image)));
    for (const [what, grown] of Object.entries({ training, detecting })) {
      for (const [kind, bytes] of Object.entries(grown)) expect(bytes, `${what}: ${kind}`).to.be.below(NEGLIGIBLE);
    }
  });
});
