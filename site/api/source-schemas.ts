// The zod schema behind an exported type, and the comments of its source.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import ts from "typescript";
import { z } from "zod";
import type { Side } from "./schema-types.js";

/** A schema, and the declaration of the constant that has it. */
export interface SourceSchema {
  readonly schema: z.ZodType;
  readonly side: Side;
  readonly declaration: ts.VariableDeclaration;
}

type Module = Readonly<Record<string, unknown>>;

/** The modules below a folder whose types are inferred from schemas, by path: typedoc's events cannot wait for them. */
export async function loadModules(folder: string): Promise<ReadonlyMap<string, Module>> {
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"))
    .map((name) => join(folder, name)).filter((path) => /z\.(?:input|infer|output)</.test(readFileSync(path, "utf8")));
  const modules = new Map<string, Module>();
  for (const path of paths.sort())
    modules.set(path.replaceAll("\\", "/"), await import(pathToFileURL(path).href) as Module);
  return modules;
}

/**
 * The schema of `interface X extends z.input<typeof Y>`, of an interface that extends such a one, or of
 * `type X = z.infer<typeof Y>`.
 */
export function schemaOf(symbol: ts.Symbol, checker: ts.TypeChecker, modules: ReadonlyMap<string, Module>):
  | SourceSchema
  | undefined {
  for (const declaration of symbol.declarations ?? []) {
    const nodes = ts.isInterfaceDeclaration(declaration)
      ? declaration.heritageClauses?.flatMap((clause) => [...clause.types]) ?? []
      : ts.isTypeAliasDeclaration(declaration) ? [declaration.type] : [];
    for (const node of nodes) {
      const found = schemaOfNode(node, checker, symbol.name, modules) ??
        (ts.isExpressionWithTypeArguments(node) ? schemaOfParent(node, checker, modules) : undefined);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function schemaOfParent(node: ts.ExpressionWithTypeArguments, checker: ts.TypeChecker,
  modules: ReadonlyMap<string, Module>): SourceSchema | undefined {
  const parent = checker.getSymbolAtLocation(node.expression);
  return parent === undefined ? undefined : schemaOf(resolved(parent, checker), checker, modules);
}

const SIDES: Readonly<Record<string, Side>> = { "z.input": "input", "z.infer": "output", "z.output": "output" };

function schemaOfNode(node: ts.Node, checker: ts.TypeChecker, name: string, modules: ReadonlyMap<string, Module>):
  | SourceSchema
  | undefined {
  if (!ts.isTypeReferenceNode(node) && !ts.isExpressionWithTypeArguments(node)) return undefined;
  const [first] = node.typeArguments ?? [];
  if (/^(?:Omit|Pick)\b/.test(node.getText()) && first !== undefined)
    return schemaOfNode(first, checker, name, modules);
  const side = SIDES[(ts.isTypeReferenceNode(node) ? node.typeName : node.expression).getText()];
  const [query] = node.typeArguments ?? [];
  if (side === undefined || query === undefined || !ts.isTypeQueryNode(query)) return undefined;
  const symbol = checker.getSymbolAtLocation(query.exprName);
  const declaration = symbol === undefined ? undefined : resolved(symbol, checker).valueDeclaration;
  if (declaration === undefined || !ts.isVariableDeclaration(declaration)) return undefined;
  const module = modules.get(declaration.getSourceFile().fileName) ?? {};
  // A large schema is exported under another type than its own, and then named as its type.
  const schema = [query.exprName.getText(), name, name.replace(/Input$/, "")].map((key) => module[key])
    .find((value) => value instanceof z.ZodType);
  return schema === undefined ? undefined : { schema, side, declaration };
}

export function resolved(symbol: ts.Symbol, checker: ts.TypeChecker): ts.Symbol {
  return (symbol.flags & ts.SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol);
}

/** For each alternative of a union, by its `kind` or `type`: where its own comment stands. */
export function alternativesOf(declaration: ts.VariableDeclaration, checker: ts.TypeChecker): ts.Node[] {
  const call = leftmostCall(declaration.initializer);
  const list = call?.arguments.at(-1);
  return list === undefined ? [] : elementsOf(list, checker).map((element) => commented(element, checker));
}

/** `z.discriminatedUnion(…)` of `z.discriminatedUnion(…).meta(…)`. */
function leftmostCall(node: ts.Expression | undefined): ts.CallExpression | undefined {
  if (node === undefined || !ts.isCallExpression(node)) return undefined;
  const { expression } = node;
  return ts.isPropertyAccessExpression(expression) ? leftmostCall(expression.expression) ?? node : node;
}

function elementsOf(list: ts.Expression, checker: ts.TypeChecker): ts.Expression[] {
  if (ts.isAsExpression(list)) return elementsOf(list.expression, checker);
  if (ts.isArrayLiteralExpression(list)) {
    return list.elements.flatMap((element) =>
      ts.isSpreadElement(element) ? elementsOf(element.expression, checker) : [element]
    );
  }
  const initializer = ts.isIdentifier(list) ? declarationOf(list, checker)?.initializer : undefined;
  return initializer === undefined ? [] : elementsOf(initializer, checker);
}

/** The node with the comment of an alternative: the constant that it names, or itself. */
function commented(element: ts.Expression, checker: ts.TypeChecker): ts.Node {
  let inner: ts.Expression = element;
  while (ts.isCallExpression(inner) && ts.isPropertyAccessExpression(inner.expression))
    inner = inner.expression.expression;
  const declaration = ts.isIdentifier(inner) ? declarationOf(inner, checker) : undefined;
  return declaration?.parent.parent ?? element;
}

function declarationOf(name: ts.Identifier, checker: ts.TypeChecker): ts.VariableDeclaration | undefined {
  const symbol = checker.getSymbolAtLocation(name);
  const declaration = symbol === undefined ? undefined : resolved(symbol, checker).valueDeclaration;
  return declaration !== undefined && ts.isVariableDeclaration(declaration) ? declaration : undefined;
}

/** The text of the doc comment before a node, on one line. */
export function commentBefore(node: ts.Node): string {
  const text = node.getSourceFile().text;
  const range = ts.getLeadingCommentRanges(text, node.getFullStart())?.at(-1);
  const comment = range === undefined ? "" : text.slice(range.pos, range.end);
  return /^\/\*\*/.test(comment)
    ? comment.replace(/^\/\*\*|\*\/$/g, "").replace(/^\s*\* ?/gm, "").replace(/^@see[^]*$/m, "").replace(/\s+/g, " ")
      .trim()
    : "";
}

/** The default in the source of a property, for schemas that are not exported: `.default(…)`. */
export function defaultInSource(symbol: ts.Symbol): string | undefined {
  const [declaration] = symbol.declarations ?? [];
  if (declaration === undefined || !ts.isPropertyAssignment(declaration)) return undefined;
  return /\.(?:default|prefault)\(([^()]*)\)/.exec(declaration.initializer.getText())?.[1];
}
