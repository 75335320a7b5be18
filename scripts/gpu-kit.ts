// Packs what a Linux machine with a GPU needs to build, test and measure this package without Node and without network.
import { tmpdir } from "node:os";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { packBinaries, packModules, packNode } from "./gpu/archives.js";
import { packCifar } from "./gpu/device/cifar.js";
import { buildForDevice, DEFAULT_TORCH } from "./gpu/prebuilt.js";
import { rehearse } from "./gpu/rehearse.js";
import { bytesOf, workingTree } from "./gpu/tree.js";
import { TORCH_VERSIONS } from "./check/libtorch-versions/pins.js";
import { parseOptions, progressOf, requireLinuxX64 } from "./support/command-line.js";
import { BuildError, runMain } from "./support/errors.js";
import { root } from "./support/files.js";

const MIB = 2 ** 20;
/** The limit of one transfer: the working tree and the kit, or the working tree and one part of the data. */
const TRANSFER_BYTES = 64 * MIB;
const PART_BYTES = 54 * MIB;

const USAGE = `Usage: npm run gpu:kit -- [options]

Packs .gpu (Node, dist, modules, binaries) and, with --data, .gpu-data-1 and .gpu-data-2 (CIFAR-100), which git ignores.
docs/cuda.md, "A machine with a GPU and nothing else", describes what to run there.

  --data DIRECTORY      packs train.bin and test.bin of CIFAR-100's binary version
  --teacher FILE        packs trained weights of the teacher, so that only the student is trained
  --torch VERSION       torch on the GPU machine, for which the binaries are built: ${
  TORCH_VERSIONS.join(", ")
} (default ${DEFAULT_TORCH})
  --architectures LIST  CUDA architectures of the binaries, as CMake lists them (default 90)
  --prebuilt DIRECTORY  packs the binaries of this directory and builds none
  --no-prebuilt         packs no binaries: they are compiled on the GPU machine, in a minute of its time
  --level N             compression level of xz, 0 to 9 (default 9)
  --out DIRECTORY       the kit's directory (default .gpu)
  --rehearse BIN        then runs the device's part here, on the CPU, in a copy of the working tree and an empty environment;
                        BIN is the bin directory of a Python with that torch
  --help                prints this text
`;

await runMain(async () => {
  const options = readOptions();
  if (options.help) {
    process.stdout.write(USAGE);
    return;
  }
  requireLinuxX64("PLATFORM_UNSUPPORTED", "Pack the kit on Linux, since its Node is the one that runs here.");
  const progress = progressOf("gpu:kit");
  const kit = resolve(root, options.out);
  rmSync(kit, { recursive: true, force: true });
  mkdirSync(kit, { recursive: true });

  progress(`packing Node ${process.version} and the modules at level ${options.level}`);
  await packNode(join(kit, "node.tar.xz"), options.level, process.env);
  await packModules(join(kit, "modules.tar.xz"), options.level);
  const { torch, architectures } = options;
  const binaries = options.prebuilt ??
    (options.build ? await buildForDevice(root, torch, architectures, { env: process.env, progress }) : undefined);
  if (binaries !== undefined) await packBinaries(binaries, join(kit, "prebuilt.tar.xz"), options.level);
  if (options.teacher !== undefined) copyFileSync(options.teacher, join(kit, "teacher.safetensors"));

  const parts = options.data === undefined ? dataPartsOf(kit) : packData(options.data, kit, progress);
  await describe(kit, parts);
  if (options.rehearse !== undefined) await rehearseKit(kit, options.rehearse, progress);
});

