// Trains a detector on images of several sizes, in turns, then finds objects in such images, and prints the resident
// memory in bytes, after garbage collections, of each round through the sizes.
// Arguments: ROUNDS
import process from "node:process";
import { createDetector, createSession, Tensor } from "reviewkd";

const rounds = Number(process.argv[2]);
/** Height and width of the images of a batch, together as large as photographs that keep few pixels. */
const SIZES = [[[160, 120], [96, 150]], [[65, 160], [160, 33]], [[128, 128], [80, 140]], [[157, 159], [40, 90]], [[110,
  70], [101, 103]], [[150, 160], [160, 97]]];

/** An image with one object, and its mask. */
function drawn([height, width]) {
  const image = Tensor.from(new Float32Array(3 * height * width).fill(0.5), [3, height, width]);
  const box = Float32Array.of(2, 3, width / 2, height / 2 + 3);
  const target = { boxes: Tensor.from(box, [1, 4]), labels: Tensor.from(BigInt64Array.of(1n), [1]),
    masks: Tensor.from(new Uint8Array(height * width).fill(1), [1, height, width]) };
  return { image, target };
}

/** Runs `work` on the batches of each round, and returns the means by round. */
async function resident(work) {
  const means = [];
  for (let round = 0; round < rounds; ++round) {
    let sum = 0;
    for (const sizes of SIZES) {
      await work(sizes.map(drawn));
      globalThis.gc();
      sum += process.memoryUsage.rss();
    }
    means.push(sum / SIZES.length);
  }
  return means;
}

const detector = await createDetector("mask-rcnn-mobilenetv2-fpn", { numClasses: 3,
  detection: { minSize: null, rpnPreNmsTopNTrain: 60, rpnPostNmsTopNTrain: 40, rpnPreNmsTopNTest: 60,
    rpnPostNmsTopNTest: 40, boxBatchSizePerImage: 32 } });
const session = await createSession({ model: detector, threads: 1, optimizer: { kind: "sgd", learningRate: 1e-5 } });
const training = await resident((samples) =>
  session.step({ images: samples.map(({ image }) => image), targets: samples.map(({ target }) => target) })
);
const detecting = await resident((samples) => detector.detect(samples.map(({ image }) => image)));
console.log(JSON.stringify({ training, detecting }));
