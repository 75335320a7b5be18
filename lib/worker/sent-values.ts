// Values as they travel: plain data, the places where objects were taken out, and buffers that change hands.
import { z } from "zod";
import { ReviewKdError } from "../errors.js";

type Step = string | number;

/** The place of an object of the worker. Handles that the caller chose are negative. */
export interface Reference {
  readonly path: Step[];
  readonly handle: number;
  readonly kind: string;
  /** The object's properties, in what the worker sends. */
  readonly state?: Sent | undefined;
}

/** A value without its objects, which are null. */
export interface Sent {
  readonly value?: unknown;
  readonly references: Reference[];
}

export const Sent: z.ZodType<Sent> = z.strictObject({
  value: z.unknown(),
  references: z.array(z.strictObject({
    path: z.array(z.union([z.string(), z.int().nonnegative()])),
    handle: z.int(),
    kind: z.string(),
    state: z.lazy(() => Sent).optional(),
  })),
});

const transfers = new WeakMap<object, ArrayBuffer[]>();

/** The buffers that go with some parts of a message instead of being copied, where the transport can do that. */
export function transferListOf(parts: readonly unknown[]): ArrayBuffer[] {
  return parts.flatMap((part) => (typeof part === "object" && part !== null ? transfers.get(part) ?? [] : []));
}

/**
 * Takes the objects out of a value.
 *
 * @param refer - the reference to send for an object; undefined for plain data.
 * @param copy - whether buffers are copied first, for they stay in use here.
 * @throws ReviewKdError `INVALID_ARGUMENT` for functions and symbols.
 */
export function encode(value: unknown, refer: (object: object) => Omit<Reference, "path"> | undefined, copy: boolean): Sent {
  const references: Reference[] = [];
  const buffers: ArrayBuffer[] = [];
  const path: Step[] = [];
  const inside = (step: Step, part: unknown): unknown => {
    path.push(step);
    const encoded = visit(part);
    path.pop();
    return encoded;
  };
  const visit = (part: unknown): unknown => {
    if (typeof part === "function" || typeof part === "symbol") throw unsendable(path, part);
    if (typeof part !== "object" || part === null) return part;
    if (ArrayBuffer.isView(part)) {
      const view = copy || !ownsBuffer(part) ? copyOf(part) : part;
      buffers.push(view.buffer as ArrayBuffer);
      return view;
    }
    const reference = refer(part);
    if (reference !== undefined) {
      references.push({ ...reference, path: [...path] });
      return null;
    }
    if (Array.isArray(part)) return part.map((element, index) => inside(index, element));
    if (!isPlain(part)) return part;
    return Object.fromEntries(Object.entries(part).map(([key, inner]) => [key, inside(key, inner)]));
  };
  const sent = { value: visit(value), references };
  if (buffers.length > 0) transfers.set(sent, buffers);
  return sent;
}

/** Puts the objects back into a value. */
export function decode({ value, references }: Sent, revive: (reference: Reference) => object): unknown {
  const root = { value };
  for (const reference of references) {
    let parent: unknown = root;
    let key: Step = "value";
    for (const step of reference.path) {
      parent = own(parent, key);
      key = step;
    }
    if (own(parent, key) !== null) throw misplaced();
    (parent as Record<Step, unknown>)[key] = revive(reference);
  }
  return root.value;
}

function own(parent: unknown, key: Step): unknown {
  if (typeof parent !== "object" || parent === null || !Object.hasOwn(parent, key)) throw misplaced();
  return (parent as Record<Step, unknown>)[key];
}

function misplaced(): ReviewKdError {
  return new ReviewKdError("INVALID_ARGUMENT", "invalid reference: expected the path of a placeholder in the message, received another path.");
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Whether a view is all of a buffer that only one thread can see. Of part of a buffer all of it would be sent. */
function ownsBuffer({ buffer, byteLength }: ArrayBufferView): boolean {
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength;
}

function copyOf(view: ArrayBufferView): ArrayBufferView {
  const { buffer } = new Uint8Array(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
  // A Buffer arrives as what it is underneath.
  const View = (view instanceof Uint8Array ? Uint8Array : view.constructor) as new (buffer: ArrayBuffer) => ArrayBufferView;
  return new View(buffer);
}

function unsendable(path: readonly Step[], value: unknown): ReviewKdError {
  return new ReviewKdError("INVALID_ARGUMENT",
    `invalid argument ${path.join(".")}: expected data that can be sent to the worker, received a ${typeof value}. Pass plain data, or call the function in this process.`);
}
