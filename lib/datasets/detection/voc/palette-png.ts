/**
 * PNG files whose pixels are numbers, such as Pascal VOC's masks: a palette gives the numbers colors for viewers.
 * Decoders replace numbers by colors, so that the file is handed to them as a grey image, whose pixels are laid out
 * alike (PNG specification, 11.2.2: color types 0 and 3).
 */

/** The header of a PNG of numbers, and the same pixels as a grey PNG. */
export interface NumberPng {
  readonly width: number;
  readonly height: number;
  /** Bits of a pixel: a decoder scales numbers of fewer than 8 bits to 0 … 255. */
  readonly depth: number;
  readonly grey: Buffer;
}

const SIGNATURE = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
const DEPTHS: ReadonlySet<number> = new Set([1, 2, 4, 8]);
const GREY = 0;
const PALETTE = 3;
/** Bytes of a chunk besides its data: length, type, checksum. */
const FRAME = 12;
const HEADER_BYTES = 13;

/** Reads the chunks of a PNG; a text says what the file is if it is no PNG of numbers. */
export function readNumberPng(file: Buffer): NumberPng | string {
  if (!file.subarray(0, SIGNATURE.length).equals(SIGNATURE)) return "another format";
  const kept: Buffer[] = [];
  let header: Buffer | undefined;
  for (let at = SIGNATURE.length; at + FRAME <= file.length;) {
    const end = at + FRAME + file.readUInt32BE(at);
    const type = file.toString("latin1", at + 4, at + 8);
    if (end > file.length) break;
    if (type === "IHDR") header = file.subarray(at + 8, end - 4);
    // Others are colors, or text.
    if (type === "IDAT" || type === "IEND") kept.push(file.subarray(at, end));
    at = end;
  }
  if (header?.length !== HEADER_BYTES) return "a damaged PNG";
  const [depth, color] = [header.readUInt8(8), header.readUInt8(9)];
  if ((color !== PALETTE && color !== GREY) || !DEPTHS.has(depth)) return "a PNG of colors";
  const greyHeader = Buffer.from(header);
  greyHeader.writeUInt8(GREY, 9);
  return { width: header.readUInt32BE(0), height: header.readUInt32BE(4), depth,
    grey: Buffer.concat([SIGNATURE, chunk("IHDR", greyHeader), ...kept]) };
}

function chunk(type: string, data: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const content = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(content));
  return Buffer.concat([length, content, checksum]);
}

/** Bit by bit, for the few bytes of a header. Node has one of its own from 20.15 on. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; ++bit) crc = (crc >>> 1) ^ ((crc & 1) === 0 ? 0 : 0xedb88320);
  }
  return ~crc >>> 0;
}
