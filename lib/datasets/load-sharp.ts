import { messageOf, ReviewKdError } from "../errors.js";

/** What of sharp's metadata is used here. */
interface Metadata {
  /** Size in pixels once the image is turned as its EXIF data say. */
  readonly autoOrient: { readonly width: number; readonly height: number };
}

/** What of a sharp pipeline is used here. Written out, for who has no sharp has no types of it either. */
export interface SharpImage {
  metadata(): Promise<Metadata>;
  autoOrient(): SharpImage;
  extract(region: { left: number; top: number; width: number; height: number }): SharpImage;
  resize(options: { width: number; height: number; fit: "fill"; kernel: "linear"; fastShrinkOnLoad: boolean }): SharpImage;
  flop(flop: boolean): SharpImage;
  removeAlpha(): SharpImage;
  toColourspace(space: "srgb"): SharpImage;
  raw(options: { depth: "uchar" }): SharpImage;
  toBuffer(options: { resolveWithObject: true }): Promise<{ data: Uint8Array; info: { channels: number } }>;
}

/** Opens an encoded image. */
export type Sharp = (encoded: Uint8Array, options: { failOn: "error" }) => SharpImage;

const PACKAGE = "sharp";

/** By a name that the compiler does not look up. */
const importSharp = (): Promise<unknown> => import(PACKAGE);

/**
 * The decoder of image files. It is an optional peer dependency, since who trains on other data can do without it.
 *
 * @throws ReviewKdError `DEPENDENCY_MISSING`: it is not installed, too old, or not made for this platform.
 */
export async function loadSharp(load: () => Promise<unknown> = importSharp): Promise<Sharp> {
  let sharp: unknown;
  try {
    sharp = ((await load()) as { default?: unknown }).default;
  } catch (cause) {
    const absent = (cause as NodeJS.ErrnoException | null)?.code === "ERR_MODULE_NOT_FOUND";
    throw missing(absent ? "none" : messageOf(cause), cause);
  }
  const pipeline: unknown = typeof sharp === "function" ? sharp.prototype : undefined;
  if (typeof pipeline !== "object" || pipeline === null || !("autoOrient" in pipeline)) throw missing("an older one");
  return sharp as Sharp;
}

function missing(got: string, cause?: unknown): ReviewKdError {
  return new ReviewKdError(
    "DEPENDENCY_MISSING",
    `expected the package sharp, 0.34 or newer, for image folders, got ${got}. \`npm install sharp\` adds it.`,
    { cause },
  );
}
