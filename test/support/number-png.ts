import { crc32, deflateSync } from "node:zlib";

function chunk(type: string, data: Uint8Array): Buffer {
  const content = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const [length, checksum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  checksum.writeUInt32BE(crc32(content));
  return Buffer.concat([length, content, checksum]);
}

/** A palette of colors that differ, as Pascal VOC's masks have. */
const PALETTE = Buffer.from(Array.from({ length: 256 }, (_, index) => [index, (7 * index) % 256, 255 - index]).flat());

/** A PNG whose pixels are numbers of 8 bits, in rows, as Pascal VOC's masks are. */
export function numberPng(numbers: readonly number[], width: number, height: number,
  { color = 3, depth = 8, palette = PALETTE }: { color?: number; depth?: number; palette?: Buffer } = {}): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, color], 8);
  const rows = Array.from({ length: height }, (_, row) => [0, ...numbers.slice(row * width, (row + 1) * width)]);
  return Buffer.concat([
    Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]),
    chunk("IHDR", header),
    ...(color === 3 ? [chunk("PLTE", palette)] : []),
    chunk("IDAT", deflateSync(Buffer.from(rows.flat()))),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}
