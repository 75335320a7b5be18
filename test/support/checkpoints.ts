/**
 * Checkpoints that real PyTorch wrote (scripts/fixtures/write_checkpoints.py): the committed ones, or new ones where
 * Python has torch.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { readStateDict, readWeightsInfo } from "../../lib/index.js";
import { valuesOf } from "./numeric.js";

export const CHECKPOINTS = "test/fixtures/checkpoints";

const FORMATS = [[".zip.pt", "pytorch-zip"], [".legacy.pt", "pytorch-legacy"], [".pkl", "numpy-pickle"]] as const;

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
  expect(format).to.equal(FORMATS.find(([ending]) => path.endsWith(ending))?.[1]);
  expect(tensors).to.deep.equal(Object.entries(expected).map(([name, { dtype, shape }]) => ({ name, dtype, shape })));
  const { state } = await readStateDict(path);
  expect(Object.keys(state)).to.deep.equal(Object.keys(expected));
  for (const [name, { shape, values }] of Object.entries(expected)) {
    expect(state[name]!.shape, name).to.deep.equal(shape);
    expect(valuesOf(state[name]!), name).to.deep.equal(values);
  }
}
