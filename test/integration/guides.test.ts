// Runs the blocks of docs that say `run`, each page in a folder with small drawn data, in the order of the page.
import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect } from "chai";
import { createModel } from "../../lib/index.js";
import { cifarRecords } from "../support/cifar-records.js";
import { type Block, blocksOf, pages, root } from "../support/doc-blocks.js";
import { commandsOf, reviewkdWords } from "../support/doc-commands.js";
import { picture, writeFiles, writeImageFolder } from "../support/image-files.js";
import { writeVocFolder } from "../support/voc-folder.js";
import { runHere } from "./run-here.js";

/** Trainings of guides take hours: these end after two steps of a few small images. */
const SMALL = ["--max-steps", "2", "--batch-size", "4", "--evaluation-batch-size", "8", "--limit-test", "16",
  "--threads", "1"];

/** The package as programs of guides import it: its own functions, with a training that ends soon. */
const PACKAGE = `
import { fit as train, loadDataset as load } from "LIB/index.ts";
export * from "LIB/index.ts";
export const fit = (options) => train({ ...options, maxSteps: 2, batchSize: 4, evaluationBatchSize: 8, threads: 1 });
export const loadDataset = (source, options) =>
  load({ ...source, limitTest: 16, ...(source.kind === "image-folder" && { imageSize: 64 }) }, options);
`;

async function writeWeights(directory: string, name: string, file: string, numClasses: number): Promise<void> {
  using model = await createModel(name, { numClasses, seed: 1 });
  await model.save(join(directory, file));
}

async function writePictures(directory: string, name: string): Promise<void> {
  const image = picture(64, 48, name.length);
  await writeFiles(directory, { [name]: await (name.endsWith(".png") ? image.png() : image.jpeg()).toBuffer() });
}

/** Files that a reader has, by the words of a page that name them. */
const FILES: Readonly<Record<string, (directory: string) => Promise<void>>> = {
  "image-folder": (directory) =>
    writeImageFolder(join(directory, "photos"), { cat: { train: 4, val: 2 }, dog: { train: 4, val: 2 } }),
  "new-photos": (directory) => writePictures(directory, "new-photos/1.jpg"),
  "street.jpg": (directory) => writePictures(directory, "street.jpg"),
  "voc:VOC": (directory) => writeVocFolder(join(directory, "VOC"), { train: 4, val: 2 }),
  "cifar-100-binary": async (directory) => {
    await writeFiles(join(directory, "data/cifar-100-binary"), { "train.bin": cifarRecords(100),
      "test.bin": cifarRecords(100, 2) });
  },
  "resnet34-b627a593.pth": (directory) => writeWeights(directory, "resnet34", "resnet34-b627a593.pth", 1000),
  "mobilenet_v2-b0353104.pth": (directory) => writeWeights(directory, "mobilenetv2", "mobilenet_v2-b0353104.pth", 1000),
  "resnet56.pth": (directory) => writeWeights(directory, "resnet56", "resnet56.pth", 100),
  "runs/r20/student.safetensors": async (directory) => {
    await mkdir(join(directory, "runs/r20"), { recursive: true });
    await writeWeights(directory, "resnet20", "runs/r20/student.safetensors", 100);
  },
  "photo.jpg": (directory) => writePictures(directory, "photo.jpg"),
  "other.png": (directory) => writePictures(directory, "other.png"),
  '"photos"': (directory) => writePictures(directory, "photos/1.jpg"),
  "teacher.pth": (directory) => writeWeights(directory, "resnet56", "teacher.pth", 100),
};

/** The words of a command with a training that ends soon. */
function shortened(words: readonly string[]): string[] {
  if (!["train", "distill"].includes(words[0] ?? "")) return [...words];
  const small = words.some((word) => word.startsWith("image-folder:")) ? ["--image-size", "64"]
    : words.some((word) => word.includes("-fpn")) ? ["--min-size", "64", "--max-size", "128"] : [];
  return [...words, ...SMALL, ...small];
}

async function runBlock({ language, code, place }: Block, directory: string, index: number): Promise<void> {
  if (language === "sh") {
    for (const words of commandsOf(code).map(reviewkdWords)) {
      if (words === undefined) continue;
      const { code: exit, stderr } = await runHere(shortened(words), { cwd: directory });
      expect(exit, `${place}: reviewkd ${words.join(" ")}\n${stderr}`).to.equal(0);
    }
    return;
  }
  expect(language, place).to.equal("ts");
  const program = join(directory, `program-${index}.mts`);
  await writeFile(program, `${code.replaceAll('from "reviewkd"', 'from "./reviewkd.mjs"')}\nexport {};\n`);
  const { log } = console;
  console.log = () => undefined;
  try {
    await import(pathToFileURL(program).href);
  } finally {
    console.log = log;
  }
}

describe("the guides", function () {
  this.timeout(120_000);
  this.slow(20_000);

  const blocks = pages().flatMap((page) => blocksOf(page)).filter(({ isRun }) => isRun);
  const own = [...new Set(blocks.map(({ page }) => page))];
  const before = process.cwd();
  let directory: string;

  beforeEach(async () => {
    directory = await realpath(await mkdtemp(join(tmpdir(), "reviewkd-guides-")));
    await writeFile(join(directory, "reviewkd.mjs"), PACKAGE.replaceAll("LIB", pathToFileURL(join(root, "lib")).href));
  });
  afterEach(async () => {
    process.chdir(before);
    await rm(directory, { recursive: true, force: true });
  });

  it("have blocks that are run", () => {
    expect(own).to.include.members(["docs/index.md", "docs/guides/photographs.md", "docs/guides/own-teacher.md"]);
    expect(blocks).to.have.length.above(15);
  });

  for (const page of own) {
    it(`${page} works as it is written`, async () => {
      const its = blocks.filter((block) => block.page === page);
      const text = its.map(({ code }) => code).join("\n");
      for (const [name, write] of Object.entries(FILES)) if (text.includes(name)) await write(directory);
      process.chdir(directory);
      for (const [index, block] of its.entries()) await runBlock(block, directory, index);
    });
  }
});
