// Builds the harness of test/fuzz, which holds the readers of strangers' files without libtorch.
import { existsSync } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { create, extract } from "tar";
import { run } from "../../lib/install/process.js";

export const READERS = ["safetensors", "zip", "legacy"];
export const SANITIZERS = "address,undefined";

const SOURCE = "test/fuzz";

/**
 * @param {string} directory where to build
 * @param {readonly string[]} settings of CMake
 * @returns {Promise<string | undefined>} what went wrong
 */
export async function buildHarness(directory, settings) {
  const steps = [["-S", SOURCE, "-B", directory, ...settings], ["--build", directory, "--parallel", String(availableParallelism())]];
  for (const parameters of steps) {
    const { status, output, startError } = await run("cmake", parameters);
    if (startError || status !== 0) return startError?.message ?? output.split("\n").slice(-15).join("\n");
  }
  return undefined;
}

/**
 * Whether g++ or what CMake takes instead can build and start a program under the sanitizers: their runtimes are packages of their own.
 *
 * @param {string} directory for the attempt
 * @returns {Promise<string | undefined>} what is missing
 */
export async function sanitizersMissing(directory) {
  const failure = await buildHarness(directory, [`-DREVIEWKD_SANITIZE=${SANITIZERS}`]);
  if (failure === undefined) return undefined;
  const lines = failure.split("\n").filter((line) => /asan|ubsan|sanitize/i.test(line));
  return lines[0]?.trim();
}

/** @param {string} reader */
function archiveOf(reader) {
  return join(SOURCE, "corpus", `${reader}.tar.gz`);
}

/**
 * Unpacks the committed inputs of a reader.
 *
 * @param {string} reader
 * @param {string} directory
 */
export async function unpackCorpus(reader, directory) {
  await mkdir(directory, { recursive: true });
  if (existsSync(archiveOf(reader))) await extract({ file: archiveOf(reader), cwd: directory });
}

/**
 * Packs inputs, so that the same inputs give the same archive.
 *
 * @param {string} reader
 * @param {string} directory
 */
export async function packCorpus(reader, directory) {
  await mkdir(join(SOURCE, "corpus"), { recursive: true });
  await rm(archiveOf(reader), { force: true });
  await create({ file: archiveOf(reader), cwd: directory, gzip: true, portable: true, mtime: new Date(0) }, (await readdir(directory)).sort());
}