function readOptions() {
  const { values } = parseOptions({
    options: {
      data: { type: "string" },
      teacher: { type: "string" },
      torch: { type: "string", default: DEFAULT_TORCH },
      architectures: { type: "string", default: "90" },
      prebuilt: { type: "string" },
      "no-prebuilt": { type: "boolean", default: false },
      level: { type: "string", default: "9" },
      out: { type: "string", default: ".gpu" },
      rehearse: { type: "string" },
      help: { type: "boolean", default: false },
    },
  }, "Run `npm run gpu:kit -- --help`.");
  if (!/^\d$/.test(values.level))
    throw new BuildError("USAGE",
      `invalid --level: expected 0 to 9, received ${values.level}. The best compression is 9.`);
  if (values.prebuilt !== undefined && values["no-prebuilt"])
    throw new BuildError("USAGE",
      "invalid --no-prebuilt: expected one of --prebuilt and --no-prebuilt, received both. Leave one of them out.");
  for (const name of ["data", "teacher", "prebuilt", "rehearse"] as const) {
    const path = values[name];
    if (path !== undefined && !existsSync(path))
      throw new BuildError("USAGE",
        `invalid --${name}: expected an existing path, received ${path}. Check its spelling.`);
  }
  const absolute = (path: string | undefined): string | undefined => (path === undefined ? undefined : resolve(path));
  return {
    ...values,
    level: Number(values.level),
    build: !values["no-prebuilt"],
    data: absolute(values.data),
    teacher: absolute(values.teacher),
    prebuilt: absolute(values.prebuilt),
    rehearse: absolute(values.rehearse),
  };
}

/** The parts packed by an earlier run; they do not depend on the sources. */
function dataPartsOf(kit: string): string[] {
  const prefix = `${basename(kit)}-data-`;
  const names = readdirSync(dirname(kit)).filter((name) => name.startsWith(prefix)).sort();
  return names.map((name) => join(dirname(kit), name));
}

function packData(data: string, kit: string, progress: (line: string) => void): string[] {
  for (const part of dataPartsOf(kit)) rmSync(part, { recursive: true, force: true });
  progress(`packing CIFAR-100 from ${data}`);
  try {
    return packCifar(data, `${kit}-data`, PART_BYTES);
  } catch (error) {
    throw new BuildError("PACK_FAILED", (error as Error).message);
  }
}

/** Prints sizes and the commands to run on the GPU machine. */
async function describe(kit: string, parts: readonly string[]): Promise<void> {
  const tree = bytesOf(root, await workingTree(root));
  const row = (name: string, bytes: number): boolean =>
    process.stdout.write(`${name.padEnd(16)} ${(bytes / MIB).toFixed(1).padStart(6)} MiB\n`);
  row("working tree", tree);
  for (const directory of [kit, ...parts]) {
    const bytes = bytesOf(directory, readdirSync(directory));
    row(basename(directory), bytes);
    if (tree + bytes > TRANSFER_BYTES) {
      throw new BuildError("KIT_TOO_LARGE",
        `invalid size: expected at most 64 MiB for the working tree and ${basename(directory)}, received ${((tree + bytes) / MIB).toFixed(1)} MiB. `
          + "Remove large untracked files, or pack with --level 9.");
    }
  }
  process.stdout.write(`
On the GPU machine, in a copy of the working tree, with OUT naming an empty directory for the results:
  with ${basename(kit)}         bash scripts/gpu/device/run.sh proof
${
    parts.map((part, index) =>
      `  with ${basename(part)}  bash scripts/gpu/device/run.sh ${index + 1 < parts.length ? "data" : "train"}\n`
    ).join("")
  }`);
}

async function rehearseKit(kit: string, pythonBin: string, progress: (line: string) => void): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "reviewkd-rehearsal-"));
  progress(`rehearsing in ${directory}, which is not deleted`);
  const { status, out } = await rehearse({ root, kit, directory, path: `${pythonBin}:/usr/bin:/bin`,
    parameters: ["proof", "--device", "cpu"], onLine: (line) => process.stdout.write(`${line}\n`) });
  process.stdout.write(`results in ${out}: ${readdirSync(out).join(", ")}\n`);
  if (status !== 0)
    throw new BuildError("REHEARSAL_FAILED",
      `the device's part exited with ${status ?? "a signal"}. Read ${join(out, "log.txt")}.`);
}
