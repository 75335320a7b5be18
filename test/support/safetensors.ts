/** The safetensors format, read and written independently of the native code: length, JSON header, bytes. */

/** A tensor's entry in the header. */
export interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

export interface Parsed {
  readonly headerBytes: number;
  readonly metadata: Readonly<Record<string, string>> | undefined;
  readonly entries: Readonly<Record<string, Entry>>;
  /** A copy of each tensor's bytes. */
  readonly data: Readonly<Record<string, Uint8Array>>;
}

export function parseSafetensors(file: Uint8Array): Parsed {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const headerBytes = Number(view.getBigUint64(0, true));
  const text = new TextDecoder("utf-8", { fatal: true }).decode(file.subarray(8, 8 + headerBytes));
  const { __metadata__: metadata, ...entries } = JSON.parse(text) as Record<string, Entry> & {
    __metadata__?: Record<string, string>;
  };
  const body = file.subarray(8 + headerBytes);
  const data = Object.fromEntries(
    Object.entries(entries).map((
      [name, { data_offsets: [begin, end] }],
    ) => [name, Uint8Array.from(body.subarray(begin, end))]),
  );
  return { headerBytes, metadata, entries, data };
}

/** A file with this header, given as text or as a value to serialize, and this many bytes of data. */
export function buildSafetensors(header: string | object, data: Uint8Array | number): Uint8Array {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const body = typeof data === "number" ? new Uint8Array(data) : data;
  const file = new Uint8Array(8 + text.length + body.length);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(text, 8);
  file.set(body, 8 + text.length);
  return file;
}
