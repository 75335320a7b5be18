// torchvision's detectors of 2019, whose frozen norms divide by √variance instead of √(variance + 1e-5). Nothing in the
// files says so, and torchvision recognizes them by their names (overwrite_eps in its models/detection/_utils.py).
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { basename } from "node:path";

/** Names as published without `.pth`: the digits are the first of the file's SHA-256. */
export const DETECTORS_WITHOUT_EPS = ["fasterrcnn_resnet50_fpn_coco-258fb6c6", "maskrcnn_resnet50_fpn_coco-bf2d0c1e",
  "retinanet_resnet50_fpn_coco-eeacb38b"] as const;

/** More bytes than any of the files has. */
const MOST_BYTES = 2 ** 28;

/**
 * Whether a file is one of those: by its content under any name, or by the beginning of its name if it was converted.
 */
export async function isPublishedWithoutEps(path: string,
  names: readonly string[] = DETECTORS_WITHOUT_EPS): Promise<boolean> {
  if (names.some((name) => basename(path).startsWith(name))) return true;
  if ((await stat(path)).size > MOST_BYTES) return false;
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path)) hash.update(piece as Buffer);
  const digest = hash.digest("hex");
  return names.some((name) => digest.startsWith(name.slice(name.lastIndexOf("-") + 1)));
}
