/** Files with names of images that are none, are broken, or claim to be huge. */
import { crc32, gzipSync } from "node:zlib";
import type { ErrorCode } from "../../lib/index.js";
import { picture } from "./image-files.js";

/** A file; `code` is that of its error. */
export interface HostileImage {
  readonly name: string;
  readonly code: Extract<ErrorCode, "FILE_CORRUPT" | "FILE_UNSUPPORTED">;
  readonly content: Uint8Array;
}

const PNG_SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}

/** A PNG of RGB bytes whose header says this size, with these compressed pixels. */
function png(width: number, height: number, pixels: Uint8Array): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2], 8); // bits, RGB
  return Buffer.concat([PNG_SIGNATURE, chunk("IHDR", header), chunk("IDAT", pixels), chunk("IEND", Buffer.alloc(0))]);
}

/** A JPEG whose header says another size than it has. */
function resized(jpeg: Uint8Array, width: number, height: number): Buffer {
  const copy = Buffer.from(jpeg);
  const frame = copy.indexOf(Buffer.of(0xff, 0xc0));
  copy.writeUInt16BE(height, frame + 5);
  copy.writeUInt16BE(width, frame + 7);
  return copy;
}

/** A TIFF whose directory of 0 entries is followed by itself. */
function endlessTiff(): Buffer {
  const file = Buffer.alloc(14);
  file.write("II*\0", "latin1");
  file.writeUInt32LE(8, 4);
  file.writeUInt32LE(8, 10);
  return file;
}

/** A GIF of this size without a frame. */
function emptyGif(side: number): Buffer {
  const file = Buffer.concat([Buffer.from("GIF89a"), Buffer.alloc(7), Buffer.from([0x3b])]);
  file.writeUInt16LE(side, 6);
  file.writeUInt16LE(side, 8);
  return file;
}

/** Bytes without a pattern. */
function noise(length: number): Buffer {
  let state = 1;
  return Buffer.from(Uint8Array.from({ length }, () => (state = (state * 48271) % 2147483647) & 0xff));
}

export async function hostileImages(): Promise<HostileImage[]> {
  const jpeg = await picture(64, 48).jpeg().toBuffer();
  const good = await picture(64, 48).png().toBuffer();
  const webp = await picture(64, 48).webp().toBuffer();
  const avif = await picture(64, 48).avif({ effort: 0 }).toBuffer();
  const tiff = await picture(64, 48).tiff().toBuffer();
  const damaged = Buffer.from(good);
  damaged.fill(0x55, good.indexOf("IDAT") + 8, good.indexOf("IDAT") + 40);
  const corrupt = (name: string, content: Uint8Array): HostileImage => ({ name, code: "FILE_CORRUPT", content });
  const unsupported = (name: string, content: Uint8Array): HostileImage => ({ name, code: "FILE_UNSUPPORTED",
    content });
  return [
    corrupt("empty.jpg", Buffer.alloc(0)),
    corrupt("one-byte.png", Buffer.of(0x89)),
    corrupt("zeros.jpg", Buffer.alloc(4096)),
    corrupt("noise.webp", noise(65_536)),
    corrupt("text.jpg", Buffer.from("This is no image.\n".repeat(100))),
    corrupt("page.png", Buffer.from("<!doctype html><title>404</title>")),
    unsupported("drawing.png", Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')),
    corrupt("archive.gif", gzipSync("content")),
    corrupt("program.tiff", Buffer.from("\x7fELF\x02\x01\x01\0\0\0", "latin1")),
    corrupt("half.jpg", jpeg.subarray(0, jpeg.length / 2)),
    corrupt("header.jpg", jpeg.subarray(0, 20)),
    corrupt("half.png", good.subarray(0, good.length / 2)),
    corrupt("half.webp", webp.subarray(0, webp.length / 2)),
    corrupt("half.avif", avif.subarray(0, avif.length / 2)),
    corrupt("half.tiff", tiff.subarray(0, tiff.length / 2)),
    corrupt("damaged.png", damaged),
    corrupt("without-pixels.png", png(0, 48, Buffer.alloc(0))),
    corrupt("empty-pixels.png", png(64, 48, Buffer.alloc(0))),
    unsupported("huge.jpg", resized(jpeg, 65_500, 65_500)),
    unsupported("long.jpg", resized(jpeg, 65_500, 4096)),
    unsupported("bomb.png", png(16_000, 16_000, gzipSync(Buffer.alloc(2 ** 20)))),
    corrupt("beyond.png", png(2 ** 31 - 1, 2 ** 31 - 1, Buffer.alloc(8))),
    corrupt("without-frames.gif", emptyGif(65_535)),
    corrupt("endless.tiff", endlessTiff()),
  ];
}
