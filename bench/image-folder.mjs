// Whether the decoder keeps the trainer busy: an epoch of an ImageNet network on a folder of JPEGs of mixed sizes.
// Prints the share of its time that the trainer waited for images, and how fast images are decoded when nothing else
// runs.
// Usage: npm run bench:image-folder -- [--images 2000] [--model resnet18] [--batch-size 32] [--folder DIR] [--json]
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import sharp from "sharp";
import { createModel, createSession, loadDataset, systemInfo } from "../dist/index.js";

const { values: flags } = parseArgs({
  options: {
    images: { type: "string", default: "2000" },
    model: { type: "string", default: "resnet18" },
    "batch-size": { type: "string", default: "32" },
    folder: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
const images = Number(flags.images);
const batchSize = Number(flags["batch-size"]);

const CLASSES = 10;
/** The sides of ImageNet's photographs are mostly in this range; their mean is about 400 by 350. */
const SIDES = [220, 640];

/** Uniform numbers in [0, 1) from a linear congruential generator: the same folder in each run. */
function uniform(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A JPEG with structure at all scales, about as large and as expensive to decode as a photograph of its size. */
async function photograph(random) {
  const [low, high] = SIDES;
  const side = () => Math.round(low + (high - low) * random());
  const [width, height] = [side(), side()];
  const layer = (columns, rows) =>
    sharp(Buffer.from(Array.from({ length: 3 * columns * rows }, () => 256 * random())), {
      raw: { width: columns, height: rows, channels: 3 },
    })
      .resize(width, height, { fit: "fill", kernel: "cubic" }).png({ compressionLevel: 0 }).toBuffer();
  const [coarse, middle, fine] = await Promise.all([layer(4, 4), layer(24, 24), layer(width >> 2, height >> 2)]);
  return sharp(coarse).composite([{ input: middle, blend: "overlay" }, { input: fine, blend: "soft-light" }])
    .removeAlpha().jpeg({ quality: 90 }).toBuffer();
}

async function writeFolder(root, count) {
  let bytes = 0;
  for (let index = 0; index < count; ++index) {
    const folder = join(root, "train", `class-${index % CLASSES}`);
    const file = await photograph(uniform(index + 1));
    bytes += file.length;
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, `${index}.jpg`), file);
    if (index < 2 * CLASSES) {
      await mkdir(join(root, "val", `class-${index % CLASSES}`), { recursive: true });
      await writeFile(join(root, "val", `class-${index % CLASSES}`, `${index}.jpg`), file);
    }
  }
  return bytes;
}

/** Images per second when they are decoded and discarded. */
async function decodeOnly(data, count) {
  const started = performance.now();
  let done = 0;
  for await (const batch of data.train.batches({ batchSize, seed: 1 })) {
    done += batch.labels.shape[0];
    batch.images.dispose();
    batch.labels.dispose();
    if (done >= count) break;
  }
  return done / ((performance.now() - started) / 1000);
}

const root = flags.folder ?? (await mkdtemp(join(tmpdir(), "reviewkd-images-")));
try {
  const bytes = await writeFolder(root, images);
  const data = await loadDataset({ kind: "image-folder", root, imageSize: 224 });
  const decodedPerSecond = await decodeOnly(data, Math.min(images, 500));
  const model = await createModel(flags.model, { numClasses: data.numClasses, seed: 1 });
  const session = await createSession({ model, optimizer: { kind: "sgd", learningRate: 0.01 } });
  const summary = await session.trainEpoch(data, {
    epoch: 0,
    epochs: 1,
    batchSize,
    seed: 0,
    onProgress: ({ images: done, dataWaitFraction }) => {
      if (process.stderr.isTTY)
        process.stderr.write(
          `\r${done} of ${images} images, stalled for ${(100 * dataWaitFraction).toFixed(1)} % of the time `,
        );
    },
  });
  if (process.stderr.isTTY) process.stderr.write("\n");
  const system = await systemInfo();
  const result = {
    model: flags.model,
    images: summary.images,
    batchSize,
    megabytes: bytes / 1e6,
    dataWaitFraction: summary.dataWaitFraction,
    dataWaitSeconds: summary.dataWaitSeconds,
    epochSeconds: summary.seconds,
    trainedPerSecond: summary.imagesPerSecond,
    decodedPerSecond,
    brokenImages: summary.brokenImages,
    cpu: cpus()[0]?.model ?? "unknown",
    cores: availableParallelism(),
    instructions: system.cpu.capability,
    node: process.version,
    libtorch: system.libtorch.version,
    sharp: sharp.versions.sharp,
    vips: sharp.versions.vips,
  };
  if (flags.json) {
    console.log(JSON.stringify(result));
  } else {
    console.log(
      `${result.model}, one epoch of ${result.images} JPEGs (${result.megabytes.toFixed(0)} MB) in batches of ${batchSize}: ${result.epochSeconds.toFixed(0)} s`,
    );
    console.log(
      `  the trainer waited for ${(100 * result.dataWaitFraction).toFixed(2)} % of its time (${result.dataWaitSeconds.toFixed(2)} s)`,
    );
    console.log(
      `  trained ${result.trainedPerSecond.toFixed(1)} images/s; decoded ${decodedPerSecond.toFixed(0)} images/s where nothing was trained`,
    );
    console.log(
      `  ${result.cpu} (${result.instructions}), ${result.cores} cores; Node ${result.node}; libtorch ${result.libtorch}; sharp ${result.sharp}`,
    );
  }
  session.dispose();
  model.dispose();
  data.dispose();
} finally {
  if (flags.folder === undefined) await rm(root, { recursive: true, force: true });
}
