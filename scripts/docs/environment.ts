// docs/environment.md: variables, described where they are read: `// @env NAME AUDIENCE: meaning. Default: value.`
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { BuildError } from "../support/errors.js";

/** A file; its path is relative to the root, with slashes. */
export type Source = Readonly<{ path: string; text: string }>;

const FOLDERS = ["lib", "scripts", "native", "bench", "test", "examples"];
const AUDIENCES = { users: "For users", builds: "For builds", tests: "For tests and benchmarks" };
const FORM = /^(\S+) (users|builds|tests): (.+?\.) Default: (.+?)\.?$/;

/** The sources that may read variables and throw errors. */
export function readSources(root: string): Source[] {
  return FOLDERS.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).sort()
      .map((name) => `${folder}/${name.replaceAll("\\", "/")}`)
      .filter((path) => /\.(?:[mc]?[tj]s|cpp|h|inl|cu|py)$/.test(path))
      .filter((path) => !/\/node_modules\/|^examples\/.*\/(?:build|release|web)\//.test(path))
      .map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }))
  );
}

/** @throws BuildError UNDESCRIBED if a variable is read without a description, or the reverse, or described twice. */
export function environmentPage(sources: readonly Source[]): string {
  const reads = sources.flatMap(({ path, text }) => variablesReadBy(path, text).map((name) => ({ path, name })));
  const described = sources.flatMap(descriptionsIn);
  const wrong = [
    ...reads.filter(({ name }) => !described.some((row) => row.name === name))
      .map(({ path, name }) => `${path}: ${name} is read and not described. Put a comment "@env ${name} …" above it.`),
    ...described.filter(({ path, name }, index) =>
      described.findIndex((row) => row.name === name) !== index ||
      !reads.some((read) => read.path === path && read.name === name)
    ).map(({ path, name }) => `${path}: ${name} is not read in this file, or described twice. Move or remove this.`),
  ];
  if (wrong.length > 0) throw new BuildError("UNDESCRIBED", wrong.join("\n"));
  const tables = Object.entries(AUDIENCES).map(([audience, title]) => {
    const rows = described.filter((row) => row.audience === audience).sort((a, b) => (a.name < b.name ? -1 : 1));
    return `\n## ${title}\n\n| variable | meaning | default | read in |\n|---|---|---|---|\n${rows.map(({ name, text, path }) => `| \`${name}\` | ${text} | [\`${path}\`](../${path}) |\n`).join("")}`;
  });
  return `# Environment variables

The variables that the package, its scripts and its tests read. \`npm run docs\` makes this page from the comments where they are read. libtorch and
CUDA read others, such as \`CUDA_VISIBLE_DEVICES\`.
${tables.join("")}`;
}

function descriptionsIn({ path, text }: Source): (Source & { name: string; audience: string })[] {
  return [...text.matchAll(/^ *\/\/ @env (.*(?:\n *\/\/ (?!@env ).*)*)$/gm)].map(([, comment = ""]) => {
    const line = comment.replace(/\n *\/\/ /g, " ");
    const [, name = "", audience = "", meaning = "", value = ""] = FORM.exec(line) ?? [];
    if (name === "")
      throw new BuildError("UNDESCRIBED", `${path}: invalid comment: expected ${FORM.source}, received ${line}.`);
    return { path, name, audience, text: `${meaning} | ${value}` };
  });
}

function variablesReadBy(path: string, text: string): string[] {
  if (/\.[mc]?[tj]s$/.test(path)) return /\benv\??[.[]/.test(text) ? readByScript(text) : [];
  // In C++, a name may reach getenv by way of a constant or a function.
  const names = text.includes("getenv(") ? /"(REVIEWKD_\w+)"|(?<=getenv\(")(\w+)/g : /environ(?:\.get)?[[(]["'](\w+)/g;
  return [...text.matchAll(names)].map(([, first, second]) => first ?? second ?? "");
}

function readByScript(text: string): string[] {
  const names: string[] = [];
  const visit = (node: ts.Node): void => {
    const name = ts.isPropertyAccessExpression(node) ? node.name
      : ts.isElementAccessExpression(node) ? node.argumentExpression : undefined;
    if (name !== undefined && /(?:^|\.)env$/.test((node as ts.AccessExpression).expression.getText())) {
      const isWritten = ts.isDeleteExpression(node.parent) ||
        (ts.isBinaryExpression(node.parent) && node.parent.operatorToken.kind === ts.SyntaxKind.EqualsToken);
      if (!isWritten) names.push(ts.isIdentifier(name) || ts.isStringLiteral(name) ? name.text : name.getText());
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile("source.ts", text, ts.ScriptTarget.Latest, true));
  return names;
}
