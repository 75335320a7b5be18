import { z } from "zod";

/** A step into a value: a key or an index. */
export type PathStep = PropertyKey;

/** Removes what only says that a value may be missing or fixed, and leaves the schema of the value itself. */
function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault
    || schema instanceof z.ZodNullable || schema instanceof z.ZodReadonly) {
    return unwrap(schema.unwrap());
  }
  if (schema instanceof z.ZodPipe) return unwrap(schema.in);
  return schema;
}

/** The value behind `path`, or `undefined` where the path leaves the value. */
export function valueAt(value: unknown, path: readonly PathStep[]): unknown {
  return path.reduce<unknown>((inner, step) => {
    return typeof inner === "object" && inner !== null ? (inner as Record<PathStep, unknown>)[step] : undefined;
  }, value);
}

function shapeOf(schema: z.ZodObject): Readonly<Record<string, z.core.$ZodType>> {
  return schema.shape;
}

/** The member of a discriminated union whose discriminator `value` carries. */
function memberFor(union: z.ZodDiscriminatedUnion, value: unknown): z.core.$ZodType | undefined {
  const { discriminator, options } = union.def;
  const kind = valueAt(value, [discriminator]);
  return options.find((option) => {
    const judge = option instanceof z.ZodObject ? shapeOf(option)[discriminator] : undefined;
    return judge !== undefined && z.safeParse(judge, kind).success;
  });
}

/** The schema that judges what lies behind `path` in `value`, or `undefined` where there is none. */
export function schemaAt(schema: z.core.$ZodType, value: unknown, path: readonly PathStep[]): z.core.$ZodType | undefined {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodDiscriminatedUnion) {
    const member = memberFor(inner, value);
    if (member !== undefined) return schemaAt(member, value, path);
  }
  const [step, ...rest] = path;
  if (step === undefined) return schema;
  const next = stepInto(inner, step);
  return next === undefined ? undefined : schemaAt(next, valueAt(value, [step]), rest);
}

function stepInto(schema: z.core.$ZodType, step: PathStep): z.core.$ZodType | undefined {
  if (schema instanceof z.ZodObject) return shapeOf(schema)[String(step)];
  if (schema instanceof z.ZodArray) return schema.element;
  if (schema instanceof z.ZodTuple) return schema.def.items[Number(step)];
  if (schema instanceof z.ZodRecord) return schema.valueType;
  return undefined;
}

/** The keys that an object schema knows; empty for anything else. */
export function knownKeys(schema: z.core.$ZodType | undefined): string[] {
  const inner = schema === undefined ? undefined : unwrap(schema);
  return inner instanceof z.ZodObject ? Object.keys(inner.shape) : [];
}

/** The strings that a schema accepts, where it accepts nothing else. */
export function acceptedStrings(schema: z.core.$ZodType | undefined): string[] {
  const inner = schema === undefined ? undefined : unwrap(schema);
  if (inner instanceof z.ZodEnum) return inner.options.map(String);
  if (inner instanceof z.ZodLiteral) return [...inner.values].filter((value) => typeof value === "string");
  return [];
}

/** Says in words what a schema accepts, its own description where it has one: "a whole number ≥ 1". */
export function describeSchema(schema: z.core.$ZodType): string {
  const inner = unwrap(schema);
  const text = descriptionOf(schema) ?? descriptionOf(inner) ?? describeInner(inner);
  return takesNull(schema) ? `${text}, or null` : text;
}

/** What to do where a value is refused, in words, if the schema knows (`.meta({ remedy })`). */
export function remedyOf(schema: z.core.$ZodType | undefined): string | undefined {
  const remedy = schema === undefined ? undefined : z.globalRegistry.get(unwrap(schema))?.["remedy"];
  return typeof remedy === "string" ? remedy : undefined;
}

function descriptionOf(schema: z.core.$ZodType): string | undefined {
  return z.globalRegistry.get(schema)?.description;
}

function takesNull(schema: z.core.$ZodType): boolean {
  return schema instanceof z.ZodNullable
    || ((schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault)
      && takesNull(schema.unwrap()));
}

function describeInner(schema: z.core.$ZodType): string {
  if (schema instanceof z.ZodNumber) return `${schema.format === "safeint" ? "a whole number" : "a finite number"}${describeBounds(schema)}`;
  if (schema instanceof z.ZodString) return (schema.minLength ?? 0) > 0 ? "a string that is not empty" : "a string";
  if (schema instanceof z.ZodBoolean) return "true or false";
  if (schema instanceof z.ZodArray) return "an array";
  if (schema instanceof z.ZodTuple) return `an array of ${schema.def.items.length} elements`;
  if (schema instanceof z.ZodObject || schema instanceof z.ZodRecord) return "an object";
  if (schema instanceof z.ZodDiscriminatedUnion) return "an object";
  if (schema instanceof z.ZodUnion) return listed(schema.options.map(describeSchema));
  if (schema instanceof z.ZodEnum) return listed(schema.options.map((option) => JSON.stringify(option)));
  if (schema instanceof z.ZodLiteral) return listed([...schema.values].map((value) => JSON.stringify(value)));
  const instanceOf = schema._zod.bag["Class"];
  return typeof instanceOf === "function" ? `a ${instanceOf.name}` : "another value";
}

function describeBounds(schema: z.ZodNumber): string {
  const bounds = (schema.def.checks ?? []).flatMap((check) => {
    const { def } = check._zod as { def: Partial<z.core.$ZodCheckGreaterThanDef | z.core.$ZodCheckLessThanDef> };
    if (def.check === "greater_than") return [`${def.inclusive === true ? "≥" : ">"} ${String(def.value)}`];
    if (def.check === "less_than") return [`${def.inclusive === true ? "≤" : "<"} ${String(def.value)}`];
    return [];
  });
  return bounds.length === 0 ? "" : ` ${bounds.join(" and ")}`;
}

/** `a, b or c`. */
export function listed(texts: readonly string[]): string {
  const last = texts.at(-1) ?? "";
  return texts.length < 2 ? last : `${texts.slice(0, -1).join(", ")} or ${last}`;
}
