// Gives the tables of options what TypeScript's types of zod schemas lack: defaults, ranges, and names of nested types.
import { Comment, type Context, DeclarationReflection, type ProjectReflection, ReflectionFlag, ReflectionKind,
  UnknownType } from "typedoc";
import ts from "typescript";
import { z } from "zod";
import { defaultOf, defOf, SchemaTypes, type Shape, type Side, unwrapped } from "./schema-types.js";
import { alternativesOf, commentBefore, defaultInSource, type loadModules, schemaOf,
  type SourceSchema } from "./source-schemas.js";

/** A table that follows the text of a page: an alternative of a union, or a part of an intersection. */
export interface Section {
  readonly title: string;
  readonly text: string;
  readonly rows: DeclarationReflection[];
}

/** Rows for the settings of settings, to this depth. */
const DEPTH = 3;

export class OptionTables {
  readonly #sections = new Map<DeclarationReflection, Section[]>();
  readonly #schemas = new Map<DeclarationReflection, SourceSchema>();

  constructor(private readonly modules: Awaited<ReturnType<typeof loadModules>>) {}

  /** The alternatives of a union, or the parts of an intersection. */
  sectionsOf(reflection: DeclarationReflection): Section[] {
    const { type } = reflection;
    const parts = type?.type === "intersection" ? type.types : [];
    const tables = parts.flatMap((part) => {
      const target = part.type === "reference" ? part.reflection as DeclarationReflection | undefined : undefined;
      return target?.kind === ReflectionKind.Interface && target.children !== undefined
        ? [{ title: target.name, text: textOf(target.comment), rows: target.children }] : [];
    });
    return [...this.#sections.get(reflection) ?? [], ...tables];
  }

  /** Options without a description, as `TYPE.option`. */
  undescribed(): string[] {
    return [...this.#schemas].filter(([, { side }]) => side === "input").flatMap(([reflection]) =>
      [...this.#sections.get(reflection)?.flatMap(({ rows }) => rows) ?? [], ...reflection.children ?? []]
        .filter((row) => row.type?.type !== "literal" && row.comment === undefined)
        .map((row) => `${reflection.name}.${row.name}`)
    );
  }

  /** Reads the schemas of all pages, and fills the tables of interfaces. Runs before comments are linked. */
  fill(context: Context): void {
    const types = new SchemaTypes(context.project);
    removeSchemas(context);
    for (const reflection of declarationsOf(context.project)) {
      const symbol = context.getSymbolFromReflection(reflection);
      const found = symbol === undefined ? undefined : schemaOf(symbol, context.checker, this.modules);
      if (found === undefined) {
        for (const child of reflection.children ?? []) useSourceDefault(child, context.getSymbolFromReflection(child));
        continue;
      }
      this.#schemas.set(reflection, found);
      // The comment stands above the constant, not above the type that is inferred from it.
      const constant = context.checker.getSymbolAtLocation(found.declaration.name);
      const comment = constant === undefined ? undefined : context.getComment(constant, ReflectionKind.Variable);
      if (reflection.comment === undefined && comment !== undefined) reflection.comment = withoutInternal(comment);
      // An interface with members of its own is more than its schema.
      if (isOnlySchema(symbol)) types.name(found.schema, reflection, found.side);
    }
    for (const [reflection, found] of this.#schemas) {
      const rows = new Rows(context, types, found.side);
      if (reflection.kind === ReflectionKind.Interface) rows.fill(reflection, found.schema);
      else this.#fillAlias(reflection, found, rows, types);
    }
  }

  #fillAlias(reflection: DeclarationReflection, { schema, side, declaration }: SourceSchema, rows: Rows,
    types: SchemaTypes): void {
    const options = schema instanceof z.ZodUnion ? schema.options as readonly z.ZodType[] : [];
    const key = (schema as z.ZodDiscriminatedUnion)._zod.def.discriminator;
    if (options.length === 0 || !options.every((option) => option instanceof z.ZodObject)) {
      const structure = types.structureOf(schema, side);
      if (structure !== undefined) reflection.type = structure;
      return;
    }
    const comments = alternativesOf(declaration, rows.context.checker).map(commentBefore);
    const symbol = rows.context.getSymbolFromReflection(reflection) as ts.Symbol;
    const type = rows.context.checker.getDeclaredTypeOfSymbol(symbol);
    const members = type.isUnion() ? type.types : [type];
    const titles = options.map((option) => tagOf(option, key));
    reflection.type = new UnknownType(titles.map((title) => `{ ${key}: "${title}"; … }`).join(" | "));
    this.#sections.set(reflection, options.map((option, index) => {
      const title = titles[index] ?? "";
      const member = members.find((one) => tagOfType(one, key, rows.context.checker) === title);
      return { title, text: comments[index] ?? "", rows: rows.create(reflection, option, member) };
    }));
  }
}

