// Values as they travel: an object of the API becomes a reference, and buffers change hands if the transport can do
// that.
import { types } from "node:util";
import { z } from "zod";
import { ReviewKdError } from "../errors.js";
import { isSettings } from "../config/settings.js";
import { assertAttached, isTypedArray, typedArrayName } from "../config/typed-arrays.js";
import { parse } from "../config/validation.js";

/** An object of the worker. Handles that the caller chose are negative. */
export const Reference = z.strictObject({
  kind: z.string(),
  handle: z.int(),
  /** The object's properties, in what the worker sends. */
  state: z.unknown().optional(),
});
export interface Reference extends z.infer<typeof Reference> {}

let revive: ((reference: Reference) => object) | undefined;

/** Accepts the objects of one class where a schema is used by {@link decode}. */
export function reference<Value extends object>(kind: string): z.ZodType<Value> {
  const isReference = (value: unknown): boolean => Reference.safeParse(value).data?.kind === kind;
  return z.custom<Reference>(isReference, { error: `a ${kind}` }).transform((found) => revive?.(found) as Value);
}

/** Checks a value that was received; `reviver` gives the objects for the references where `schema` has them. */
export function decode(schema: z.ZodType, value: unknown, what: string,
  reviver: (reference: Reference) => object): unknown {
  const outer = revive;
  revive = reviver;
  try {
    return parse(schema, value, what);
  } finally {
    revive = outer;
  }
}

const composed = new WeakMap<object, z.ZodType>();

/** The schema that `compose` makes of parts of a row, once: zod compiles each schema when it is used first. */
export function composeOnce(part: object, compose: () => z.ZodType): z.ZodType {
  const schema = composed.get(part) ?? compose();
  composed.set(part, schema);
  return schema;
}

const transfers = new WeakMap<object, ArrayBuffer[]>();

/** The buffers of encoded values that are handed over with them. */
export function transferListOf(values: readonly unknown[]): ArrayBuffer[] {
  return values.flatMap((value) => (typeof value === "object" && value !== null ? transfers.get(value) ?? [] : []));
}

/** Replaces the API's objects in a value that is sent by what `refer` gives; `copy`: buffers stay in use here. */
export function encode(value: unknown, refer: (object: object) => Reference | undefined, copy: boolean): unknown {
  const buffers: ArrayBuffer[] = [];
  const visit = (part: unknown): unknown => {
    if (typeof part === "function" || typeof part === "symbol") throw unsendable(`a ${typeof part}`);
    if (typeof part !== "object" || part === null) return part;
    if (ArrayBuffer.isView(part)) {
      if (typedArrayName(part) === undefined) throw unsendable("a DataView");
      assertAttached(part, "argument");
      const view = copy || !ownsBuffer(part) ? copyOf(part) : part;
      buffers.push(view.buffer as ArrayBuffer);
      return view;
    }
    if (Array.isArray(part)) return part.map(visit);
    const found = refer(part);
    if (found !== undefined || !isSettings(part)) return found ?? part;
    return Object.fromEntries(Object.entries(part).map(([key, inner]) => [key, visit(inner)]));
  };
  const encoded = visit(value);
  if (buffers.length > 0) transfers.set(encoded as object, buffers);
  return encoded;
}

/** Whether a view is all of a buffer that one thread alone can access: a part would be sent with all of it. */
function ownsBuffer({ buffer, byteLength }: ArrayBufferView): boolean {
  return types.isArrayBuffer(buffer) && buffer.byteLength === byteLength;
}

function copyOf(view: ArrayBufferView): ArrayBufferView {
  // A Buffer would take its memory from a pool.
  if (isTypedArray(view, "Uint8Array")) return new Uint8Array(view);
  const View = view.constructor as new(values: ArrayBufferView) => ArrayBufferView;
  return new View(view);
}

function unsendable(received: string): ReviewKdError {
  return new ReviewKdError("INVALID_ARGUMENT",
    `invalid argument: expected data that can be sent to the worker, received ${received}. Call this function in its own process.`);
}

/** The entry of a record by a name that was received. */
export function entryOf<Value>(record: Readonly<Record<string, Value>>, name: string, what: string): Value {
  const entry = Object.hasOwn(record, name) ? record[name] : undefined;
  if (entry !== undefined) return entry;
  const valid = Object.keys(record);
  throw new ReviewKdError("INVALID_ARGUMENT",
    `invalid ${what}: expected one of ${valid.join(", ")}, received "${name}".`, { valid });
}
