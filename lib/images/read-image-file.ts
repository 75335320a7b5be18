import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { causedBy, isMissing, reasonOf, type ErrorCode } from "../errors.js";

/** Why a file cannot be read, in words. */
export interface UnreadFile {
  readonly code: ErrorCode;
  readonly reason: string;
}

const FOLDER = "it is a folder, not a file";

/** Errors that say something about the one file, and not about the disk or the system. */
const OF_THE_FILE: ReadonlySet<string> = new Set(["EACCES", "EPERM", "ELOOP", "ENAMETOOLONG"]);

/**
 * Reads an image file, or says why it cannot be read: it is missing, not permitted, no regular file, or larger than
 * `mostBytes`. A pipe is never waited for.
 *
 * @throws ReviewKdError `FILE_ACCESS` if the system failed, which says nothing about the file.
 */
export async function readImageFile(path: string, mostBytes = Infinity): Promise<Uint8Array | UnreadFile> {
  try {
    // Opening a pipe to read from it would otherwise wait for a writer. Windows has no such flag.
    const file = await open(path, constants.O_RDONLY | ((constants.O_NONBLOCK as number | undefined) ?? 0));
    try {
      const status = await file.stat();
      if (!status.isFile()) {
        return status.isDirectory()
          ? { code: "FILE_UNSUPPORTED", reason: FOLDER }
          : { code: "FILE_UNSUPPORTED", reason: "it is a pipe or device, not a file" };
      }
      if (status.size > mostBytes)
        return { code: "FILE_UNSUPPORTED", reason: `it has ${status.size} bytes, more than ${mostBytes}` };
      return await file.readFile();
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isMissing(error)) return { code: "FILE_NOT_FOUND", reason: "the file does not exist" };
    if (OF_THE_FILE.has((error as NodeJS.ErrnoException).code ?? ""))
      return { code: "FILE_ACCESS", reason: reasonOf(error) };
    throw causedBy("FILE_ACCESS", `cannot read the image ${path}`, error, "Try again, or check the disk.");
  }
}

/** Whether {@link readImageFile} could not read the file. */
export function isUnread(read: Uint8Array | UnreadFile): read is UnreadFile {
  return "reason" in read;
}

/** The advice for an image file that cannot be read. */
export function remedyOf({ code, reason }: UnreadFile): string {
  if (code === "FILE_NOT_FOUND") return "Check the path.";
  if (code === "FILE_ACCESS") return "Check its permissions.";
  return reason === FOLDER ? "Pass the paths of its images; detectAll and classifyAll take folders."
    : "Pass the path of another image file.";
}
