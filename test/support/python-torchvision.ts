/** torchvision's own detectors, by scripts/fixtures/torchvision_detectors.py. */
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A detector of torchvision that reads `load`, or is drawn from `seed` and writes `save`, and one image for it. */
export interface TorchvisionRequest {
  readonly detector: string;
  /** A ResNet, and the channels of the pyramid on it. */
  readonly backbone?: string;
  readonly channels?: number;
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly load?: string;
  readonly seed?: number;
  readonly save?: string;
  readonly image: string;
  readonly size: readonly [height: number, width: number];
}

export interface FoundInPython {
  readonly boxes: readonly (readonly number[])[];
  readonly scores: readonly number[];
  readonly labels: readonly number[];
  /** Numbers of pixels above ½. */
  readonly masks: readonly number[] | null;
}

/** One start of Python, which takes seconds, for all requests. */
export async function askTorchvision(python: string, path: string,
  requests: readonly TorchvisionRequest[]): Promise<FoundInPython[]> {
  await writeFile(path, JSON.stringify(requests));
  const { stdout } = await run(python, ["scripts/fixtures/torchvision_detectors.py", path], { maxBuffer: 1e9 });
  return stdout.trimEnd().split("\n").map((line) => JSON.parse(line) as FoundInPython);
}
