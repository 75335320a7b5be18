import { asSentence, messageOf, ReviewKdError } from "../errors.js";

/** The part of sharp's metadata that is used here. */
interface Metadata {
  /** Size in pixels after rotation according to EXIF. */
  readonly autoOrient: { readonly width: number; readonly height: number };
}

/**
 * The part of a sharp pipeline that is used here. Declared here because sharp's types are missing if sharp is not
 * installed.
 */
export interface SharpImage {
  metadata(): Promise<Metadata>;
  autoOrient(): SharpImage;
  extract(region: { left: number; top: number; width: number; height: number }): SharpImage;
  resize(
    options: { width: number; height: number; fit: "fill"; kernel: "linear"; fastShrinkOnLoad: boolean },
  ): SharpImage;
  flop(flop: boolean): SharpImage;
  removeAlpha(): SharpImage;
  toColourspace(space: "srgb"): SharpImage;
  raw(options: { depth: "uchar" }): SharpImage;
  toBuffer(options: { resolveWithObject: true }): Promise<{ data: Uint8Array; info: { channels: number } }>;
}

/** Opens an encoded image. */
export type Sharp = (encoded: Uint8Array, options: { failOn: "error" }) => SharpImage;

const PACKAGE = "sharp";

/** Imports by a name that the compiler does not resolve. */
const importSharp = (): Promise<unknown> => import(PACKAGE);

/** Loads sharp, an optional peer dependency. @throws `DEPENDENCY_MISSING`: not installed, too old, or not built. */
export async function loadSharp(load: () => Promise<unknown> = importSharp): Promise<Sharp> {
  let sharp: unknown;
  try {
    sharp = ((await load()) as { default?: unknown }).default;
  } catch (cause) {
    const absent = (cause as NodeJS.ErrnoException | null)?.code === "ERR_MODULE_NOT_FOUND";
    throw missing(absent ? "it is not installed" : messageOf(cause), cause);
  }
  const pipeline: unknown = typeof sharp === "function" ? sharp.prototype : undefined;
  if (typeof pipeline !== "object" || pipeline === null || !("autoOrient" in pipeline))
    throw missing("the installed version is older");
  return sharp as Sharp;
}

function missing(reason: string, cause?: unknown): ReviewKdError {
  return new ReviewKdError(
    "DEPENDENCY_MISSING",
    `image folders require the package sharp, 0.34 or newer: ${asSentence(reason)} Run \`npm install sharp\`.`,
    { cause },
  );
}
