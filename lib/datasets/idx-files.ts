import { join } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { asSentence, causedBy, ReviewKdError } from "../errors.js";
import { isUnread, readImageFile } from "../images/read-image-file.js";

/** The bytes of an IDX file, and its path for error messages. */
interface IdxFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

type IdxFiles = Readonly<Record<"images" | "labels", IdxFile>>;

/** Reads the four files of MNIST's layout, compressed or not. Native code validates their content. */
export async function readIdxFiles(root: string): Promise<{ train: IdxFiles; test: IdxFiles }> {
  const split = async (name: string): Promise<IdxFiles> => ({
    images: await readIdxFile(root, `${name}-images-idx3-ubyte`),
    labels: await readIdxFile(root, `${name}-labels-idx1-ubyte`),
  });
  return { train: await split("train"), test: await split("t10k") };
}

/** Height and width of the images in a file whose header is valid. */
export function idxImageSize({ bytes: { buffer, byteOffset } }: IdxFile): [height: number, width: number] {
  const header = new DataView(buffer, byteOffset);
  return [header.getUint32(8), header.getUint32(12)];
}

/** Reads one file. Some mirrors use a dot in the name instead of the home page's dash, and folders of the same name. */
async function readIdxFile(root: string, name: string): Promise<IdxFile> {
  const candidates = [name, name.replace("-idx", ".idx")].flatMap((plain) => [plain, `${plain}.gz`]);
  let other = "";
  for (const candidate of candidates) {
    const path = join(root, candidate);
    const bytes = await readImageFile(path);
    if (!isUnread(bytes))
      return { name: path, bytes: candidate.endsWith(".gz") ? await decompress(path, bytes) : bytes };
    if (bytes.code === "FILE_ACCESS")
      throw new ReviewKdError("FILE_ACCESS", `cannot read ${path}: ${asSentence(bytes.reason)} Check its permissions.`);
    if (bytes.code === "FILE_UNSUPPORTED") other ||= ` (${candidate}: ${bytes.reason})`;
  }
  throw new ReviewKdError("FILE_NOT_FOUND",
    `no file ${name} or ${name}.gz in ${root}${other}. Download the four files of MNIST or Fashion-MNIST into one directory.`,
    {
      valid: candidates,
    });
}

async function decompress(path: string, bytes: Uint8Array): Promise<Uint8Array> {
  try {
    return await promisify(gunzip)(bytes);
  } catch (error) {
    throw causedBy("FILE_CORRUPT", `cannot decompress ${path}`, error, "Download it again.");
  }
}