/**
 * Removes constants that are schemas: of those whose types alone are exported, typedoc lists the constant's type first,
 * under the same name.
 */
function removeSchemas({ project }: Context): void {
  const declarations = declarationsOf(project);
  const last = new Map(
    declarations.map((reflection) => [`${String(reflection.parent?.id)} ${reflection.name}`, reflection]),
  );
  for (const reflection of declarations) {
    if (last.get(`${String(reflection.parent?.id)} ${reflection.name}`) !== reflection)
      project.removeReflection(reflection);
  }
}

/** The default of a property that comes from a schema which is not exported: typedoc takes the schema for it. */
function useSourceDefault(child: DeclarationReflection, symbol: ts.Symbol | undefined): void {
  const [declaration] = symbol?.declarations ?? [];
  if (declaration === undefined ||
    !ts.isPropertyAssignment(declaration) && !ts.isShorthandPropertyAssignment(declaration))
    return;
  const value = symbol === undefined ? undefined : defaultInSource(symbol);
  if (value === undefined) delete child.defaultValue;
  else child.defaultValue = value;
}

function withoutInternal(comment: Comment): Comment {
  comment.removeModifier("@internal");
  return comment;
}

function textOf(comment: Comment | undefined): string {
  return comment?.summary.map(({ text }) => text).join("") ?? "";
}

function declarationsOf(project: ProjectReflection): DeclarationReflection[] {
  return Object.values(project.reflections).filter((reflection): reflection is DeclarationReflection =>
    reflection instanceof DeclarationReflection &&
    reflection.kindOf([ReflectionKind.Interface, ReflectionKind.TypeAlias])
  );
}

function isOnlySchema(symbol: ts.Symbol | undefined): boolean {
  return !symbol?.declarations?.some((declaration) =>
    ts.isInterfaceDeclaration(declaration) &&
    (declaration.members.length > 0 || !declaration.heritageClauses?.[0]?.getText().includes("z."))
  );
}

function tagOf(option: z.ZodObject, key: string): string {
  const [value] = defOf((option.shape as Shape)[key] as z.ZodType).values ?? [];
  return String(value);
}

function tagOfType(type: ts.Type, key: string, checker: ts.TypeChecker): string | undefined {
  const property = type.getProperty(key);
  const tag = property === undefined ? undefined : checker.getTypeOfSymbol(property);
  return tag?.isStringLiteral() === true ? tag.value : undefined;
}

/** Writes the rows of tables, each a property with its type, default and comment. */
class Rows {
  constructor(readonly context: Context, private readonly types: SchemaTypes, private readonly side: Side) {}

  /** Completes the properties of an interface. */
  fill(reflection: DeclarationReflection, schema: z.ZodType): void {
    const object = unwrapped(schema);
    if (!(object instanceof z.ZodObject)) return;
    const shape = object.shape as Shape;
    reflection.children = (reflection.children ?? []).flatMap((child) => {
      delete child.inheritedFrom;
      if (child.defaultValue === "...") delete child.defaultValue;
      const field = shape[child.name];
      if (field === undefined) return [child];
      this.#describe(child, field, this.context.getSymbolFromReflection(child));
      return [child, ...this.#nested(reflection, field, child.name, this.#typeOf(child), 1)];
    });
    delete reflection.extendedTypes;
  }

  #typeOf(child: DeclarationReflection): ts.Type | undefined {
    const symbol = this.context.getSymbolFromReflection(child);
    return symbol === undefined ? undefined : this.context.checker.getTypeOfSymbol(symbol);
  }

