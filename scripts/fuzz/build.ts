// Builds the harness of test/fuzz, which contains the readers of untrusted files without libtorch.
import { existsSync } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { create, extract } from "tar";
import { run } from "../../lib/install/process.js";

export const READERS = ["safetensors", "zip", "legacy", "numpy", "any", "coco-mask"];
export const SANITIZERS = "address,undefined";

const SOURCE = "test/fuzz";

/** Builds with settings of CMake, and returns the error. */
export async function buildHarness(directory: string, settings: readonly string[]): Promise<string | undefined> {
  const steps = [["-S", SOURCE, "-B", directory, ...settings], ["--build", directory, "--parallel",
    String(availableParallelism())]];
  for (const parameters of steps) {
    const { status, output, startError } = await run("cmake", parameters);
    if (startError || status !== 0) return startError?.message ?? output.split("\n").slice(-15).join("\n");
  }
  return undefined;
}

function archiveOf(reader: string): string {
  return join(SOURCE, "corpus", `${reader}.tar.gz`);
}

/** Unpacks the committed inputs of a reader. */
export async function unpackCorpus(reader: string, directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  if (existsSync(archiveOf(reader))) await extract({ file: archiveOf(reader), cwd: directory });
}

/** Packs inputs reproducibly. */
export async function packCorpus(reader: string, directory: string): Promise<void> {
  await mkdir(join(SOURCE, "corpus"), { recursive: true });
  await rm(archiveOf(reader), { force: true });
  await create({ file: archiveOf(reader), cwd: directory, gzip: true, portable: true, mtime: new Date(0) },
    (await readdir(directory)).sort());
}
