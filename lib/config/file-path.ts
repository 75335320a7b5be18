import { homedir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { ReviewKdError } from "../errors.js";
import { parse } from "./validation.js";

/** `~` alone, or before a slash; on Windows also before a backslash. */
const HOME = process.platform === "win32" ? /^~(?:$|[/\\])/ : /^~(?:$|\/)/;

/**
 * A path in which `~` and `~/…` stand for the home directory. Shells expand them at the beginning of a word alone, so
 * that `cifar100:~/data` and the values of configuration files arrive as they were written.
 */
export function expandHome(path: string): string {
  if (typeof path !== "string")
    throw new ReviewKdError("INVALID_ARGUMENT", "invalid path: expected a string, received another value.");
  return HOME.test(path) ? join(homedir(), path.slice(1)) : path;
}

/** Whether a path begins with `~user`, the home directory of another user, which is not looked up. */
function isOfOtherUser(path: string): boolean {
  return path.startsWith("~") && !HOME.test(path);
}

/** The system takes such a path for the part before the character: another file. */
function hasNul(path: string): boolean {
  return path.includes("\0");
}

/**
 * A path of a file or folder, with `~` expanded.
 *
 * @param description - what it should be, for messages.
 */
export function filePath(description = "a path"): z.ZodString {
  return z.string().min(1).describe(description).refine((path) => !hasNul(path), "a path without a NUL character")
    .refine((path) => !isOfOtherUser(path), "a whole path instead of ~user, or ./~name for a file of that name")
    .overwrite(expandHome);
}

/** A path of a file or folder. */
export const FilePath = filePath();

/**
 * A path that is an argument of a function: with `~` expanded, and otherwise as it is.
 *
 * @throws ReviewKdError `INVALID_ARGUMENT` for `~user`, and for one with a NUL character
 */
export function withHome(path: string, what = "path"): string {
  // The readers and writers of files check all else.
  return typeof path === "string" && (path.startsWith("~") || hasNul(path)) ? parse(FilePath, path, what) : path;
}
