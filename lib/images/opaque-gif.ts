// The format: https://www.w3.org/Graphics/GIF/spec-gif89a.txt
const EXTENSION = 0x21;
const GRAPHIC_CONTROL = 0xf9;
/** Bit of a block's flags that says that a color table follows, or that one of its colors is transparent. */
const HAS_TABLE = 0x80;
const IS_TRANSPARENT = 1;

/**
 * A GIF without the mark of its first frame's transparent color, so that these pixels have the color that the file
 * stores for them: libvips would replace it by black. Other files and damaged ones are returned as they are.
 */
export function opaqueGif(encoded: Uint8Array): Uint8Array {
  const text = String.fromCharCode(...encoded.subarray(0, 6));
  if (text !== "GIF89a" && text !== "GIF87a") return encoded;
  // The screen's size and flags, its table of colors, and extensions up to the first frame.
  const flags = encoded[10] ?? 0;
  let at = 13 + ((flags & HAS_TABLE) === 0 ? 0 : 3 * 2 ** ((flags & 7) + 1));
  while (encoded[at] === EXTENSION) {
    const control = at + 3;
    if (encoded[at + 1] === GRAPHIC_CONTROL && ((encoded[control] ?? 0) & IS_TRANSPARENT) !== 0) {
      const copy = Uint8Array.from(encoded);
      copy[control] = (copy[control] as number) & ~IS_TRANSPARENT;
      return copy;
    }
    at += 2;
    for (let size = encoded[at]; size !== undefined && size > 0; size = encoded[at]) at += size + 1;
    ++at;
  }
  return encoded;
}