  /** The properties of an object that has no page of its own. */
  create(parent: DeclarationReflection, object: z.ZodObject, type: ts.Type | undefined, prefix = "",
    depth = 1): DeclarationReflection[] {
    return Object.entries(object.shape as Shape).flatMap(([key, field]) => {
      const symbol = type === undefined ? undefined : this.context.checker.getPropertyOfType(type, key);
      const row = new DeclarationReflection(`${prefix}${key}`, ReflectionKind.Property, parent);
      this.context.project.registerReflection(row, undefined, undefined);
      if (symbol !== undefined) {
        const comment = this.context.getComment(symbol, ReflectionKind.Property);
        if (comment !== undefined) row.comment = comment;
        row.flags.setFlag(ReflectionFlag.Optional, (symbol.flags & ts.SymbolFlags.Optional) !== 0);
      }
      const value = symbol === undefined ? undefined : this.context.checker.getTypeOfSymbol(symbol);
      this.#describe(row, field, symbol);
      if (row.type === undefined && value !== undefined)
        row.type = this.context.converter.convertType(this.context, value);
      return [row, ...this.#nested(parent, field, row.name, value, depth)];
    });
  }

  #describe(row: DeclarationReflection, field: z.ZodType, symbol: ts.Symbol | undefined): void {
    const type = this.types.typeOf(field, this.side);
    if (type !== undefined) row.type = type;
    const comment = row.comment ?? this.#commentOf(field, symbol);
    if (comment !== undefined) row.comment = comment;
    if (this.side === "output") return;
    const value = defaultOf(field) ?? (symbol === undefined ? undefined : defaultInSource(symbol));
    if (value !== undefined) row.defaultValue = value;
  }

  /** The comment of the property that a field is copied from, or that of its type. */
  #commentOf(field: z.ZodType, symbol: ts.Symbol | undefined): Comment | undefined {
    const { checker } = this.context;
    const [declaration] = symbol?.declarations ?? [];
    let value = declaration !== undefined && ts.isPropertyAssignment(declaration) ? declaration.initializer : undefined;
    while (value !== undefined && ts.isCallExpression(value) && ts.isPropertyAccessExpression(value.expression))
      value = value.expression.expression;
    const source = value !== undefined && ts.isPropertyAccessExpression(value)
      ? checker.getSymbolAtLocation(value.name) : undefined;
    const copied = source === undefined ? undefined : this.context.getComment(source, ReflectionKind.Property);
    const named = this.types.namedBy(unwrapped(field), this.side)?.comment;
    return copied ?? (named === undefined ? undefined : new Comment(Comment.cloneDisplayParts(named.summary)));
  }

  /** Rows of the objects in a field, unless a page has them. */
  #nested(parent: DeclarationReflection, field: z.ZodType, name: string, type: ts.Type | undefined,
    depth: number): DeclarationReflection[] {
    const { checker } = this.context;
    let inner = unwrapped(field);
    let own = type === undefined ? undefined : checker.getNonNullableType(type);
    let path = name;
    if (depth >= DEPTH || this.types.namedBy(field, this.side) !== undefined) return [];
    if (defOf(inner).type === "nullable") inner = unwrapped(defOf(inner).innerType as z.ZodType);
    if (defOf(inner).type === "array") {
      inner = unwrapped(defOf(inner).element as z.ZodType);
      own = own === undefined ? undefined : checker.getIndexTypeOfType(own, ts.IndexKind.Number);
      path = `${name}[]`;
    }
    if (!(inner instanceof z.ZodObject) || this.types.namedBy(inner, this.side) !== undefined) return [];
    return this.create(parent, inner, own, `${path}.`, depth + 1);
  }
}
