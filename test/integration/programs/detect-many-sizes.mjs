// Trains a detector on images of changing sizes, then finds objects in such images, and prints the resident memory in
// bytes, after a garbage collection, of each tenth of the work.
// Arguments: STEPS CALLS
import process from "node:process";
import { createDetector, createSession, Tensor } from "reviewkd";

const [steps, calls] = process.argv.slice(2).map(Number);
const [SMALLEST, LARGEST] = [33, 160];

let state = 1;
const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
const side = () => SMALLEST + Math.floor((LARGEST - SMALLEST + 1) * random());

/** An image of a random size with one object, and its mask. */
function drawn() {
  const [height, width] = [side(), side()];
  const image = Tensor.from(new Float32Array(3 * height * width).fill(random()), [3, height, width]);
  const box = Float32Array.of(2, 3, width / 2, height / 2 + 3);
  const target = { boxes: Tensor.from(box, [1, 4]), labels: Tensor.from(BigInt64Array.of(1n), [1]),
    masks: Tensor.from(new Uint8Array(height * width).fill(1), [1, height, width]) };
  return { image, target };
}

/** Runs `work` and returns the means by tenth. */
async function resident(count, work) {
  const tenths = [];
  for (let tenth = 0; tenth < 10; ++tenth) {
    let sum = 0;
    for (let index = 0; index < count / 10; ++index) {
      await work();
      globalThis.gc();
      sum += process.memoryUsage.rss();
    }
    tenths.push(sum / (count / 10));
  }
  return tenths;
}

const detector = await createDetector("mask-rcnn-mobilenetv2-fpn", { numClasses: 3,
  detection: { minSize: null, rpnPreNmsTopNTrain: 60, rpnPostNmsTopNTrain: 40, rpnPreNmsTopNTest: 60,
    rpnPostNmsTopNTest: 40, boxBatchSizePerImage: 32 } });
const session = await createSession({ model: detector, threads: 1, optimizer: { kind: "sgd", learningRate: 1e-5 } });
const training = await resident(steps, async () => {
  const samples = [drawn(), drawn()];
  await session.step({ images: samples.map(({ image }) => image), targets: samples.map(({ target }) => target) });
});
const detecting = await resident(calls, async () => {
  await detector.detect([drawn().image, drawn().image]);
});
console.log(JSON.stringify({ training, detecting }));
