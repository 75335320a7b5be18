/**
 * Checkpoints written by real PyTorch (scripts/fixtures/write_checkpoints.py): the committed ones, or new ones if
 * Python has torch.
 */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { readStateDict, readWeightsInfo } from "../../lib/index.js";
import { valuesOf } from "./numeric.js";

const run = promisify(execFile);

export const CHECKPOINTS = "test/fixtures/checkpoints";
const SCRIPT = "scripts/fixtures/write_checkpoints.py";

export interface StoredValues {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** As float64; contains no infinities. */
  readonly values: readonly number[];
}

export type StoredState = Readonly<Record<string, StoredValues>>;

interface Expected {
  readonly torch: string;
  readonly files: Readonly<Record<string, StoredState>>;
}

export function expectedIn(directory: string): Expected {
  return JSON.parse(readFileSync(join(directory, "expected.json"), "utf8")) as Expected;
}

/** The expected contents of a checkpoint: names in order, types, shapes, and every value exactly. */
export async function expectCheckpoint(path: string, expected: StoredState): Promise<void> {
  const { format, tensors } = await readWeightsInfo(path);
  expect(format).to.equal(path.endsWith(".zip.pt") ? "pytorch-zip" : "pytorch-legacy");
  expect(tensors).to.deep.equal(Object.entries(expected).map(([name, { dtype, shape }]) => ({ name, dtype, shape })));
  const { state } = await readStateDict(path);
  expect(Object.keys(state)).to.deep.equal(Object.keys(expected));
  for (const [name, { shape, values }] of Object.entries(expected)) {
    expect(state[name]!.shape, name).to.deep.equal(shape);
    expect(valuesOf(state[name]!), name).to.deep.equal(values);
  }
}

/** A Python with torch: the one specified by REVIEWKD_TEST_PYTHON, or python3. `undefined` if it has none. */
export async function pythonWithTorch(): Promise<string | undefined> {
  const python = process.env["REVIEWKD_TEST_PYTHON"] ?? "python3";
  return run(python, ["-c", "import torch"]).then(() => python, () => undefined);
}

export async function writeCheckpoints(python: string, directory: string): Promise<void> {
  await run(python, [SCRIPT, directory]);
}

/** The result of `torch.load(path, weights_only=True)` for a file. */
export interface LoadedInPython {
  readonly class: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: StoredState;
}

/** Loads all files in one Python process, which takes seconds to start. */
export async function loadInPython(python: string, paths: readonly string[]): Promise<LoadedInPython[]> {
  const { stdout } = await run(python, [SCRIPT, "--read", ...paths], { maxBuffer: 1e9 });
  return stdout.trimEnd().split("\n").map((line) => JSON.parse(line) as LoadedInPython);
}
