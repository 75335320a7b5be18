/** Reads as much of an ONNX file as tests look at, by the numbers of its fields in onnx.proto. */
import { readFileSync } from "node:fs";

/** Fields of a message of Protocol Buffers in their order: a number, or the bytes of text or of another message. */
function fieldsOf(bytes: Buffer): [field: number, value: bigint | Buffer][] {
  const fields: [number, bigint | Buffer][] = [];
  let at = 0;
  const varint = (): bigint => {
    let [value, shift] = [0n, 0n];
    for (;;) {
      const byte = bytes[at++]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, value);
      shift += 7n;
    }
  };
  const take = (count: number): Buffer => bytes.subarray(at, at += count);
  while (at < bytes.length) {
    const tag = Number(varint());
    const wire = tag & 7;
    if (wire === 0) fields.push([tag >> 3, varint()]);
    else if (wire === 2) fields.push([tag >> 3, take(Number(varint()))]);
    else if (wire === 5) fields.push([tag >> 3, take(4)]);
    else throw new Error(`invalid ONNX file: wire type ${wire}.`);
  }
  return fields;
}

const all = (bytes: Buffer, field: number): Buffer[] =>
  fieldsOf(bytes).flatMap(([number, value]) => (number === field && Buffer.isBuffer(value) ? [value] : []));
const textsOf = (bytes: Buffer, field: number): string[] => all(bytes, field).map((text) => text.toString("utf8"));

export interface OnnxContent {
  readonly opset: number;
  readonly producer: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Operators in order, and the names of constants. */
  readonly operators: readonly string[];
  readonly constants: readonly string[];
}

export function readOnnx(path: string): OnnxContent {
  const model = readFileSync(path);
  const graph = all(model, 7)[0]!;
  const operators = all(model, 8)[0]!;
  return {
    opset: Number(fieldsOf(operators).find(([field]) => field === 2)![1]),
    producer: textsOf(model, 2)[0]!,
    metadata: Object.fromEntries(
      all(model, 14).map((entry) => [textsOf(entry, 1)[0]!, textsOf(entry, 2)[0] ?? ""]),
    ),
    operators: all(graph, 1).map((node) => textsOf(node, 4)[0]!),
    constants: all(graph, 5).map((tensor) => textsOf(tensor, 8)[0]!),
  };
}
