import { open } from "node:fs/promises";
import { extname } from "node:path";

/** Endings of the file types that sharp's published builds decode, also as browsers and phones write them. */
export const DECODED_TYPES: ReadonlySet<string> = new Set([".jpg", ".jpeg", ".jpe", ".jif", ".jfif", ".pjpeg", ".pjp",
  ".mpo", ".png", ".apng", ".webp", ".gif", ".avif", ".tif", ".tiff"]);

/** The endings that messages propose. */
export const PROPOSED_TYPES: readonly string[] = [".jpg", ".png", ".webp", ".gif", ".avif", ".tif"];

/** Endings of images that sharp does not decode. Leaving them out silently would shrink a data set. */
const UNDECODED_TYPES: ReadonlySet<string> = new Set([
  ...[".bmp", ".dib", ".pbm", ".pgm", ".ppm", ".pnm", ".pam", ".pfm", ".tga", ".icb", ".vda", ".vst", ".pcx", ".dds"],
  ...[".heic", ".heif", ".heics", ".heifs", ".hif", ".avci", ".avcs", ".avifs", ".jxl", ".jxr", ".wdp", ".hdp"],
  ...[".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".jpm", ".jph", ".jls", ".qoi", ".flif", ".bpg", ".jng", ".mng"],
  ...[".svg", ".svgz", ".eps", ".wmf", ".emf", ".ico", ".cur", ".icns", ".xbm", ".xpm", ".ras", ".sgi", ".rgb",
    ".rgba"],
  ...[".bw", ".iff", ".psd", ".psb", ".xcf", ".exr", ".hdr", ".pic", ".dcm", ".fits", ".btf", ".svs", ".ndpi"],
  ...[".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".orf", ".rw2", ".raf", ".pef", ".srw"],
  ...[".rwl", ".3fr", ".erf", ".kdc", ".mrw", ".x3f"],
]);

/** An ending with something that a web site or a script has added to it: `.jpg_large`, `.jpg:orig`, `.png!d`. */
const EXTENDED = /^(\.[a-z]+)[_:!?&@%-]/;

/**
 * The type of file by its name: an image that sharp decodes, an image that it may not decode, or another file.
 */
export function typeByName(name: string): "decoded" | "undecoded" | "other" {
  const ending = extname(name).toLowerCase();
  if (DECODED_TYPES.has(ending)) return "decoded";
  if (UNDECODED_TYPES.has(ending)) return "undecoded";
  const [, plain = ""] = EXTENDED.exec(ending) ?? [];
  return DECODED_TYPES.has(plain) ? "decoded" : UNDECODED_TYPES.has(plain) ? "undecoded" : "other";
}

/** Bytes at the beginning of the types that sharp decodes. */
const SIGNATURES: readonly RegExp[] = [
  /^\xff\xd8\xff/,
  /^\x89PNG\r\n\x1a\n/,
  /^GIF8[79]a/,
  /^RIFF....WEBP/s,
  /^(?:II\*\0|MM\0\*)/,
  /^....ftyp(?:avif|avis)/s,
];

/** Whether a file has the content of a type that sharp decodes, whatever its name is. */
export async function hasDecodedContent(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(16), 0, 16, 0);
    const start = buffer.toString("latin1", 0, bytesRead);
    return SIGNATURES.some((signature) => signature.test(start));
  } finally {
    await file.close();
  }
}
