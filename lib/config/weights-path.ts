// The files that a path of weights stands for: one, or the shards that an index lists.
import { open, readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, isAbsolute, join } from "node:path";
import { z } from "zod";
import { causedBy, isReviewKdError, ReviewKdError } from "../errors.js";
import { withHome } from "./file-path.js";
import { listed } from "./nearest-name.js";
import { valueText } from "./validation.js";

/** Extensions of weights files, in the order in which a directory's are proposed. */
const ENDINGS = [".safetensors", ".index.json", ".pt", ".pth", ".pkl", ".bin", ".ckpt"];
const MOST_PROPOSED = 5;
const LARGEST_INDEX = 2 ** 26;

/** Files of shards lie next to their index, or below it. */
const ShardName = z.string().min(1).refine((name) => !isAbsolute(name) && !name.split(/[/\\]/).includes(".."),
  "the name of a file next to the index");

/** As Hugging Face's libraries write it: the file of each tensor. */
const ShardIndex = z.object({
  weight_map: z.record(z.string(), ShardName).refine((map) => Object.keys(map).length > 0, "at least one tensor"),
});

/**
 * The file, or for an index of shards (`*.index.json`, as Hugging Face's libraries write them) the index and its
 * shards.
 *
 * @throws ReviewKdError `FILE_ACCESS` for a directory, with the files of weights in it; `FILE_NOT_FOUND` for a shard;
 * `FILE_CORRUPT` or `FILE_UNSUPPORTED` for other JSON in a file with that extension.
 */
export async function weightsFiles(given: string): Promise<string | [string, ...string[]]> {
  const path = withHome(given);
  // The readers of weights report a file that cannot be found or read.
  const status = await stat(path).catch(() => undefined);
  if (status?.isDirectory() === true) throw await directoryError(path);
  if (status?.isFile() !== true || !/\.json$/i.test(path) || !(await beginsAsJson(path))) return path;
  const index = await readIndex(path, status.size);
  const shards = [...new Set(Object.values(index.weight_map))].sort().map((name) => join(dirname(path), name));
  const found = await Promise.all(shards.map((shard) => stat(shard).then((file) => file.isFile(), () => false)));
  const absent = shards.filter((_, position) => found[position] !== true);
  if (absent.length === 0) return [path, ...shards];
  throw new ReviewKdError("FILE_NOT_FOUND",
    `invalid index ${path}: expected the ${shards.length} shards that it lists next to it, received none of ${listed(absent.slice(0, MOST_PROPOSED))}. Download them into the same folder.`);
}

/**
 * Whether a file begins with an object or a list in JSON, after spaces and a byte order mark: weights in any format may
 * have the name of an index, and so may what a failed download leaves.
 */
async function beginsAsJson(path: string): Promise<boolean> {
  const file = await open(path).catch(() => undefined);
  if (file === undefined) return false;
  try {
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(4096), position: 0 });
    const text = buffer.toString("latin1", 0, bytesRead);
    // A safetensors file begins with a length of eight bytes, of which any but the last ones may look like JSON.
    return /^(?:\xef\xbb\xbf)?[ \t\r\n]*(?:[{[]|$)/.test(text) && bytesRead > 0 && !text.slice(0, 8).includes("\0");
  } catch {
    return false;
  } finally {
    await file.close();
  }
}

async function readIndex(path: string, bytes: number): Promise<z.infer<typeof ShardIndex>> {
  if (bytes > LARGEST_INDEX) {
    throw new ReviewKdError("FILE_UNSUPPORTED",
      `invalid index ${path}: expected at most ${LARGEST_INDEX} bytes, received ${bytes}. Pass a file of weights, or the index of its shards.`);
  }
  let content: unknown;
  try {
    content = JSON.parse((await readFile(path, "utf8")).replace(/^\uFEFF/, ""));
  } catch (error) {
    throw causedBy("FILE_CORRUPT",
      `invalid index ${path}: expected the JSON of an index of shards, received other text`, error,
      "Download it again.");
  }
  if (typeof content !== "object" || content === null || !("weight_map" in content)) {
    const files = (await weightsIn(dirname(path))).filter((file) => basename(file) !== basename(path));
    throw new ReviewKdError("FILE_UNSUPPORTED",
      `invalid weight file ${path}: expected an index of shards with weight_map, received other JSON. Pass the file of weights itself${files.length === 0 ? "" : `, such as ${listed(files)}`}.`);
  }
  const index = ShardIndex.safeParse(content);
  if (index.success) return index.data;
  throw new ReviewKdError("FILE_CORRUPT",
    `invalid index ${path}: expected weight_map with the name of a file next to it for each tensor, received ${valueText(content.weight_map)}. Download it again.`);
}

/** The first files in a directory that are named like weights, apart from shards, which their index stands for. */
async function weightsIn(directory: string): Promise<readonly string[]> {
  const names = (await readdir(directory).catch(() => [])).filter((name) => !SHARD.test(name)).sort();
  const found: string[] = [];
  for (const path of ENDINGS.flatMap((ending) => names.filter((name) => name.toLowerCase().endsWith(ending)))
    .map((name) => join(directory, name))) {
    const isFile = await stat(path).then((status) => status.isFile(), () => false);
    if (isFile) found.push(path);
    if (found.length === MOST_PROPOSED) break;
  }
  return found;
}

async function directoryError(path: string): Promise<ReviewKdError> {
  const files = await weightsIn(path);
  const remedy = files.length === 0 ? "There is no file of weights in it; pass the path of one."
    : `Pass a file in it: ${listed(files)}.`;
  return new ReviewKdError("FILE_ACCESS",
    `cannot read the weight file ${path}: expected a file, received a directory. ${remedy}`);
}

/** As `save_pretrained` names the files of a network that it divides. */
const SHARD = /-\d{5}-of-\d{5}\.(?:safetensors|bin)$/;

/** Adds to the error of loading one shard alone that it is one. */
export async function explainShard<T>(path: string, load: Promise<T>): Promise<T> {
  try {
    return await load;
  } catch (error) {
    if (!isReviewKdError(error) || error.code !== "STATE_DICT_MISMATCH" || !SHARD.test(path)) throw error;
    throw new ReviewKdError(error.code,
      `${error.message} The file is one of several with parts of a network: pass their index, such as model.safetensors.index.json.`,
      { valid: error.valid, cause: error });
  }
}
