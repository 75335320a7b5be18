import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { messageOf, ReviewKdError } from "../errors.js";

/** The bytes of an IDX file, and its path for messages. */
export interface IdxFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** What native code makes a split of. */
export interface IdxFiles {
  readonly images: IdxFile;
  readonly labels: IdxFile;
}

/**
 * Reads the four files of MNIST's layout, compressed or not.
 *
 * @throws ReviewKdError `FILE_NOT_FOUND`, `FILE_ACCESS`, `FILE_CORRUPT`: a compressed file is damaged. What the bytes mean is
 * checked where they are taken apart.
 */
export async function readIdxFiles(root: string): Promise<{ train: IdxFiles; test: IdxFiles }> {
  const split = async (name: string): Promise<IdxFiles> => ({
    images: await readIdxFile(root, `${name}-images-idx3-ubyte`),
    labels: await readIdxFile(root, `${name}-labels-idx1-ubyte`),
  });
  return { train: await split("train"), test: await split("t10k") };
}

/** Some mirrors write a dot where the home page has a dash. */
async function readIdxFile(root: string, name: string): Promise<IdxFile> {
  const candidates = [name, name.replace("-idx", ".idx")].flatMap((plain) => [plain, `${plain}.gz`]);
  for (const candidate of candidates) {
    const path = join(root, candidate);
    const bytes = await readWhereFound(path);
    if (bytes !== undefined) return { name: path, bytes: candidate.endsWith(".gz") ? await decompress(path, bytes) : bytes };
  }
  throw new ReviewKdError(
    "FILE_NOT_FOUND",
    `expected the file ${name} or ${name}.gz of an IDX data set in ${root}, got none. Download the four files of MNIST or Fashion-MNIST into one directory.`,
    { valid: candidates },
  );
}

async function readWhereFound(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw new ReviewKdError("FILE_ACCESS", `expected to read ${path}, got: ${messageOf(error)}`, { cause: error });
  }
}

async function decompress(path: string, bytes: Uint8Array): Promise<Uint8Array> {
  try {
    return await promisify(gunzip)(bytes);
  } catch (error) {
    throw new ReviewKdError("FILE_CORRUPT", `expected a whole gzip file at ${path}, got: ${messageOf(error)}. Download it again.`, { cause: error });
  }
}
