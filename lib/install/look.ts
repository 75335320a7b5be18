// Looks at files without throwing: a file that the system, or Node's permission model, hides counts as missing.
import { accessSync, constants, existsSync } from "node:fs";
import { isMissing, messageOf } from "../errors.js";

/** Whether there is something at `path`. Under Node's permission model, `existsSync` itself may throw. */
export function exists(path: string): boolean {
  try {
    return existsSync(path);
  } catch {
    return false;
  }
}

/** Why this user cannot read what is at `path`; undefined if that is possible, or if nothing is there. */
export function whyUnreadable(path: string): string | undefined {
  try {
    accessSync(path, constants.R_OK);
  } catch (error) {
    return isMissing(error) ? undefined : messageOf(error);
  }
  return undefined;
}
