import type sharp from "sharp";
import { asSentence, messageOf, ReviewKdError } from "../errors.js";

export type Sharp = typeof sharp;

/**
 * Loads sharp, an optional peer dependency, whose types do not appear in those of this package.
 *
 * @throws ReviewKdError `DEPENDENCY_MISSING`: not installed, too old, or not built for this platform.
 */
export async function loadSharp(load: () => Promise<unknown> = () => import("sharp")): Promise<Sharp> {
  let loaded: unknown;
  try {
    loaded = ((await load()) as { default?: unknown }).default;
  } catch (cause) {
    const { code } = (cause ?? {}) as NodeJS.ErrnoException;
    const absent = ["ERR_MODULE_NOT_FOUND", "MODULE_NOT_FOUND"].includes(code ?? "");
    throw missing(absent ? "it is not installed" : messageOf(cause), cause);
  }
  const pipeline: unknown = typeof loaded === "function" ? loaded.prototype : undefined;
  if (typeof pipeline !== "object" || pipeline === null || !("autoOrient" in pipeline))
    throw missing("the installed version is older");
  return loaded as Sharp;
}

function missing(reason: string, cause?: unknown): ReviewKdError {
  return new ReviewKdError("DEPENDENCY_MISSING",
    `image files require the package sharp, 0.34 or newer: ${asSentence(reason)} Run \`npm install sharp\`.`, {
    cause,
  });
}
