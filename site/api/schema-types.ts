// Types, ranges and defaults of options as the reference shows them, by the zod schemas that check them.
import { ArrayType, IntrinsicType, LiteralType, type ProjectReflection, type DeclarationReflection, ReferenceType,
  type SomeType, TupleType, UnionType, UnknownType } from "typedoc";
import { z } from "zod";

/** The side of a schema: the options that are passed, or the values that a function returns. */
export type Side = "input" | "output";

export type Shape = Readonly<Record<string, z.ZodType>>;

interface Named {
  readonly reflection: DeclarationReflection;
  readonly side: Side;
}

interface Def {
  readonly type: string;
  readonly innerType?: z.ZodType;
  readonly in?: z.ZodType;
  readonly out?: z.ZodType;
  readonly element?: z.ZodType;
  readonly items?: readonly z.ZodType[];
  readonly options?: readonly z.ZodType[];
  readonly valueType?: z.ZodType;
  readonly values?: readonly (string | number | boolean | null)[];
  readonly entries?: Readonly<Record<string, string>>;
  readonly defaultValue?: unknown;
}

const WRAPPERS = ["optional", "default", "prefault", "readonly", "nonoptional", "catch"];

export function defOf(schema: z.ZodType): Def {
  return (schema as unknown as { readonly _zod: { readonly def: Def } })._zod.def;
}

/** The schema without what makes it optional. */
export function unwrapped(schema: z.ZodType): z.ZodType {
  const { type, innerType } = defOf(schema);
  return innerType !== undefined && WRAPPERS.includes(type) ? unwrapped(innerType) : schema;
}

/** The default of a field as source text, if it has one that is short enough for a table. */
export function defaultOf(schema: z.ZodType): string | undefined {
  const { type, innerType, defaultValue } = defOf(schema);
  if (type === "default" || type === "prefault") return literal(defaultValue);
  return innerType !== undefined && [...WRAPPERS, "nullable"].includes(type) ? defaultOf(innerType) : undefined;
}

function literal(value: unknown): string {
  const text = JSON.stringify(value).replaceAll(",", ", ").replace(/"(\w+)":/g, "$1: ").replace(/\{(?=.)/g, "{ ")
    .replace(/(?<=.)\}/g, " }").replace("{  }", "{}");
  return text === '{ kind: "sgd" }' || text.length <= 40 ? text : "…";
}

/** The schema, and those that it was copied from when a description or a check was added. */
function* origins(schema: z.ZodType): Generator<z.ZodType> {
  for (let current: z.ZodType | undefined = schema; current !== undefined;) {
    yield current;
    current = (current as unknown as { readonly _zod: { readonly parent?: z.ZodType } })._zod.parent;
  }
}

export class SchemaTypes {
  readonly #named = new Map<z.ZodType, Named[]>();

  constructor(private readonly project: ProjectReflection) {}

  /** Registers the page of a schema, to which other pages then link. */
  name(schema: z.ZodType, reflection: DeclarationReflection, side: Side): void {
    this.#named.set(schema, [...this.#named.get(schema) ?? [], { reflection, side }]);
  }

  /** The page of a schema, of that side if it has one for each. */
  namedBy(schema: z.ZodType, side: Side): DeclarationReflection | undefined {
    for (const origin of origins(schema)) {
      const found = this.#named.get(origin) ?? [];
      const [first] = [...found.filter((row) => row.side === side), ...found];
      if (first !== undefined) return first.reflection;
    }
    return undefined;
  }

  /** The type of a field, as a link if it has a page; undefined if only TypeScript knows it. */
  typeOf(schema: z.ZodType, side: Side): SomeType | undefined {
    const reflection = this.namedBy(schema, side);
    return reflection === undefined ? this.structureOf(schema, side)
      : ReferenceType.createResolvedReference(reflection.name, reflection, this.project);
  }

  /** The type of a schema without its own name. */
  structureOf(schema: z.ZodType, side: Side): SomeType | undefined {
    const def = defOf(schema);
    if (WRAPPERS.includes(def.type) && def.innerType !== undefined) return this.typeOf(def.innerType, side);
    switch (def.type) {
      case "number":
        return new UnknownType(numberText(schema, side));
      case "string":
      case "boolean":
      case "null":
      case "unknown":
        return new IntrinsicType(def.type);
      case "literal":
        return union((def.values ?? []).map((value) => new LiteralType(value)));
      case "enum":
        return union(Object.values(def.entries ?? {}).map((value) => new LiteralType(value)));
      case "nullable":
        return this.#joined([def.innerType], side, (types) => union([...types, new LiteralType(null)]));
      case "array":
        return this.#joined([def.element], side, ([type]) => new ArrayType(type as SomeType));
      case "tuple":
        return this.#joined(def.items ?? [], side, (types) => new TupleType(types));
      case "union":
        return this.#joined(def.options ?? [], side, union);
      case "pipe":
        return this.#joined([side === "input" ? def.in : def.out], side, ([type]) => type as SomeType);
      case "record":
        return this.#joined([def.valueType], side, ([type]) => recordOf(type as SomeType, this.project));
      case "object":
        return new IntrinsicType("object");
      default:
        return undefined;
    }
  }

  #joined(schemas: readonly (z.ZodType | undefined)[], side: Side, join: (types: SomeType[]) => SomeType):
    | SomeType
    | undefined {
    const types = schemas.map((schema) => (schema === undefined ? undefined : this.typeOf(schema, side)));
    return types.includes(undefined) ? undefined : join(types as SomeType[]);
  }
}

function union(types: SomeType[]): SomeType {
  return types.length === 1 ? types[0] as SomeType : new UnionType(types);
}

function recordOf(value: SomeType, project: ProjectReflection): SomeType {
  const record = ReferenceType.createBrokenReference("Record", project, "typescript");
  record.typeArguments = [new IntrinsicType("string"), value];
  return record;
}

/** A number with its range. Values that a function returns are only described as numbers. */
function numberText(schema: z.ZodType, side: Side): string {
  if (side === "output") return "number";
  const { type, minimum, exclusiveMinimum, maximum, exclusiveMaximum } = z.toJSONSchema(schema) as NumberSchema;
  const isWhole = type === "integer";
  const low = isWhole && exclusiveMinimum === 0 ? " ≥ 1"
    : minimum !== undefined && minimum !== Number.MIN_SAFE_INTEGER ? ` ≥ ${minimum}`
    : exclusiveMinimum !== undefined ? ` above ${exclusiveMinimum}` : "";
  const high = maximum !== undefined && maximum !== Number.MAX_SAFE_INTEGER ? ` ≤ ${maximum}`
    : exclusiveMaximum !== undefined ? ` below ${exclusiveMaximum}` : "";
  return `${isWhole ? "integer" : "number"}${low}${low !== "" && high !== "" ? "," : ""}${high}`;
}

interface NumberSchema {
  readonly type: "integer" | "number";
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly exclusiveMaximum?: number;
}
